"""Vectors in memory, all kept alike: one matrix, and 1-bit codes beside it once it is large."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model import Precision
from ..quantization import Encoding, Query, encoding
from .codes import PIECE, CodesView, SignCodes
from .growing import Growing
from .top import best

_CODES_FROM = 2_000_000  # rows x dimensions from about which scanning codes beats scanning floats
_UNPACKED = 4  # how many times dearer it is to score what is not float32
_CODES_DIMENSIONS = 128  # with fewer, the codes say too little
_A_SEARCH = 4096  # rows that one search encodes at the most, or a sixteenth of all
_SAMPLE = 4096  # rows whose mean is the first centre
_MANY = 1000  # rows that are scored one by one rather than found by their codes, or a 32nd of all
_GATHERED = 1024  # rows scored at a time: fewer make threads pass the interpreter's lock to and fro
_WIDE = 16  # times as many rows as are wanted, at least, for codes to tell which
_TRIES = 3  # searches in a row that the codes could not answer, after which they are left alone
_REST = 100  # for so many searches

Floats = NDArray[np.float32]

_scratch = threading.local()


class _Trust:
    """Whether it is worth asking the codes: on data without contrast they can leave out nothing, and only cost."""

    def __init__(self) -> None:
        self._failed = 0
        self._resting = 0

    def given(self) -> bool:
        self._resting = max(0, self._resting - 1)
        return not self._resting

    @property
    def resting(self) -> bool:
        return bool(self._resting)

    def learn(self, *, answered: bool) -> None:
        self._failed = 0 if answered else self._failed + 1
        if self._failed >= _TRIES:
            self._failed, self._resting = 0, _REST


@dataclass(frozen=True, slots=True)
class MatrixView:
    """The matrix at one moment: what was there then is never overwritten, so a search needs no lock."""

    encoding: Encoding
    packed: NDArray[Any]
    factors: Floats
    owner: NDArray[np.int32]  # the position of each row
    dead: NDArray[np.int32]  # rows that are gone
    row_of: NDArray[np.int32]  # the row of each position, -1 for none; may be shorter than the positions
    codes: CodesView | None
    total: NDArray[np.float64]  # the sum of the live rows
    trust: _Trust

    def __len__(self) -> int:
        return len(self.owner) - len(self.dead)

    def scores(self, positions: NDArray[np.int64], query: Query) -> Floats:
        """Return the cosines of some positions, NaN where they have no row here."""
        result = np.full(len(positions), np.nan, np.float32)
        has = self.has(positions)
        rows = self.row_of[positions[has]]
        result[has] = np.clip(self.all(query)[rows] if 4 * len(rows) > len(self.owner) else self._some(rows, query), -1, 1)
        return result

    def has(self, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which positions have a row here."""
        rows = np.full(len(positions), -1, np.int64)
        there = positions < len(self.row_of)
        rows[there] = self.row_of[positions[there]]
        return rows >= 0

    def nearest(self, query: Query, count: int, allowed: NDArray[np.bool_] | None, *, exact: bool) -> tuple[NDArray[np.int64], Floats]:
        """Return the `count` positions nearest to the query and their cosines, best first.

        Args:
            query: of this matrix's dimensions.
            count: how many.
            allowed: which positions count, shape (positions,); None for all.
            exact: don't ask the codes.
        """
        rows, scores = self._candidates(query, count, None if allowed is None else allowed[self.owner], exact=exact)
        positions = self.owner[rows].astype(np.int64)
        chosen = best(scores, count, positions)
        return positions[chosen], np.clip(scores[chosen], -1, 1)

    def _candidates(
        self, query: Query, count: int, allowed: NDArray[np.bool_] | None, *, exact: bool
    ) -> tuple[NDArray[np.int64] | slice, Floats]:
        """Return rows that hold the best ones, and their scores."""
        out: Any = self.dead
        if allowed is not None:
            allowed[self.dead] = False
            few = np.flatnonzero(allowed)
            if len(few) <= max(_MANY, len(self.owner) // 32):
                return few, self._some(few, query)
            out = ~allowed
        wide = _WIDE * count > len(self.owner)  # so many are wanted that all may as well be looked at
        if self.codes is not None and not (exact or wide) and self._coded and self.trust.given():
            coded = self.codes.used
            found = self.codes.reaching(
                query, count, lambda rows: self._some(rows, query), out[:coded] if allowed is not None else out[out < coded]
            )
            self.trust.learn(answered=found is not None)
            if found is not None:
                rest = np.arange(coded, len(self.owner))
                rest = rest[allowed[coded:]] if allowed is not None else rest[~np.isin(rest, out)] if len(out) else rest
                return np.concatenate((found[0], rest)), np.concatenate((found[1], self._some(rest, query)))
        scores = self.all(query)
        scores[out] = -np.inf
        return slice(None), scores

    def scan_together(self, queries: Sequence[Query]) -> None:
        """Read the codes once for several queries that will ask for the nearest of all rows."""
        if self.codes is not None and self._coded and not self.trust.resting:
            self.codes.scan(queries)

    @property
    def _coded(self) -> bool:
        """Whether most rows have codes."""
        return self.codes is not None and 2 * self.codes.used > len(self.owner)

    def all(self, query: Query) -> Floats:
        """Return the scores of all rows, dead ones too."""
        if self.encoding.precision is Precision.FLOAT32:
            return self.encoding.dots(self.packed, self.factors, query)
        return self._some(np.arange(len(self.owner)), query)

    def _some(self, rows: NDArray[np.integer[Any]], query: Query) -> Floats:
        """Return the scores of some rows, gathered in pieces that stay in the cache."""
        result = np.empty(len(rows), np.float32)
        room = _room(self.packed)
        for start in range(0, len(rows), _GATHERED):
            part = rows[start : start + _GATHERED]
            np.take(self.packed, part, axis=0, out=room[: len(part)], mode="clip")
            result[start : start + _GATHERED] = self.encoding.dots(room[: len(part)], self.factors[part], query)
        return result

    def unpacked(self, positions: NDArray[np.int64]) -> Floats:
        """Return the vectors of positions that have a row here."""
        rows = self.row_of[positions]
        return self.encoding.unpack(self.packed[rows], self.factors[rows])


class VectorMatrix:
    """Unit vectors by position, all of one encoding. Rows are appended and marked as dead, never overwritten.

    Args:
        encoding: how they are kept.
        dimensions: of the vectors.
    """

    def __init__(self, encoding: Encoding, dimensions: int) -> None:
        self.encoding = encoding
        self.dimensions = dimensions
        self._packed = Growing(encoding.dtype, encoding.width)
        self._factors = Growing(np.float32)
        self._owner = Growing(np.int32)
        self._dead = Growing(np.int32)
        self._row_of = Growing(np.int32)
        self._total = np.zeros(dimensions, np.float64)
        self._codes: SignCodes | None = None
        self._successor: SignCodes | None = None
        self._trust = _Trust()

    def __len__(self) -> int:
        return len(self._owner) - len(self._dead)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        arrays = (self._packed, self._factors, self._owner, self._dead, self._row_of)
        return sum(array.nbytes for array in arrays) + sum(codes.nbytes for codes in (self._codes, self._successor) if codes)

    def put(self, positions: NDArray[np.int64], data: list[bytes]) -> None:
        """Take vectors in, as the ledger keeps them, in place of the positions' old ones; what is there already stays."""
        packed, factors = self.encoding.from_bytes(data)
        rows = self._rows(positions)
        same = rows >= 0
        same[same] = (self._packed.now()[rows[same]] == packed[same]).all(axis=1) & (self._factors.now()[rows[same]] == factors[same])
        if same.any():
            positions, packed, factors = positions[~same], packed[~same], factors[~same]
        self.remove(positions)
        if not len(positions):
            return
        rows = np.arange(len(self._owner), len(self._owner) + len(positions))
        known = positions < len(self._row_of)
        if known.any():
            self._row_of.put(positions[known], rows[known])
        if not known.all():
            more = np.full(int(positions.max()) + 1 - len(self._row_of), -1, np.int32)
            more[positions[~known] - len(self._row_of)] = rows[~known]
            self._row_of.extend(more)
        self._packed.extend(packed)
        self._factors.extend(factors)
        self._owner.extend(positions)
        self._total += self.encoding.unpack(packed, factors).sum(axis=0, dtype=np.float64)

    def remove(self, positions: NDArray[np.int64]) -> None:
        """Forget positions' vectors, where they have any."""
        rows = self._rows(positions)
        there = rows >= 0
        if there.any():
            self._total -= self.encoding.unpack(self._packed.now()[rows[there]], self._factors.now()[rows[there]]).sum(
                axis=0, dtype=np.float64
            )
            self._row_of.put(positions[there], -1)
            self._dead.extend(rows[there])

    def _rows(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        rows = np.full(len(positions), -1, np.int64)
        there = positions < len(self._row_of)
        rows[there] = self._row_of.now()[positions[there]]
        return rows

    def compacted(self, new_position: NDArray[np.int64]) -> VectorMatrix:
        """Return the matrix without its dead rows.

        Args:
            new_position: of each old one, -1 where it is gone; shape (positions,).
        """
        result = VectorMatrix(self.encoding, self.dimensions)
        live = np.ones(len(self._owner), np.bool_)
        live[self._dead.now()] = False
        kept = np.flatnonzero(live)
        owner = new_position[self._owner.now()[kept]]
        result._packed.extend(self._packed.now()[kept])
        result._factors.extend(self._factors.now()[kept])
        result._owner.extend(owner)
        row_of = np.full(int(owner.max(initial=-1)) + 1, -1, np.int32)
        row_of[owner] = np.arange(len(kept))
        result._row_of.extend(row_of)
        result._total = self._total
        if self._codes is not None:
            result._codes = self._codes.compacted(kept)
            if self._successor is not None:
                result._codes.check_again()
        return result

    @property
    def coded(self) -> int:
        """How many rows have codes."""
        return self._codes.encoded if self._codes is not None else 0

    def saved(self) -> dict[str, Any]:
        """Return what `restored` takes."""
        if self._codes is not None and self._successor is not None:
            self._codes.check_again()
        return {
            "precision": self.encoding.precision,
            "dimensions": self.dimensions,
            "packed": self._packed.view(),
            "factors": self._factors.view(),
            "owner": self._owner.view(),
            "dead": self._dead.view(),
            "row_of": self._row_of.view(),
            "total": self._total.copy(),
            "codes": self._codes.saved() if self._codes is not None and self._codes.encoded else None,
        }

    @classmethod
    def restored(cls, saved: dict[str, Any]) -> VectorMatrix:
        """Return the matrix that was saved."""
        result = cls(encoding(Precision(saved["precision"]), saved["dimensions"]), saved["dimensions"])
        result._packed = Growing(result.encoding.dtype, held=saved["packed"])
        result._factors = Growing(np.float32, held=saved["factors"])
        result._owner, result._dead, result._row_of = (Growing(np.int32, held=saved[name]) for name in ("owner", "dead", "row_of"))
        result._total = saved["total"]
        result._codes = SignCodes.restored(saved["codes"]) if saved["codes"] else None
        return result

    @property
    def wasteful(self) -> bool:
        """Whether so many rows are dead that the matrix had better be compacted."""
        return len(self._dead) > max(_MANY, len(self._owner) // 4)

    @property
    def behind(self) -> bool:
        """Whether the next view would have more codes."""
        return self._codes is not None and (self._successor is not None or self._codes.encoded < len(self._owner) // PIECE * PIECE)

    def _encode(self) -> None:
        """Bring the codes up to date where they pay, by so much as one search may cost."""
        used = len(self._owner)
        pays = used * self.dimensions * (1 if self.encoding.precision is Precision.FLOAT32 else _UNPACKED) >= _CODES_FROM
        if self._codes is None:
            if not pays or self.dimensions < _CODES_DIMENSIONS:
                return
            sample = np.linspace(0, used - 1, min(used, _SAMPLE)).astype(np.int64)
            mean = self.encoding.turned(self._packed.now()[sample], self._factors.now()[sample]).mean(axis=0)
            self._codes = SignCodes(mean.astype(np.float32))
        upto = used - used % PIECE  # the last few rows are scored as they are
        bound = max(_A_SEARCH, used // 16)
        self._codes.encode(self._turned, min(upto, self._codes.encoded + bound))
        centre = self._codes.drifted()
        if centre is not None:
            self._successor = SignCodes(centre)
        if self._successor is not None:
            self._successor.encode(self._turned, min(self._codes.encoded, self._successor.encoded + bound))
            if self._successor.encoded == self._codes.encoded:
                self._codes, self._successor = self._successor, None

    def _turned(self, part: slice) -> Floats:
        return self.encoding.turned(self._packed.now()[part], self._factors.now()[part])

    def view(self) -> MatrixView:
        """Return the matrix as it is now."""
        self._encode()
        return MatrixView(
            self.encoding,
            self._packed.view(),
            self._factors.view(),
            self._owner.view(),
            self._dead.view(),
            self._row_of.view(),
            self._codes.view() if self._codes is not None else None,
            self._total.copy(),
            self._trust,
        )


def _room(packed: NDArray[Any]) -> NDArray[Any]:
    """Return this thread's scratch space for a piece of such rows."""
    held: NDArray[Any] | None = getattr(_scratch, "held", None)
    if held is None or held.dtype != packed.dtype or held.shape[1] != packed.shape[1]:
        held = _scratch.held = np.empty((_GATHERED, packed.shape[1]), packed.dtype)
    return held
