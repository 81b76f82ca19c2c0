"""Which words each text has: the postings turned round, each word by the number of its bucket."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .growing import Growing
from .segment import Segment

BUCKETS = 1 << 13
"""Words beyond so many share the buckets of earlier ones: what is learned of words takes no more memory than that."""

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class ForwardView:
    """The texts' words at one moment."""

    starts: NDArray[np.int64]  # where each text's begin, and the end of the last; shape (n + 1,)
    buckets: NDArray[np.uint16]  # shape (words,)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """How many distinct words each text has, shape (n,)."""
        return np.diff(self.starts)

    def means(self, told: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what each text's words tell together: their sum over the root of how many they are; 0 without any; shape (n,).

        Args:
            told: what each bucket tells, shape (`BUCKETS`,).
        """
        result = np.zeros(len(self), np.float32)
        there, roots = self._wordy
        if len(there):
            result[there] = np.add.reduceat(np.take(told, self.buckets, mode="wrap"), self.starts[there]) / roots
        return result

    @cached_property
    def _wordy(self) -> tuple[Positions, NDArray[np.float32]]:
        """The texts that have words, and the roots of how many."""
        there = np.flatnonzero(self.counts)
        return there, np.sqrt(self.counts[there], dtype=np.float32)

    def of(self, positions: Positions) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
        """Return of some texts how many words each has, and the words' buckets, one text's after the other's."""
        counts = self.counts[positions]
        before = np.cumsum(counts) - counts
        return counts, self.buckets[np.repeat(self.starts[positions] - before, counts) + np.arange(counts.sum())]


class Forward:
    """Takes in segments, which follow each other."""

    def __init__(self, segments: Iterable[Segment], size: int) -> None:
        self._starts = Growing(np.int64, held=np.zeros(1, np.int64))
        self._buckets = Growing(np.uint16)
        for segment in segments:
            if len(segment):  # texts without words make a segment, too
                self.extend(segment, int(segment.where.max()) + 1)
        self.extend(None, size)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._starts.nbytes + self._buckets.nbytes

    def extend(self, segment: Segment | None, size: int) -> None:
        """Take in the words of the next texts, up to a position; those that no posting names have none."""
        first = len(self._starts) - 1
        if segment is None:
            where, terms = np.empty(0, np.int32), np.empty(0, np.int32)
        else:
            order = np.argsort(segment.where, kind="stable")
            where, terms = segment.where[order], segment.every_term[order]
        counts = np.bincount(where - first, minlength=size - first)
        self._starts.extend(len(self._buckets) + np.cumsum(counts))
        self._buckets.extend(terms % BUCKETS)

    def view(self) -> ForwardView:
        """Return the words as they are now."""
        return ForwardView(self._starts.view(), self._buckets.view())
