"""PURE. How alike two texts are, and what must be true of two that are alike enough.

similarity(a, b) = 0.7 x Jaccard(words of a, words of b) + 0.3 x (1 - |len(a) - len(b)| / max(len(a), len(b)))

with lengths in characters: the specification's measure. The verdict is this expression in float64, as it is written:
11/14 of the words and equal lengths give 0.8499999999999999, which is not 0.85. All bounds below are looser by `_EASE`,
so that what they let go can't be alike enough.
"""

from __future__ import annotations

from math import ceil, floor, inf

import numpy as np
import numpy.typing as npt

from .wordsets import Rows, WordSets, shared, shared_at_most

_WORDS, _LENGTHS = 0.7, 0.3
_EASE = 1e-9
_AT_ONCE = 1 << 20  # words of pairs compared


def similarity(first: frozenset[str] | set[str], second: frozenset[str] | set[str], first_length: int, second_length: int) -> float:
    """Return how alike two texts are, 0..1, from their sets of words and their lengths in characters."""
    if not first and not second:
        return 1.0
    if not first or not second:
        return 0.0
    shared = len(first & second)
    jaccard = shared / (len(first) + len(second) - shared)
    lengths = 1 - abs(first_length - second_length) / max(first_length, second_length)
    return jaccard * _WORDS + lengths * _LENGTHS


class Measure:
    """What a threshold asks of two sets of words, whatever the texts' lengths."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._jaccard = max(0.0, (threshold - _LENGTHS) / _WORDS)  # at equal lengths; 0: a shared length may be enough
        self._share = self._jaccard / (1 + self._jaccard)

    def smallest_partner(self, size: int) -> int:
        """Return the fewest words that a set may have to be alike one of `size`."""
        return max(1, ceil(self._jaccard * size - _EASE))

    def largest_partner(self, size: int) -> float:
        """Return the most words that a set may have to be alike one of `size`."""
        return floor(size / self._jaccard + _EASE) if self._jaccard else inf

    def least_shared(self, first: int, second: int) -> int:
        """Return how many words two sets of these sizes must share."""
        return max(0, ceil(self._share * (first + second) - _EASE))

    def possible(self, left: WordSets, left_rows: Rows, right: WordSets, right_rows: Rows) -> npt.NDArray[np.bool_]:
        """Tell which pairs may be alike, as far as their pictures show."""
        most = shared_at_most(left, left_rows, right, right_rows)
        return _similarities(most, left, left_rows, right, right_rows) >= self.threshold - _EASE

    def alike(self, left: WordSets, left_rows: Rows, right: WordSets, right_rows: Rows) -> npt.NDArray[np.bool_]:
        """Tell which pairs are alike. No set may be empty."""
        verdicts = [np.empty(0, bool)]
        words = np.cumsum(left.sizes[left_rows] + right.sizes[right_rows])
        start = 0
        while start < len(words):
            end = int(np.searchsorted(words, (words[start - 1] if start else 0) + _AT_ONCE, side="right"))
            end = max(end, start + 1)
            rows = left_rows[start:end], right_rows[start:end]
            exact = shared(left, rows[0], right, rows[1])
            verdicts.append(_similarities(exact, left, rows[0], right, rows[1]) >= self.threshold)
            start = end
        return np.concatenate(verdicts)


def _similarities(common: Rows, left: WordSets, left_rows: Rows, right: WordSets, right_rows: Rows) -> npt.NDArray[np.float64]:
    """Return what `similarity` does, to the last bit, for pairs that share so many words."""
    jaccard = common / (left.sizes[left_rows] + right.sizes[right_rows] - common)
    one, two = left.lengths[left_rows], right.lengths[right_rows]
    lengths = 1 - np.abs(one - two) / np.maximum(one, two)
    return np.asarray(jaccard * _WORDS + lengths * _LENGTHS)
