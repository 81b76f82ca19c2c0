"""How many searches a second several threads get out of one index."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from vectopt import VectorManager

from . import ours, peers
from .corpus import Corpus
from .turns import Method, row

THREADS = (1, 2, 8)
K = 10
_SECONDS = 2.0


def throughput(corpus: Corpus, manager: VectorManager) -> list[dict[str, Any]]:
    """Return a row for each number of threads and each of ours, the NumPy scan and faiss flat; times are a search's."""
    methods = [ours.core(manager, corpus), peers.numpy_scan(corpus), peers.flat(corpus)]
    return [_row(corpus, method, threads) for threads in THREADS for method in methods if method is not None]


def _row(corpus: Corpus, method: Method, threads: int) -> dict[str, Any]:
    begun = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        times = list(pool.map(lambda first: _searched(method, len(corpus.queries), first, begun + _SECONDS), range(threads)))
    spent = time.perf_counter() - begun
    flat = [seconds for one in times for seconds in one]
    return row("threads", corpus.name, f"{method.name}, {_threads(threads)}", k=K, times=flat, per_second=len(flat) / spent)


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def _searched(method: Method, queries: int, first: int, until: float) -> Sequence[float]:
    times, number = [], first
    while (begun := time.perf_counter()) < until:
        method.search(number % queries, K)
        times.append(time.perf_counter() - begun)
        number += 1
    return times
