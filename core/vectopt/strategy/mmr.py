"""PURE. Results that are relevant and don't repeat each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def maximal_marginal_relevance(relevance: NDArray[np.float32], vectors: NDArray[np.float32], k: int, lambda_mult: float) -> list[int]:
    """Choose up to k of n candidates (Carbonell and Goldstein, SIGIR 1998).

    Args:
        relevance: cosine of each candidate to the query, shape (n,).
        vectors: the candidates' unit vectors, shape (n, dimensions).
        k: how many to choose.
        lambda_mult: 1 is relevance alone, 0 is diversity alone.

    Returns:
        The chosen candidates' numbers in the order of choice.
    """
    chosen: list[int] = []
    closest = np.full(len(relevance), -np.inf, np.float32)  # to anything chosen so far
    free = np.ones(len(relevance), np.bool_)
    while len(chosen) < min(k, len(relevance)):
        value = relevance if not chosen else lambda_mult * relevance - (1 - lambda_mult) * closest
        best = int(np.argmax(np.where(free, value, -np.inf)))
        chosen.append(best)
        free[best] = False
        closest = np.maximum(closest, vectors @ vectors[best])
    return chosen
