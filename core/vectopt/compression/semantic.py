"""PURE. Clusters by the cosine of embeddings: for texts that say the same in other words.

The leader rule of `leader`, exactly: each text joins the first opener whose cosine reaches the threshold and that the guard lets
it join. All openers are compared, a block at a time by one matrix product; what comes near the threshold is computed again in
float64, so that no verdict depends on how the product was cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..model import Vector

_BLOCK = 1024
_EASE = 1e-4  # more than float32 can be off in a product of unit vectors


class SemanticLeader:
    """Assigns embedded texts to clusters as they come.

    Args:
        threshold: the least cosine of a text and its cluster's opener.
        same: the guard, of two texts.
    """

    def __init__(self, threshold: float, same: Callable[[str, str], bool]) -> None:
        self._threshold = threshold
        self._same = same
        self._openers: list[tuple[int, str]] = []
        self._vectors: Vector | None = None
        self._clusters = 0

    def add(self, vectors: Vector, texts: Sequence[str]) -> list[int]:
        """Return the number of each text's cluster; clusters are numbered as they open.

        Args:
            vectors: float32, shape (texts, dimensions), of any lengths; one of length 0 is like none.
            texts: what they were made of.
        """
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        units = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
        return [label for start in range(0, len(units), _BLOCK) for label in self._block(units[start : start + _BLOCK], texts[start:])]

    def _block(self, units: Vector, texts: Sequence[str]) -> list[int]:
        count, known = len(self._openers), self._known(units.shape[1])
        every = np.concatenate((known[:count], units))
        rows, others = np.nonzero(units @ every.T >= self._threshold - _EASE)
        before = others < count + rows
        rows, others = rows[before], others[before]
        cosines = np.einsum("ij,ij->i", units[rows].astype(np.float64), every[others].astype(np.float64))
        alike = cosines >= self._threshold
        candidates: list[list[int]] = [[] for _ in units]
        for row, other in zip(rows[alike].tolist(), others[alike].tolist(), strict=True):
            candidates[row].append(other)
        openers: dict[int, tuple[int, str]] = dict(enumerate(self._openers))  # by column: those of this block after the known ones
        labels = []
        for row, columns in enumerate(candidates):
            joined = next((openers[one][0] for one in columns if one in openers and self._same(openers[one][1], texts[row])), None)
            if joined is None:
                joined = self._clusters
                self._clusters += 1
                openers[count + row] = joined, texts[row]
                self._open(units[row], joined, texts[row])
            labels.append(joined)
        return labels

    def _known(self, dimensions: int) -> Vector:
        if self._vectors is None:
            self._vectors = np.empty((_BLOCK, dimensions), np.float32)
        return self._vectors

    def _open(self, unit: Vector, cluster: int, text: str) -> None:
        vectors, count = self._known(len(unit)), len(self._openers)
        if count == len(vectors):
            self._vectors = vectors = np.concatenate((vectors, np.empty_like(vectors)))
        vectors[count] = unit
        self._openers.append((cluster, text))
