"""What the machine can do at best: a scan can't be faster than memory."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import numpy as np

_BYTES = 400_000_000
_TRIES = 5
_STATM = Path("/proc/self/statm")  # not ru_maxrss: a child process starts with its parent's


def bandwidth() -> dict[str, float]:
    """Return GB/s of reading a 400 MB float32 array from end to end in one thread, the best of five."""
    array = np.ones(_BYTES // 4, np.float32)
    result = {}
    for reduce in (np.max, np.sum):
        fastest = float("inf")
        for _ in range(_TRIES):
            begun = time.perf_counter()
            reduce(array)
            fastest = min(fastest, time.perf_counter() - begun)
        result[f"np.{reduce.__name__}"] = array.nbytes / fastest / 1e9
    return result


def resident_mb() -> float:
    """Return the memory this process holds, or where the system doesn't tell, the most it ever held."""
    if _STATM.exists():
        return int(_STATM.read_text().split()[1]) * resource.getpagesize() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
