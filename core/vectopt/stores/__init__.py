"""Stores outside that may hold persistent vectors. Each module needs its own extra."""
