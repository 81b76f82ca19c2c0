"""The indexes of every namespace, kept up with the ledger's change feed."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import RLock

import numpy as np
from numpy.typing import NDArray

from ..model import Vector
from .lexical import LexicalIndex
from .vectors import MatrixView, VectorMatrix

_MIN_RELOAD = 1024


class NamespaceIndex:
    """One namespace: every text has a position; some have vectors; texts equal but for digits share a group."""

    def __init__(self) -> None:
        self._slots = array("q")
        self._groups = array("i")
        self._alive = bytearray()
        self._position: dict[int, int] = {}
        self._group_of: dict[bytes, int] = {}
        self._matrix: VectorMatrix | None = None
        self.lexical = LexicalIndex()
        self._view: View | None = None
        self.worded_to = 0  # the slot up to which `lexical` has taken texts in

    @property
    def nbytes(self) -> int:
        """Bytes held, estimated."""
        return len(self._slots) * 120 + self.lexical.nbytes + (self._matrix.nbytes if self._matrix else 0)

    @property
    def stale(self) -> bool:
        """Whether so many texts are gone that starting anew is better."""
        return len(self._slots) - len(self._position) > max(_MIN_RELOAD, len(self._slots) // 4)

    def put(self, slot: int, masked: bytes, data: bytes | None) -> None:
        """Take in a slot as it is now."""
        self._view = None
        position = self._position.get(slot)
        if position is None:
            position = self._position[slot] = len(self._slots)
            self._slots.append(slot)
            self._groups.append(self._group_of.setdefault(masked, len(self._group_of)))
            self._alive.append(1)
        if data is None:
            if self._matrix is not None:
                self._matrix.remove(position)
            return
        vector = np.frombuffer(data, "<f4")
        if self._matrix is None:
            self._matrix = VectorMatrix(len(vector))
        self._matrix.put(position, vector)

    def remove(self, slot: int) -> None:
        """Forget a slot."""
        position = self._position.pop(slot, None)
        if position is not None:
            self._view = None
            self._alive[position] = 0
            if self._matrix is not None:
                self._matrix.remove(position)

    def add_words(self, slot: int, tokens: Sequence[str]) -> None:
        """Take in the words of the next slot; slots come in ascending order."""
        position = self._position.get(slot)
        if position is None:
            return  # gone since the reader's view
        while len(self.lexical) < position:  # texts that were gone before their words were asked for
            self.lexical.add(())
        self.lexical.add(tokens)
        self.worded_to = slot

    def view(self) -> View:
        """Return the namespace as it is now; later changes don't touch it."""
        if self._view is None:
            self._view = View(
                np.array(self._slots, np.int64),
                np.array(self._groups, np.int32),
                np.frombuffer(bytes(self._alive), np.bool_),
                self._matrix.view() if self._matrix is not None and len(self._matrix) else None,
            )
        return self._view

    def positions(self, slots: Iterable[int]) -> NDArray[np.int64]:
        """Return the positions of those slots that exist."""
        return np.array([self._position[slot] for slot in slots if slot in self._position], np.int64)

    def units(self, slots: Iterable[int]) -> dict[int, Vector]:
        """Return the unit vectors of those slots that have one."""
        found: dict[int, Vector] = {}
        for slot in slots:
            position = self._position.get(slot)
            unit = self._matrix.unit(position) if position is not None and self._matrix is not None else None
            if unit is not None:
                found[slot] = unit
        return found


@dataclass(frozen=True, slots=True)
class View:
    """A namespace at one moment. Arrays have one entry a position, shape (n,)."""

    slots: NDArray[np.int64]
    groups: NDArray[np.int32]
    alive: NDArray[np.bool_]
    matrix: MatrixView | None

    def nearest(self, query: Vector, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]] | None:
        """Return the `count` positions nearest to the query and their cosines, best first; None where only a scan can tell."""
        return None if self.matrix is None else self.matrix.nearest(query, count)

    def dense(self, query: Vector) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the cosine of each text, NaN where unknown, and where it is borrowed from a text equal but for digits."""
        size = len(self.slots)
        borrowed = np.zeros(size, np.bool_)
        if self.matrix is None:
            return np.full(size, np.nan, np.float32), borrowed
        cosines = self.matrix.scan(query, size)
        missing = np.isnan(cosines)
        if not missing.any():
            return cosines, borrowed
        by_group = np.full(int(self.groups.max()) + 1, np.nan, np.float32)
        by_group[self.groups[~missing]] = cosines[~missing]
        lent = by_group[self.groups[missing]]
        borrowed[missing] = ~np.isnan(lent)
        cosines[missing] = lent
        return cosines, borrowed


class Projection:
    """Every namespace's index, at one change sequence number. `lock` is held while it changes or its words are scanned."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.seq = 0
        self._namespaces: dict[str, NamespaceIndex] = {}
        self._home: dict[int, str] = {}

    @property
    def nbytes(self) -> int:
        """Bytes held, estimated."""
        return sum(index.nbytes for index in self._namespaces.values()) + 100 * len(self._home)

    @property
    def stale(self) -> bool:
        """Whether some namespace should be built anew."""
        return any(index.stale for index in self._namespaces.values())

    def clear(self) -> None:
        """Forget everything; the next catch-up starts from the beginning."""
        self._namespaces.clear()
        self._home.clear()
        self.seq = 0

    def apply(self, seq: int, slots: Iterable[tuple[int, str, bytes, str, bytes | None]], gone: Iterable[int]) -> None:
        """Take in changes up to `seq`: slots as they are now, and slots that are gone."""
        for slot in gone:
            home = self._home.pop(slot, None)
            if home is not None:
                self._namespaces[home].remove(slot)
        for slot, namespace, masked, _tier, data in slots:
            index = self._namespaces.get(namespace)
            if index is None:
                index = self._namespaces[namespace] = NamespaceIndex()
            self._home[slot] = namespace
            index.put(slot, masked, data)
        self.seq = seq

    def namespace(self, name: str) -> NamespaceIndex | None:
        """Return a namespace's index, or None where nothing was ever added."""
        return self._namespaces.get(name)
