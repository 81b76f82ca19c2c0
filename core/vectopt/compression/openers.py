"""PURE. The word sets that opened clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .wordsets import Rows, WordSets


class Openers:
    """Word sets in the order they came, and how to add to them."""

    def __init__(self) -> None:
        self._count, self._words = 0, 0
        self._ranks = np.empty(1024, np.int32)
        self._starts = np.zeros(257, np.int64)
        self._clusters = np.empty(256, np.int64)
        self._rest: list[npt.NDArray[Any]] = [  # as the fields of WordSets
            np.empty(256, np.int64),
            np.empty(256, np.int64),
            np.empty((256, 4), np.uint64),
            np.empty(256, np.int64),
        ]

    def __len__(self) -> int:
        return self._count

    @property
    def sets(self) -> WordSets:
        """All of them."""
        sizes, lengths, pictures, unseen = (array[: self._count] for array in self._rest)
        return WordSets(self._ranks[: self._words], self._starts[: self._count + 1], sizes, lengths, pictures, unseen)

    @property
    def clusters(self) -> Rows:
        """The cluster that each opened."""
        return self._clusters[: self._count]

    def append(self, sets: WordSets, clusters: Rows) -> None:
        """Add sets with the clusters they open."""
        count, words = self._count + len(sets), self._words + len(sets.ranks)
        self._ranks = _grown(self._ranks, words)
        self._ranks[self._words : words] = sets.ranks
        self._starts = _grown(self._starts, count + 1)
        self._starts[self._count + 1 : count + 1] = sets.starts[1:] + self._words
        for place, values in enumerate((sets.sizes, sets.lengths, sets.pictures, sets.unseen)):
            self._rest[place] = _grown(self._rest[place], count)
            self._rest[place][self._count : count] = values
        self._clusters = _grown(self._clusters, count)
        self._clusters[self._count : count] = clusters
        self._count, self._words = count, words


def _grown(array: npt.NDArray[Any], needed: int) -> npt.NDArray[Any]:
    if needed <= len(array):
        return array
    larger = np.empty((max(needed, len(array) * 2), *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger
