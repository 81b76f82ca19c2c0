"""PURE. Many texts' sets of words, as arrays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
Ranks = npt.NDArray[np.int32]
Pictures = npt.NDArray[np.uint64]

_HALF = np.int64(1) << 32
_OFFSET = np.int64(1) << 31
_LINES = 4  # of 64 bits


@dataclass(frozen=True, slots=True)
class WordSets:
    """Sets of words, each in the vocabulary's order: the rarest first.

    Attributes:
        ranks: int32, of all sets one after the other.
        starts: int64, (sets + 1,): where each set's ranks are.
        sizes: int64, (sets,): how many words each has.
        lengths: int64, (sets,): of the texts, in characters.
        pictures: uint64, (sets, 4): a bit for each word, by its rank modulo 256.
        unseen: int64, (sets,): how many words have no bit of their own in the picture.
    """

    ranks: Ranks
    starts: Rows
    sizes: Rows
    lengths: Rows
    pictures: Pictures
    unseen: Rows

    @classmethod
    def of(cls, ranks: Ranks, starts: Rows, lengths: Rows) -> WordSets:
        """Return the sets with these ranks."""
        sizes, pictures = np.diff(starts), _pictures(ranks, starts)
        return cls(ranks, starts, sizes, lengths, pictures, sizes - np.bitwise_count(pictures).sum(axis=1, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, rows: Rows) -> WordSets:
        """Return some of the sets."""
        positions, starts = ranges(self.starts[rows], self.starts[rows + 1])
        return WordSets(self.ranks[positions], starts, self.sizes[rows], self.lengths[rows], self.pictures[rows], self.unseen[rows])


def _pictures(ranks: Ranks, starts: Rows) -> Pictures:
    result = np.zeros((len(starts) - 1, _LINES), np.uint64)
    some = np.flatnonzero(np.diff(starts))
    if len(some):
        bits = np.left_shift(np.uint64(1), (ranks & 63).astype(np.uint64))
        lines = (ranks >> 6) & (_LINES - 1)
        for line in range(_LINES):
            result[some, line] = np.bitwise_or.reduceat(np.where(lines == line, bits, np.uint64(0)), starts[some])
    return result


def shared_at_most(left: WordSets, left_rows: Rows, right: WordSets, right_rows: Rows) -> Rows:
    """Return of pairs a number of words that they can't share more than."""
    bits = np.bitwise_count(left.pictures[left_rows] & right.pictures[right_rows])
    both: Rows = (bits[:, 0].astype(np.int64) + bits[:, 1]) + (bits[:, 2].astype(np.int64) + bits[:, 3])
    both += np.minimum(left.unseen[left_rows], right.unseen[right_rows])
    return both


def shared(left: WordSets, left_rows: Rows, right: WordSets, right_rows: Rows) -> Rows:
    """Return how many words each of some pairs of sets share."""
    pairs = len(left_rows)
    keys = []
    for sets, rows in ((left, left_rows), (right, right_rows)):
        positions, starts = ranges(sets.starts[rows], sets.starts[rows + 1])
        keys.append(np.repeat(np.arange(pairs) * _HALF + _OFFSET, np.diff(starts)) + sets.ranks[positions])
    every = np.concatenate(keys)
    every.sort()
    return np.bincount(every[1:][every[1:] == every[:-1]] >> 32, minlength=pairs)


def ranges(starts: npt.NDArray[Any], ends: npt.NDArray[Any]) -> tuple[Rows, Rows]:
    """Return the numbers of all ranges one after the other, and where each range begins among them, with the end."""
    offsets = np.zeros(len(starts) + 1, np.int64)
    np.cumsum(ends - starts, out=offsets[1:])
    steps = np.repeat(starts - offsets[:-1], ends - starts)
    steps += np.arange(offsets[-1])
    return steps, offsets


class Vocabulary:
    """Numbers words, and orders them by how rare they are.

    Any order serves, if all sets are in the same one. So it stays as it is until `reorder`, and words that are new since
    come before all others.
    """

    def __init__(self, tokenize: Callable[[str], Iterable[str]]) -> None:
        self._tokenize = tokenize
        self._numbers: defaultdict[str, int] = defaultdict(count().__next__)
        self._rank_of = np.empty(0, np.int32)  # by number

    def sets(self, texts: Sequence[str]) -> WordSets:
        """Return the texts' sets of words."""
        numbers: list[int] = []
        starts, lengths = [0], []
        number, tokenize, extend = self._numbers.__getitem__, self._tokenize, numbers.extend
        for text in texts:
            extend(map(number, set(tokenize(text))))
            starts.append(len(numbers))
            lengths.append(len(text))
        return self._ordered(np.array(numbers, np.int64), np.array(starts, np.int64), np.array(lengths, np.int64))

    def _ordered(self, numbers: Rows, starts: Rows, lengths: Rows) -> WordSets:
        known = len(self._rank_of)
        ranks = ~numbers  # new words: the later the rarer
        if known:
            old = numbers < known
            ranks[old] = self._rank_of[numbers[old]]
        keys = np.repeat(np.arange(len(lengths), dtype=np.int64) * _HALF + _OFFSET, np.diff(starts)) + ranks
        keys.sort()
        return WordSets.of(((keys & (_HALF - 1)) - _OFFSET).astype(np.int32), starts, lengths)

    def reorder(self, sets: WordSets) -> WordSets:
        """Order the words anew, by how many of these sets have them; return the sets in the new order."""
        number_of = np.empty(len(self._rank_of), np.int64)
        number_of[self._rank_of] = np.arange(len(self._rank_of))
        ranks = sets.ranks.astype(np.int64)
        numbers = np.where(ranks < 0, ~ranks, number_of[np.maximum(ranks, 0)] if len(number_of) else 0)
        frequency = np.bincount(numbers, minlength=len(self._numbers))
        self._rank_of = np.empty(len(frequency), np.int32)
        self._rank_of[np.argsort(frequency, kind="stable")] = np.arange(len(frequency), dtype=np.int32)
        return self._ordered(numbers, sets.starts, sets.lengths)
