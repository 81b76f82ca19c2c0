"""Libraries that search vectors in memory, light enough to stand in one process with ours. Each is optional."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .corpus import Corpus, Floats
from .turns import Method

NUMPY, FLAT, HNSW, USEARCH = "exact NumPy", "faiss flat", "faiss HNSW", "usearch"
_FIRST, _NEXT = 2000, 5000  # rows a graph grows by, so that one which won't be done in time is left early


def numpy_scan(corpus: Corpus, name: str = NUMPY, among: NDArray[np.int64] | None = None) -> Method:
    """Return the plain scan that one writes oneself: unit rows, a product, a partition, a short sort."""
    rows = corpus.vectors if among is None else corpus.vectors[among]

    def search(number: int, k: int) -> NDArray[np.int64]:
        scores = rows @ corpus.queries[number]
        top = np.argpartition(scores, len(scores) - k)[-k:] if k < len(scores) else np.arange(len(scores))
        return top[np.argsort(-scores[top])]

    def read(answer: NDArray[np.int64]) -> list[int]:
        return (answer if among is None else among[answer]).tolist()

    return Method(name, search, read, rows.nbytes / 2**20)


def flat(corpus: Corpus) -> Method | None:
    """Return faiss's exact index; None where faiss is not installed."""
    if find_spec("faiss") is None:
        return None
    import faiss

    index = faiss.IndexFlatIP(corpus.vectors.shape[1])
    index.add(corpus.vectors)
    faiss.omp_set_num_threads(1)
    return Method(FLAT, _faiss_search(index, corpus), _faiss_read, corpus.vectors.nbytes / 2**20)


def graphs(corpus: Corpus, cap: float) -> Iterator[Method | tuple[str, str]]:
    """Yield the approximate ones, ready to search, or a name and why it is not there."""
    for name, package, build in ((HNSW, "faiss", _faiss_hnsw), (USEARCH, "usearch", _usearch)):
        yield build(corpus, cap) if find_spec(package) else (name, "not installed")


def _faiss_hnsw(corpus: Corpus, cap: float) -> Method | tuple[str, str]:
    import faiss

    index = faiss.IndexHNSWFlat(corpus.vectors.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efSearch = 64
    faiss.omp_set_num_threads(os.cpu_count() or 1)  # building is not what is compared
    late = _grown(corpus.vectors, lambda part, _: index.add(part), cap)
    faiss.omp_set_num_threads(1)
    if late:
        return HNSW, late
    links = faiss.vector_to_array(index.hnsw.offsets)[-1] * 4
    return Method(HNSW, _faiss_search(index, corpus), _faiss_read, (corpus.vectors.nbytes + links) / 2**20, "M 32, efSearch 64")


def _faiss_search(index: Any, corpus: Corpus) -> Callable[[int, int], NDArray[np.int64]]:
    return lambda number, k: index.search(corpus.queries[number : number + 1], k)[1][0]


def _faiss_read(answer: NDArray[np.int64]) -> list[int]:
    return answer[answer >= 0].tolist()


def _usearch(corpus: Corpus, cap: float) -> Method | tuple[str, str]:
    from usearch.index import Index

    index = Index(ndim=corpus.vectors.shape[1], metric="cos", dtype="f32")
    late = _grown(corpus.vectors, lambda part, start: index.add(np.arange(start, start + len(part)), part), cap)
    if late:
        return USEARCH, late
    return Method(
        USEARCH,
        lambda number, k: index.search(corpus.queries[number], k, threads=1),
        lambda answer: answer.keys.tolist(),
        index.memory_usage / 2**20,
        "its defaults",
    )


def _grown(vectors: Floats, add: Callable[[Floats, int], Any], cap: float) -> str | None:
    """Add vectors piece by piece; return why it was given up as soon as the pace says that the cap won't hold."""
    begun, done = time.perf_counter(), 0
    while done < len(vectors):
        part = vectors[done : done + (_NEXT if done else _FIRST)]
        add(part, done)
        done += len(part)
        spent = time.perf_counter() - begun
        if spent / done * len(vectors) > cap:
            return f"not built within {cap:g} s: {done} rows took {spent:.0f} s"
    return None
