"""What quality.py measures, one noun a module. BLAS is held to one thread before any of them imports numpy."""

import harness

harness.one_blas_thread()
