"""PURE. Keys of word sets, made so that two sets alike enough have a key in common.

Sizes are taken in classes, and each class has its scheme:

- `Combinations(l)`: sets that share at least m words share l of them among the first |A| - m + l and the first |B| - m + l in
  any common order of words; the keys are the combinations of l of these. Rare words come first, so few sets have a key in common.
- `Parts(p)`: where the words fall into p parts, and two sets differ in fewer than p words, they agree on some part. For long
  sets over a small vocabulary, of which no word is rare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt

from .measure import Measure
from .postings import entries_of
from .wordsets import Rows, WordSets, ranges

Numbers = npt.NDArray[np.uint64]

_ODD, _SALT, _ALL = np.uint64(0x9E3779B97F4A7C15), 0x632BE59BD9B4E019, (1 << 64) - 1
_GROWTH = 1.45  # of the sizes of one class to those of the next
_MOST_KEYS = 100
_KEY_COST, _PAIR_COST = 30.0, 25.0  # nanoseconds: a key looked up; a pair looked at
_MOST_WORDS = 100_000  # of sets that may be taken in parts
_LARGEST = 1 << 40


def _mixed(values: Numbers) -> Numbers:
    """Return numbers well mixed (the finaliser of splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def numbers_of(sets: WordSets) -> Numbers:
    """Return for each word of the sets a number of 64 bits."""
    return _mixed(sets.ranks.astype(np.int64).view(np.uint64) * _ODD)


@cache
def _choices(width: int, taken: int) -> Rows:
    return np.array(list(combinations(range(width), taken)), np.int64).reshape(-1, taken)


@dataclass(frozen=True, slots=True)
class Combinations:
    """Keys of `taken` words out of a set's first ones."""

    taken: int

    def keys(self, sets: WordSets, numbers: Numbers, rows: Rows, shared: Rows) -> Iterator[tuple[Numbers, Rows]]:
        """Yield (keys, their rows).

        Args:
            sets: all of them.
            numbers: of their words, by `numbers_of`.
            rows: of which sets.
            shared: of each of these, how many words it must share at least, with any partner.
        """
        if not self.taken:
            yield np.zeros(len(rows), np.uint64), rows
            return
        widths = sets.sizes[rows] - shared + self.taken
        for width in np.unique(widths).tolist():
            of_width = rows[widths == width]
            words = numbers[sets.starts[of_width, None] + np.arange(width)]
            if self.taken > 1:
                choices = _choices(width, self.taken)
                firsts, words = words, words[:, choices[:, 0]]
                for place in range(1, self.taken):  # in their order, which is the same in all sets
                    words = words * _ODD + firsts[:, choices[:, place]]
            yield words.ravel(), np.repeat(of_width, words.shape[1])


@dataclass(frozen=True, slots=True)
class Parts:
    """Keys of what a set has in each part of the vocabulary."""

    parts: int

    def keys(self, sets: WordSets, numbers: Numbers, rows: Rows, _shared: Rows) -> Iterator[tuple[Numbers, Rows]]:
        """Yield (keys, their rows)."""
        positions, starts = ranges(sets.starts[rows], sets.starts[rows + 1])
        cells = np.repeat(np.arange(len(rows)) * self.parts, np.diff(starts)) + sets.ranks[positions] % self.parts
        halves = ((numbers[positions] >> np.uint64(shift)) & np.uint64((1 << 32) - 1) for shift in (0, 32))
        low, high = (np.bincount(cells, half, len(rows) * self.parts).astype(np.uint64) for half in halves)  # exact: below 2^53
        which = np.tile(np.arange(self.parts, dtype=np.uint64), len(rows))
        yield _mixed((high << np.uint64(32)) + low + which), np.repeat(rows, self.parts)


Scheme = Combinations | Parts


class Signatures:
    """The keys by which a set is kept, and those by which it looks for others."""

    def __init__(self, measure: Measure) -> None:
        self._measure = measure
        lows = [1, 2, 3, 4]
        while lows[-1] < _LARGEST:
            lows.append(int(lows[-1] * _GROWTH) + 1)
        self._lows = np.array(lows)
        self._schemes: list[Scheme] = [self._combinations(low, 3 if low < 16 else 2 if low < 33 else 1) for low in lows[:-1]]

    def _combinations(self, low: int, taken: int) -> Combinations:
        return Combinations(min(taken, self._measure.least_shared(low, self._measure.smallest_partner(low))))

    def classes(self, sizes: Rows) -> Rows:
        """Return the class of each size."""
        return np.searchsorted(self._lows, sizes, side="right") - 1

    def kept(self, sets: WordSets, rows: Rows) -> Numbers:
        """Return the entries by which these sets are found."""

        def homes(size: int) -> list[tuple[int, int]]:
            which = int(self.classes(np.array([size]))[0])
            return [(which, self._measure.least_shared(size, self._measure.smallest_partner(size)))]

        return self._entries(sets, rows, homes)

    def probes(self, sets: WordSets, rows: Rows, classes: Iterable[int]) -> Numbers:
        """Return the entries by which these sets find those of some classes."""

        def partners(size: int) -> list[tuple[int, int]]:
            smallest, largest = self._measure.smallest_partner(size), self._measure.largest_partner(size)
            found = []
            for which in classes:
                low, high = int(self._lows[which]), int(self._lows[which + 1]) - 1
                if low <= largest and high >= smallest:
                    found.append((which, self._measure.least_shared(size, max(low, smallest))))
            return found

        return self._entries(sets, rows, partners)

    def _entries(self, sets: WordSets, rows: Rows, asked: Callable[[int], list[tuple[int, int]]]) -> Numbers:
        sizes, place = np.unique(sets.sizes[rows], return_inverse=True)
        shared: dict[int, Rows] = {}
        for at, size in enumerate(sizes.tolist()):
            for which, least in asked(size):
                shared.setdefault(which, np.full(len(sizes), -1))[at] = least
        numbers = numbers_of(sets)
        entries = [np.empty(0, np.uint64)]
        for which, needed in shared.items():
            some = np.flatnonzero(needed[place] >= 0)
            for keys, owners in self._schemes[which].keys(sets, numbers, rows[some], needed[place[some]]):
                entries.append(entries_of(keys + np.uint64(which * _SALT & _ALL), owners))
        return np.concatenate(entries)

    def choose(self, which: int, sets: WordSets, of: int) -> None:
        """Take the scheme of a class under which these sets, a sample out of so many, would cost least to look up."""
        rows, numbers = np.arange(len(sets)), numbers_of(sets)
        scale = of / len(sets)
        least = np.array([self._measure.least_shared(size, self._measure.smallest_partner(size)) for size in sets.sizes.tolist()])
        costs = []
        for scheme in self._alternatives(which):
            keys = np.concatenate([keys for keys, _ in scheme.keys(sets, numbers, rows, least)])
            _, times = np.unique(keys, return_counts=True)
            costs.append((_KEY_COST * len(keys) + _PAIR_COST * scale * float((times * (times - 1)).sum()), scheme))
        self._schemes[which] = min(costs, key=lambda cost: cost[0])[1]

    def _alternatives(self, which: int) -> Iterator[Scheme]:
        low, high = int(self._lows[which]), int(self._lows[which + 1]) - 1
        most_apart = self._measure.largest_partner(high)
        for taken in (1, 2, 3):
            width = high - self._measure.least_shared(high, self._measure.smallest_partner(high)) + taken
            if taken == 1 or comb(width, taken) <= _MOST_KEYS:
                yield self._combinations(low, taken)
        if most_apart <= _MOST_WORDS:
            total = high + int(most_apart)
            yield Parts(1 + max(both - 2 * self._measure.least_shared(both, 0) for both in range(total // 2, total + 1)))
