"""How a vector is kept: as packed numbers and one factor, from which cosines are taken without unpacking everything."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ..model import Precision
from .query import Query, unit
from .rotation import rotation

Floats = NDArray[np.float32]
Packed = NDArray[Any]

_STEP = 0.996  # the best uniform step of a 2-bit quantiser of normal values, in deviations (Max, 1960)
_LEVELS = np.array([-1.5, -0.5, 0.5, 1.5], np.float32)
_BYTES = _LEVELS[(np.arange(256)[:, None] >> np.array([0, 2, 4, 6])) & 3]  # what each byte of a sketch stands for, (256, 4)


class Encoding(Protocol):
    """One way to keep vectors of some dimensions.

    A vector is a row of `width` numbers of `dtype` times a factor. In memory the factor makes it a unit vector; in the
    ledger's bytes it keeps the length that was given.
    """

    precision: ClassVar[Precision]
    width: int
    dtype: ClassVar[np.dtype[Any]]

    @property
    def bytes_each(self) -> int:
        """Bytes of a vector in the ledger."""
        ...

    def pack(self, rows: Floats) -> tuple[Packed, Floats]:
        """Return vectors, shape (n, dimensions), as rows of shape (n, width) and factors of shape (n,)."""
        ...

    def unpack(self, packed: Packed, factors: Floats) -> Floats:
        """Return the vectors that rows and factors stand for, shape (n, dimensions)."""
        ...

    def dots(self, packed: Packed, factors: Floats, query: Query) -> Floats:
        """Return the inner products with a query; shape (n,)."""
        ...

    def turned(self, packed: Packed, factors: Floats) -> Floats:
        """Return the vectors as `rotation(dimensions)` turns them, shape (n, D)."""
        ...

    def to_bytes(self, rows: Floats) -> list[bytes]:
        """Return vectors as the ledger keeps them."""
        ...

    def from_bytes(self, data: list[bytes]) -> tuple[Packed, Floats]:
        """Return what `to_bytes` gave as unit rows: packed, and factors."""
        ...

    def given(self, data: list[bytes]) -> Floats:
        """Return the vectors that `to_bytes` was given, as well as they are kept (a sketch doesn't keep their length); shape
        (n, dimensions).
        """
        ...


class Float32:
    """As given: 4 bytes a dimension."""

    precision: ClassVar[Precision] = Precision.FLOAT32
    dtype: ClassVar[np.dtype[Any]] = np.dtype("<f4")

    def __init__(self, dimensions: int) -> None:
        self.width = dimensions

    @property
    def bytes_each(self) -> int:
        return 4 * self.width

    def pack(self, rows: Floats) -> tuple[Packed, Floats]:
        return rows, np.ones(len(rows), np.float32)

    def unpack(self, packed: Packed, factors: Floats) -> Floats:
        return np.asarray(packed, np.float32)

    def dots(self, packed: Packed, factors: Floats, query: Query) -> Floats:
        return np.asarray(packed @ query.unit, np.float32)

    def turned(self, packed: Packed, factors: Floats) -> Floats:
        return rotation(self.width)(packed)

    def to_bytes(self, rows: Floats) -> list[bytes]:
        return [row.tobytes() for row in rows.astype("<f4", copy=False)]

    def from_bytes(self, data: list[bytes]) -> tuple[Packed, Floats]:
        return self.pack(unit(self.given(data)))

    def given(self, data: list[bytes]) -> Floats:
        return np.frombuffer(b"".join(data), "<f4").reshape(len(data), self.width)


class _Scaled:
    """Numbers in -1..1 or -127..127 and a factor that scales them: what the two narrower kinds of number share."""

    precision: ClassVar[Precision]
    dtype: ClassVar[np.dtype[Any]]
    _top: ClassVar[float]

    def __init__(self, dimensions: int) -> None:
        self.width = dimensions

    @property
    def bytes_each(self) -> int:
        return 4 + self.dtype.itemsize * self.width

    def pack(self, rows: Floats) -> tuple[Packed, Floats]:
        peak = np.abs(rows).max(axis=1, initial=0)
        factors = (np.where(peak > 0, peak, 1) / self._top).astype(np.float32)
        scaled = rows / np.where(factors > 0, factors, 1)[:, None]
        return (np.rint(scaled) if self.dtype.kind == "i" else scaled).astype(self.dtype), factors

    def unpack(self, packed: Packed, factors: Floats) -> Floats:
        return np.asarray(packed.astype(np.float32) * factors[:, None], np.float32)

    def dots(self, packed: Packed, factors: Floats, query: Query) -> Floats:
        return np.asarray((packed.astype(np.float32) @ query.unit) * factors, np.float32)

    def turned(self, packed: Packed, factors: Floats) -> Floats:
        return rotation(self.width)(self.unpack(packed, factors))

    def to_bytes(self, rows: Floats) -> list[bytes]:
        packed, factors = self.pack(rows)
        return [factor.tobytes() + row.tobytes() for row, factor in zip(packed, factors.astype("<f4"), strict=True)]

    def _read(self, data: list[bytes]) -> tuple[Packed, Floats]:
        raw = np.frombuffer(b"".join(data), np.uint8).reshape(len(data), self.bytes_each)
        return np.ascontiguousarray(raw[:, 4:]).view(self.dtype), np.ascontiguousarray(raw[:, :4]).view("<f4").ravel()

    def from_bytes(self, data: list[bytes]) -> tuple[Packed, Floats]:
        packed, _ = self._read(data)
        length = np.linalg.norm(packed.astype(np.float32), axis=1)
        return packed, (1 / np.where(length > 0, length, 1)).astype(np.float32)

    def given(self, data: list[bytes]) -> Floats:
        return self.unpack(*self._read(data))


class Float16(_Scaled):
    """Half floats: 2 bytes a dimension and 4."""

    precision: ClassVar[Precision] = Precision.FLOAT16
    dtype: ClassVar[np.dtype[Any]] = np.dtype("<f2")
    _top = 1.0


class Int8(_Scaled):
    """Bytes: 1 a dimension and 4, scaled to the vector's largest number."""

    precision: ClassVar[Precision] = Precision.INT8
    dtype: ClassVar[np.dtype[Any]] = np.dtype("i1")
    _top = 127.0


class Sketch:
    """Two bits a dimension of the rotated vector, and a factor that makes inner products right on average.

    p = R x; s = |p| / sqrt(D); c_i = clip(floor(p_i / 0.996 s), -2, 1) + 1/2; the estimate of <q, x> is f <c, R q> with
    f = |p|^2 / <c, p>. Nothing else is needed to read it: it never goes stale.
    """

    precision: ClassVar[Precision] = Precision.SKETCH
    dtype: ClassVar[np.dtype[Any]] = np.dtype("u1")

    def __init__(self, dimensions: int) -> None:
        self._rotation = rotation(dimensions)
        self._dimensions = dimensions
        self.width = -(-self._rotation.dimensions // 4)

    @property
    def bytes_each(self) -> int:
        return 2 + self.width

    def pack(self, rows: Floats) -> tuple[Packed, Floats]:
        turned = self._rotation(unit(rows))
        square = (turned**2).sum(axis=1)
        deviation = np.sqrt(square / self._rotation.dimensions)
        levels = np.clip(np.floor(turned / (_STEP * np.where(deviation > 0, deviation, 1))[:, None]) + 2, 0, 3).astype(np.uint8)
        overlap = (_LEVELS[levels] * turned).sum(axis=1)
        factors = np.where(overlap > 0, square / np.where(overlap > 0, overlap, 1), 0).astype(np.float32)
        levels = np.pad(levels, ((0, 0), (0, 4 * self.width - self._rotation.dimensions))).reshape(len(rows), self.width, 4)
        return levels[..., 0] | levels[..., 1] << 2 | levels[..., 2] << 4 | levels[..., 3] << 6, factors

    def _levels(self, packed: Packed) -> Floats:
        return np.asarray(
            _BYTES[packed].reshape(len(packed), packed.shape[1] * _BYTES.shape[1])[:, : self._rotation.dimensions], np.float32
        )

    def unpack(self, packed: Packed, factors: Floats) -> Floats:
        return self._rotation.undone(self._levels(packed) * factors[:, None])[:, : self._dimensions]

    def dots(self, packed: Packed, factors: Floats, query: Query) -> Floats:
        padded = np.zeros(4 * self.width, np.float32)
        padded[: len(query.turned)] = query.turned
        # What each value of each byte adds, once for all rows: a row's product is then a sum of lookups, one a byte.
        sums = np.ascontiguousarray((_BYTES @ padded.reshape(self.width, 4).T).T).ravel()
        places = packed.astype(np.intp)
        places += 256 * np.arange(self.width)
        return np.asarray(sums[places].sum(axis=1) * factors, np.float32)

    def turned(self, packed: Packed, factors: Floats) -> Floats:
        return self._levels(packed) * factors[:, None]

    def to_bytes(self, rows: Floats) -> list[bytes]:
        packed, factors = self.pack(rows)
        return [factor.tobytes() + row.tobytes() for row, factor in zip(packed, factors.astype("<f2"), strict=True)]

    def from_bytes(self, data: list[bytes]) -> tuple[Packed, Floats]:
        raw = np.frombuffer(b"".join(data), np.uint8).reshape(len(data), self.bytes_each)
        return np.ascontiguousarray(raw[:, 2:]), np.ascontiguousarray(raw[:, :2]).view("<f2").astype(np.float32).ravel()

    def given(self, data: list[bytes]) -> Floats:
        return self.unpack(*self.from_bytes(data))


_KINDS: dict[Precision, type[Float32] | type[Float16] | type[Int8] | type[Sketch]] = {
    kind.precision: kind for kind in (Float32, Float16, Int8, Sketch)
}


@lru_cache(maxsize=64)
def encoding(precision: Precision, dimensions: int) -> Encoding:
    """Return the encoding of a precision for vectors of so many dimensions."""
    return _KINDS[precision](dimensions)


def kept_as(precision: Precision | str, length: int) -> Encoding:
    """Return the encoding that gave bytes of a length; not for sketches, whose padding hides their dimensions."""
    dimensions = {Precision.FLOAT32: length // 4, Precision.FLOAT16: (length - 4) // 2, Precision.INT8: length - 4}
    return encoding(Precision(precision), dimensions[Precision(precision)])


def sketches_of(data: list[bytes], precision: Precision) -> list[bytes]:
    """Return the sketches of vectors of one length, given as the ledger keeps them; together they take a tenth of the time."""
    rows = kept_as(precision, len(data[0])).given(data)
    return encoding(Precision.SKETCH, rows.shape[1]).to_bytes(rows)
