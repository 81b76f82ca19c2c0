"""Vectors in memory: one contiguous matrix of unit rows, and 1-bit codes beside it once it is large."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model import Vector
from .codes import CodesView, SignCodes
from .rotation import Rotation

_FIRST_CAPACITY = 16
_MIN_COMPACT = 1024
_CODES_FROM = 2_000_000  # rows x dimensions from about which scanning codes beats scanning floats
_CODES_DIMENSIONS = 128  # with fewer, the codes say too little
_TRIES = 3  # searches in a row that the codes could not answer, after which they are left alone
_REST = 100  # for so many searches


class _Trust:
    """Whether it is worth asking the codes: on data without contrast they can leave out nothing, and only cost."""

    def __init__(self) -> None:
        self._failed = 0
        self._resting = 0

    def given(self) -> bool:
        if self._resting:
            self._resting -= 1
        return not self._resting

    def learn(self, *, answered: bool) -> None:
        self._failed = 0 if answered else self._failed + 1
        if self._failed >= _TRIES:
            self._failed, self._resting = 0, _REST


@dataclass(frozen=True, slots=True)
class MatrixView:
    """The matrix at one moment: rows that were there then are never overwritten, so a search needs no lock."""

    rows: NDArray[np.float32]
    owner: NDArray[np.int32]  # position of each row; -1 once it is dead
    used: int
    codes: CodesView | None
    trust: _Trust

    def scan(self, query: Vector, size: int) -> NDArray[np.float32]:
        """Return the cosine of the query to every position in 0..size, NaN where there is no vector.

        Args:
            query: shape (dimensions,), any length.
            size: how many positions the answer covers.
        """
        cosines = self.rows[: self.used] @ _unit(query)
        np.clip(cosines, -1, 1, out=cosines)  # rounding
        owner = self.owner[: self.used].copy()
        result = np.full(size, np.nan, np.float32)
        live = owner >= 0
        if live.all():
            result[owner] = cosines
        else:
            result[owner[live]] = cosines[live]
        return result

    def nearest(self, query: Vector, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]] | None:
        """Return the `count` positions nearest to the query and their cosines, best first; None where only a scan can tell."""
        if self.codes is None or not self.trust.given():
            return None
        found = self.codes.nearest(self.rows, _unit(query), count)
        self.trust.learn(answered=found is not None)
        if found is None:
            return None
        positions = self.owner[found[0]].astype(np.int64)
        live = positions >= 0
        return positions[live], np.clip(found[1][live], -1, 1)


class VectorMatrix:
    """Unit vectors by position.

    Rows are appended and marked as dead, never overwritten; compaction builds new arrays beside the old ones.
    """

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self._rows = np.empty((_FIRST_CAPACITY, dimensions), np.float32)
        self._owner = np.full(_FIRST_CAPACITY, -1, np.int32)
        self._row_of: dict[int, int] = {}
        self._used = 0
        self._codes: SignCodes | None = None
        self._rotation: Rotation | None = None
        self._trust = _Trust()

    def __len__(self) -> int:
        return len(self._row_of)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._rows.nbytes + self._owner.nbytes + (self._codes.nbytes if self._codes else 0)

    def put(self, position: int, vector: Vector) -> None:
        """Add a vector, in place of the position's old one. A zero vector is kept: its cosine to anything is 0."""
        self.remove(position)
        if self._used == len(self._rows):
            self._grow()
        self._rows[self._used] = _unit(vector)
        self._owner[self._used] = position
        self._row_of[position] = self._used
        self._used += 1

    def remove(self, position: int) -> None:
        """Forget a position's vector, if it has one."""
        row = self._row_of.pop(position, None)
        if row is not None:
            self._owner[row] = -1
            if self._codes is not None:
                self._codes.bury(row)

    def _grow(self) -> None:
        live = np.flatnonzero(self._owner[: self._used] >= 0)
        compact = self._used - len(live) > max(_MIN_COMPACT, self._used // 4)
        kept = live if compact else slice(0, self._used)
        count = len(live) if compact else self._used
        rows = np.empty((max(_FIRST_CAPACITY, count * 2), self.dimensions), np.float32)
        owner = np.full(len(rows), -1, np.int32)
        rows[:count], owner[:count] = self._rows[kept], self._owner[kept]
        self._rows, self._owner, self._used = rows, owner, count
        self._codes = self._codes.grown(len(rows), kept) if self._codes is not None else None
        if compact:
            self._row_of = {int(position): row for row, position in enumerate(owner[:count])}

    def view(self) -> MatrixView:
        """Return the matrix as it is now, its codes brought up to date where they pay."""
        codes = None
        if self._used * self.dimensions >= _CODES_FROM and self.dimensions >= _CODES_DIMENSIONS:
            if self._codes is None:
                self._rotation = self._rotation or Rotation(self.dimensions)
                self._codes = SignCodes(self._rotation, np.zeros(self.dimensions, np.float32), len(self._rows))
            self._codes.encode(self._rows, self._owner, self._used)
            codes = self._codes.view(self._used)
        return MatrixView(self._rows, self._owner, self._used, codes, self._trust)

    def unit(self, position: int) -> Vector | None:
        """Return a position's unit vector, or None."""
        row = self._row_of.get(position)
        return None if row is None else self._rows[row]


def _unit(vector: Vector) -> Vector:
    """Return the vector at length 1; by doubles, where the squares of the largest and smallest floats still fit."""
    wide = vector.astype(np.float64)
    norm = float(np.linalg.norm(wide))
    return (wide / norm if norm > 0 else wide).astype(np.float32)
