"""Vectors that are easy or hard to search, from a fixed seed and in blocks, so that a million of them need no copy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .corpus import Corpus, Floats, Shape, unit
from .language import Language

QUERIES = 200
_BLOCK = 50_000
_CLUSTERS = 500
_SEED = 7


class Clustered:
    """Well-separated clusters, queries near rows: what most published benchmarks of vector stores use."""

    def __init__(self, dimensions: int) -> None:
        self._centres = np.random.default_rng([_SEED, dimensions]).standard_normal((_CLUSTERS, dimensions), np.float32)

    def points(self, count: int, rng: np.random.Generator) -> Floats:
        noise = rng.standard_normal((count, self._centres.shape[1]), np.float32)
        return self._centres[rng.integers(_CLUSTERS, size=count)] + np.float32(0.6) * noise

    def queries(self, count: int, rng: np.random.Generator) -> Floats:
        points = self.points(count, rng)
        return points + np.float32(0.3) * rng.standard_normal(points.shape, np.float32)


class Hard:
    """Like a language model's embeddings: few strong directions and many weak ones, a common mean, clusters that overlap.

    The scale of direction i is (i + 1) ** -0.5, before a random rotation; the mean is as long as half the spread, so that
    two points have a cosine of 0.17 on average, a query and its nearest row about 0.6. Queries are unseen points, a little perturbed.
    """

    def __init__(self, dimensions: int) -> None:
        rng = np.random.default_rng([_SEED, dimensions])
        self._scales = (np.arange(1, dimensions + 1) ** -0.5).astype(np.float32)
        self._rotation = np.linalg.qr(rng.standard_normal((dimensions, dimensions)))[0].astype(np.float32)
        self._centres = np.float32(0.5) * self._scales * rng.standard_normal((_CLUSTERS, dimensions), np.float32)
        direction = unit(rng.standard_normal((1, dimensions), np.float32))[0]
        self._mean = np.float32(0.5) * np.linalg.norm(self._scales) * direction

    def points(self, count: int, rng: np.random.Generator) -> Floats:
        noise = self._scales * rng.standard_normal((count, len(self._scales)), np.float32)
        return (self._centres[rng.integers(_CLUSTERS, size=count)] + noise + self._mean) @ self._rotation

    def queries(self, count: int, rng: np.random.Generator) -> Floats:
        noise = self._scales * rng.standard_normal((count, len(self._scales)), np.float32)
        return self.points(count, rng) + np.float32(0.2) * noise @ self._rotation


KINDS: dict[str, Callable[[int], Clustered | Hard]] = {"hard": Hard, "clustered": Clustered}


def corpus(kind: str, shape: Shape) -> Corpus:
    """Return a corpus of one kind; the same arguments give the same one."""
    maker, language = KINDS[kind](shape.dimensions), Language()
    vectors = np.empty((shape.rows, shape.dimensions), np.float32)
    for start in range(0, shape.rows, _BLOCK):
        stop = min(shape.rows, start + _BLOCK)
        vectors[start:stop] = unit(maker.points(stop - start, np.random.default_rng([_SEED, start])))
    rng = np.random.default_rng([_SEED, shape.rows, 1])
    queries = unit(maker.queries(QUERIES, rng))
    return Corpus(kind, vectors, language.texts(shape.rows, rng), queries, language.questions(QUERIES, rng))
