"""Vectors in memory: one contiguous matrix of unit rows, scanned exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..model import Vector

_FIRST_CAPACITY = 16
_MIN_COMPACT = 1024


class VectorMatrix:
    """Unit vectors by position.

    Rows are appended and marked as dead, never overwritten, so that a scan needs no lock: it works on the rows that
    were there when it began. Compaction builds new arrays beside the old ones.
    """

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self._rows = np.empty((_FIRST_CAPACITY, dimensions), np.float32)
        self._owner = np.full(_FIRST_CAPACITY, -1, np.int32)  # position of each row, -1 for dead rows
        self._row_of: dict[int, int] = {}
        self._used = 0

    def __len__(self) -> int:
        return len(self._row_of)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._rows.nbytes + self._owner.nbytes

    def put(self, position: int, vector: Vector) -> None:
        """Add a vector, in place of the position's old one. A zero vector is kept: its cosine to anything is 0."""
        self.remove(position)
        if self._used == len(self._rows):
            self._grow()
        norm = float(np.linalg.norm(vector))
        self._rows[self._used] = vector / norm if norm > 0 else vector
        self._owner[self._used] = position
        self._row_of[position] = self._used
        self._used += 1

    def remove(self, position: int) -> None:
        """Forget a position's vector, if it has one."""
        row = self._row_of.pop(position, None)
        if row is not None:
            self._owner[row] = -1

    def _grow(self) -> None:
        live = np.flatnonzero(self._owner[: self._used] >= 0)
        compact = self._used - len(live) > max(_MIN_COMPACT, self._used // 4)
        kept = live if compact else slice(0, self._used)
        count = len(live) if compact else self._used
        rows = np.empty((max(_FIRST_CAPACITY, count * 2), self.dimensions), np.float32)
        owner = np.full(len(rows), -1, np.int32)
        rows[:count], owner[:count] = self._rows[kept], self._owner[kept]
        self._rows, self._owner, self._used = rows, owner, count
        if compact:
            self._row_of = {int(position): row for row, position in enumerate(owner[:count])}

    def scan(self, query: Vector, size: int) -> NDArray[np.float32]:
        """Return the cosine of the query to every position in 0..size, NaN where there is no vector.

        Args:
            query: shape (dimensions,), any length.
            size: how many positions the answer covers.
        """
        rows, owner, used = self._rows, self._owner, self._used
        norm = float(np.linalg.norm(query))
        unit = (query / norm if norm > 0 else query).astype(np.float32, copy=False)
        cosines = rows[:used] @ unit
        owned = owner[:used]
        live = (owned >= 0) & (owned < size)
        result = np.full(size, np.nan, np.float32)
        if live.all():
            result[owned] = cosines
        else:
            result[owned[live]] = cosines[live]
        return result

    def unit(self, position: int) -> Vector | None:
        """Return a position's unit vector, or None."""
        row = self._row_of.get(position)
        return None if row is None else self._rows[row]
