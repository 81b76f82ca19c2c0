"""PURE. Which sets have which keys."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from .wordsets import Rows, ranges

Entries = npt.NDArray[np.uint64]

_AT_ONCE = 1 << 15  # pairs, so that memory stays bounded where many sets have a key
_LOW = np.uint64(0xFFFFFFFF)
_MERGE = 4  # a run as large as a quarter of the one before is merged with it


class _Run:
    """Entries (key << 32 | set), sorted, and where those with the same first bits begin."""

    __slots__ = ("_shift", "_starts", "entries")

    def __init__(self, entries: Entries) -> None:
        self.entries = entries
        bits = max(4, len(entries).bit_length() + 1)
        self._shift = np.uint64(64 - bits)
        self._starts = np.zeros((1 << bits) + 1, np.int32)
        np.cumsum(np.bincount((entries >> self._shift).view(np.int64), minlength=1 << bits), out=self._starts[1:])

    def reach(self, probes: Entries) -> int:
        """Return about how many pairs there are."""
        first = (probes >> self._shift).view(np.int64)
        return int((self._starts[first + 1] - self._starts[first]).sum())

    def pairs(self, probes: Entries) -> Iterator[tuple[Rows, Rows]]:
        """Yield (owner, set) for the sets that have a probe's key, some at a time."""
        first = (probes >> self._shift).view(np.int64)
        starts, ends = self._starts[first], self._starts[first + 1]
        some = np.flatnonzero(ends > starts)
        starts, ends, probes = starts[some], ends[some], probes[some]
        reached = np.cumsum(ends.astype(np.int64) - starts)
        begin = 0
        while begin < len(probes):
            so_far = int(reached[begin - 1]) if begin else 0
            end = max(begin + 1, int(np.searchsorted(reached, so_far + _AT_ONCE, side="right")))
            positions, _ = ranges(starts[begin:end].astype(np.int64), ends[begin:end].astype(np.int64))
            found = self.entries[positions]
            owners = np.repeat(probes[begin:end], ends[begin:end] - starts[begin:end])
            same = (found ^ owners) <= _LOW
            yield owners_in(owners[same]), owners_in(found[same])
            begin = end


class Postings:
    """Keys of sets, in sorted runs that are merged as they grow, so that adding costs little and looking up too.

    Keys have 32 bits: two that are different may look the same, which costs a comparison and no more.
    """

    def __init__(self) -> None:
        self._runs: list[_Run] = []

    def add(self, entries: Entries) -> None:
        """Note the keys of sets. `entries`: as of `entries_of`."""
        if not len(entries):
            return
        entries = np.sort(entries)
        while self._runs and len(self._runs[-1].entries) < _MERGE * len(entries):
            entries = np.concatenate((self._runs.pop().entries, entries))
            entries.sort()
        self._runs.append(_Run(entries))

    def reach(self, probes: Entries) -> int:
        """Return about how many pairs there are."""
        return sum(run.reach(probes) for run in self._runs)

    def pairs(self, probes: Entries) -> Iterator[tuple[Rows, Rows]]:
        """Yield (owner of a probe, set that has its key), with repetitions. `probes`: as of `entries_of`."""
        for run in self._runs:
            yield from run.pairs(probes)


def entries_of(keys: Entries, owners: Rows) -> Entries:
    """Return keys with who has them, 32 bits each."""
    return (keys & ~_LOW) | owners.view(np.uint64)


def owners_in(entries: Entries) -> Rows:
    """Return who has the keys."""
    return (entries & _LOW).view(np.int64)


def renamed(entries: Entries, names: Rows) -> Entries:
    """Return the entries of those owners that have a name, not negative, under it."""
    owners = names[owners_in(entries)]
    some = owners >= 0
    return entries_of(entries[some], owners[some])
