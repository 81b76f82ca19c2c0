"""What an answer is held against: cosines with every vector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .corpus import Floats

_TIE = 1e-6  # a row whose cosine is this close to the k-th best is as good an answer: rounding decides between them
_BLOCK = 16


class Truth:
    """The best cosines of each query, among all rows or some of them.

    Args:
        vectors: unit rows, shape (n, dimensions).
        queries: unit rows, shape (q, dimensions).
        depth: the largest k asked for.
        among: numbers of the only rows that count.
    """

    def __init__(self, vectors: Floats, queries: Floats, depth: int, among: NDArray[np.int64] | None = None) -> None:
        self._vectors, self._queries = vectors, queries
        self._among = None if among is None else frozenset(among.tolist())
        scanned = vectors if among is None else vectors[among]
        depth = min(depth, len(scanned))
        self.best = np.empty((len(queries), depth), np.float32)  # descending
        for start in range(0, len(queries), _BLOCK):
            scores = queries[start : start + _BLOCK] @ scanned.T
            top = np.partition(scores, len(scanned) - depth, axis=1)[:, len(scanned) - depth :]
            self.best[start : start + _BLOCK] = -np.sort(-top, axis=1)

    def found(self, number: int, rows: list[int], k: int) -> int:
        """Return how many of the answer's rows belong to the k nearest of a query; ties count, repetitions don't."""
        given = {row for row in rows if self._among is None or row in self._among}
        if not given:
            return 0
        cosines = self._vectors[list(given)].astype(np.float64) @ self._queries[number].astype(np.float64)
        return min(k, int(np.count_nonzero(cosines >= self.best[number, self.wanted(k) - 1] - _TIE)))

    def wanted(self, k: int) -> int:
        """Return how many an exact answer has."""
        return min(k, self.best.shape[1])

    def recall(self, answers: list[tuple[int, list[int]]], k: int) -> float:
        """Return the share of the k nearest that the answers, of (query number, rows), hold."""
        return sum(self.found(number, rows, k) for number, rows in answers) / (len(answers) * self.wanted(k))


class TruthInTurn:
    """Truths that queries take in turn: query n has number n modulo their count."""

    def __init__(self, truths: list[Truth]) -> None:
        self._truths = truths

    def recall(self, answers: list[tuple[int, list[int]]], k: int) -> float:
        """Return the mean of every answer's recall by its own truth."""
        return sum(self._truths[number % len(self._truths)].recall([(number, rows)], k) for number, rows in answers) / len(answers)
