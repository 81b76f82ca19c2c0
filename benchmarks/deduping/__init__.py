"""What dedup.py measures, one noun a module. Everything is held to one thread before any of them imports numpy."""

import os

import harness

harness.one_blas_thread()
os.environ.update(RAYON_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")
