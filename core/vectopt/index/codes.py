"""One bit a dimension: codes of vectors that bound an inner product from above, so that few rows need an exact one.

All in the rotated space. A vector x is centred, r = x - c; its code is the signs of r. For a query q the estimate of <q, x>
is <q - c, c> + <x, c> + s g (D - 2h) with the Hamming distance h of the two codes, s = |r|^2 / sum|r|, g likewise of the
query, and standard deviation s kappa (after RaBitQ, Gao and Long, SIGMOD 2024, with one bit on the query's side too).
A row is left out only if it lies more than `EPSILON` deviations above its estimate.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model import Vector
from ..quantization import Query
from .growing import Growing

EPSILON = 3.0  # a bound misses a true neighbour with probability Phi(-3) = 0.0013 at the most, by theory
PIECE = 256  # rows encoded at a time: larger pieces leave the cache
_BLOCK_WORDS = 20  # log2 of about how many words of codes are an array of their own, scanned at a time
_STRIDE = 32  # rows a maximum, in a large matrix
_DRIFT = 1.05  # growth of the mean residual from which a stale centre costs more than encoding anew
_REFINE_FROM = 1500  # rows left by the first bound from which a tighter one pays
_STEP = 0.3352  # the best uniform step of a 4-bit quantiser of normal values, in deviations
_WORDS_A_BYTE = 3  # 3 x 64 bits still count in a byte

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]

_scratch = threading.local()


@dataclass(frozen=True, slots=True)
class CodesView:
    """The codes of the first `used` rows at one moment."""

    blocks: tuple[NDArray[np.uint64], ...]  # each (W, rows), column a row
    lean: Floats  # <x, c>
    scale: Floats  # s
    fit: Floats  # (sum|r|)^2 / (|r|^2 D): how well the signs stand for the row
    worst: float  # the smallest fit of any row
    centre: Vector

    @property
    def used(self) -> int:
        """How many rows have codes."""
        return len(self.lean)

    def reaching(
        self, query: Query, count: int, exact: Callable[[Rows], Floats], out: NDArray[np.bool_] | Rows
    ) -> tuple[Rows, Floats] | None:
        """Return rows that hold the `count` best ones, with their exact scores; None where the bound leaves too many.

        Args:
            query: of as many dimensions as the rows.
            count: how many of the rows returned will be wanted.
            exact: gives the scores of rows.
            out: rows that don't count.
        """
        offset = query.turned - self.centre
        length = float(offset @ offset)
        constant = float(offset @ self.centre)
        if id(self) not in query.bounds:
            self.scan([query])
        upper = query.bounds.pop(id(self))
        upper[: self.used][out] = -np.inf
        first_cut = 4 * count + 100
        stride = _STRIDE
        while stride > 1 and 2 * first_cut * stride > self.used:
            stride //= 2
        maxima = upper.reshape(stride, -1).max(axis=0)
        if len(maxima) <= first_cut or length <= 0:
            return None
        cut = np.partition(maxima, len(maxima) - first_cut)[-first_cut]
        near = np.flatnonzero(upper >= cut)
        if len(near) < count or not np.isfinite(cut):
            return None
        scores = exact(near)
        floor = float(np.partition(scores, len(scores) - count)[-count]) - constant - 1e-5
        if floor < cut:
            more = np.flatnonzero((upper >= floor) & (upper < cut))
            if len(more) > _REFINE_FROM:
                more = self._refined(more, offset, length, floor)
            if len(more) > self.used // 4:
                return None
            near, scores = np.concatenate((near, more)), np.concatenate((scores, exact(more)))
        last = len(scores) - count
        kth = np.argpartition(scores, last)[last]
        # Behind the query the estimate is no longer an over-estimate: the bound promises nothing there.
        if float(scores[kth]) - float(self.lean[near[kth]]) - constant < 0:
            return None
        return near, scores

    def _refined(self, which: Rows, offset: Floats, length: float, floor: float) -> Rows:
        """Return those of the rows that a tighter bound leaves too: the query at four bits a dimension instead of one."""
        dimensions = len(offset)
        levels = np.clip(np.floor(offset / (_STEP * np.sqrt(length / dimensions))) + 8, 0, 15).astype(np.uint8)
        odd = 2 * levels.astype(np.float32) - 15  # the middle of each step, in half steps
        gain = length / float(odd @ offset)
        rounding = max(gain * gain * float(odd @ odd) - length, 0.0)
        codes = self._gathered(which)
        distance = np.zeros(len(which), np.int32)
        for bit in (3, 2, 1, 0):
            plane = _pack(((levels >> bit) & 1)[None, :].astype(np.bool_), len(codes))
            distance = 2 * distance + np.bitwise_count(codes ^ plane).sum(axis=0, dtype=np.int32)
        spread = np.sqrt(np.maximum((1 - self.fit[which]) * length, 0) + rounding)
        bound = self.lean[which] + self.scale[which] * (gain * (15 * dimensions - 2 * distance) + EPSILON * spread)
        kept: Rows = which[bound >= floor]
        return kept

    def _gathered(self, which: Rows) -> NDArray[np.uint64]:
        """Return the codes of some rows, which ascend; shape (W, n)."""
        size = self.blocks[0].shape[1]
        ends = np.searchsorted(which, np.arange(1, len(self.blocks) + 1) * size)
        starts = [0, *ends[:-1].tolist()]
        pieces = [
            np.take(block, which[start:end] - number * size, axis=1)
            for number, (block, start, end) in enumerate(zip(self.blocks, starts, ends.tolist(), strict=True))
            if end > start
        ]
        return np.concatenate(pieces, axis=1)

    def scan(self, queries: Sequence[Query]) -> None:
        """Give queries an upper bound of each row's <q, x> - <q - c, c>, padded with -inf to a multiple of the stride.

        Each block of codes is read once for all of them.
        """
        words, most = self.blocks[0].shape
        plans = [self._plan(query.turned - self.centre) for query in queries]
        uppers = [np.empty(-(-self.used // _STRIDE) * _STRIDE, np.float32) for _ in queries]
        xored, counts = _buffers(words, most)
        for number, block in enumerate(self.blocks):
            start = number * most
            size = min(most, self.used - start)
            part = slice(start, start + size)
            for (plane, slope, top), upper in zip(plans, uppers, strict=True):
                np.bitwise_xor(block[:, :size], plane[:, None], out=xored[:, :size])
                np.bitwise_count(xored[:, :size], out=counts[:, :size])
                groups = [
                    np.add.reduce(counts[i : i + _WORDS_A_BYTE, :size], axis=0, dtype=np.uint8) for i in range(0, words, _WORDS_A_BYTE)
                ]
                distance = groups[0].astype(np.float32)
                for group in groups[1:]:
                    distance += group
                distance *= slope
                distance += top
                distance *= self.scale[part]
                np.add(distance, self.lean[part], out=upper[part])
        for query, upper in zip(queries, uppers, strict=True):
            upper[self.used :] = -np.inf
            query.bounds[id(self)] = upper

    def _plan(self, offset: Floats) -> tuple[NDArray[np.uint64], np.float32, np.float32]:
        """Return a query's code, and by what factor and from what height its bound falls with the distance of the codes."""
        length = float(offset @ offset)
        gain = length / max(float(np.abs(offset).sum()), 1e-30)
        spread = float(np.sqrt((1 - self.worst) * length + max(gain * gain * len(offset) - length, 0.0)))
        plane = _pack(offset[None, :] > 0, len(self.blocks[0]))[:, 0]
        return plane, np.float32(-2 * gain), np.float32(gain * len(offset) + EPSILON * spread)


class SignCodes:
    """The codes of a growing matrix, made in order, a bounded number at a time.

    Args:
        centre: what rows are centred by, rotated; shape (D,).
    """

    def __init__(self, centre: Vector) -> None:
        self.centre = centre
        self._words = -(-len(centre) // 64)
        self._block = 1 << (_BLOCK_WORDS - (self._words - 1).bit_length())
        self._blocks: list[NDArray[np.uint64]] = []
        self._lean, self._scale, self._fit = Growing(np.float32), Growing(np.float32), Growing(np.float32)
        self._worst = 1.0
        self._sum = np.zeros(len(centre), np.float64)
        self._checked = 0

    @property
    def encoded(self) -> int:
        """How many rows have codes."""
        return len(self._lean)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return 8 * self._words * self.encoded + self._lean.nbytes + self._scale.nbytes + self._fit.nbytes

    def encode(self, turned: Callable[[slice], Floats], upto: int) -> None:
        """Encode rows up to a number; `turned` gives them, rotated."""
        while self.encoded < upto:
            start = self.encoded
            within = start % self._block
            if not within:
                self._blocks.append(np.zeros((self._words, self._block), np.uint64))
            part = slice(start, min(upto, start + PIECE, start - within + self._block))
            rows = turned(part)
            self._sum += rows.sum(axis=0)
            rest = rows - self.centre
            total, square = np.abs(rest).sum(axis=1), (rest**2).sum(axis=1)
            there = square > 1e-12
            safe = np.where(there, total, 1)
            fit = np.where(there, total**2 / np.where(there, square * len(self.centre), 1), 1).astype(np.float32)
            self._blocks[-1][:, within : within + len(rest)] = _pack(rest > 0, self._words)
            self._scale.extend(np.where(there, square / safe, 0))
            self._fit.extend(fit)
            self._lean.extend(rows @ self.centre)
            self._worst = min(self._worst, float(fit.min()))

    def check_again(self) -> None:
        """Ask for the drift anew at the next occasion."""
        self._checked = 0

    def drifted(self) -> Vector | None:
        """Return the centre to begin anew with, where the rows have moved away from this one; asked once a doubling."""
        if self.encoded < 2 * max(1, self._checked):
            return None
        self._checked = self.encoded
        mean = (self._sum / self.encoded).astype(np.float32)
        spread = 1 - float(mean @ mean)
        moved = spread > 0 and 1 + float(((mean - self.centre) ** 2).sum()) / spread > _DRIFT
        return mean if moved else None

    def compacted(self, rows: Rows) -> SignCodes:
        """Return the codes of some rows, which ascend; those not encoded yet come later."""
        result = SignCodes(self.centre)
        view = self.view()
        rows = rows[: np.searchsorted(rows, self.encoded)]
        for start in range(0, len(rows), self._block):
            some = rows[start : start + self._block]
            block = np.zeros((self._words, self._block), np.uint64)
            block[:, : len(some)] = view._gathered(some)
            result._blocks.append(block)
        result._lean.extend(view.lean[rows])
        result._scale.extend(view.scale[rows])
        result._fit.extend(view.fit[rows])
        result._worst, result._checked, result._sum = self._worst, len(rows), self._sum * (len(rows) / max(1, self.encoded))
        return result

    def saved(self) -> dict[str, Any]:
        """Return what `restored` takes."""
        view = self.view()
        return {
            "blocks": np.stack(view.blocks),
            "lean": view.lean,
            "scale": view.scale,
            "fit": view.fit,
            "worst": self._worst,
            "centre": self.centre,
            "sum": self._sum.copy(),
            "checked": self._checked,
        }

    @classmethod
    def restored(cls, saved: dict[str, Any]) -> SignCodes:
        """Return the codes that were saved."""
        result = cls(saved["centre"])
        result._blocks = list(saved["blocks"])
        result._lean, result._scale, result._fit = (Growing(np.float32, held=saved[name]) for name in ("lean", "scale", "fit"))
        result._worst, result._sum, result._checked = saved["worst"], saved["sum"], saved["checked"]
        return result

    def view(self) -> CodesView:
        """Return the codes as they are now."""
        return CodesView(tuple(self._blocks), self._lean.view(), self._scale.view(), self._fit.view(), self._worst, self.centre)


def _pack(bits: NDArray[np.bool_], words: int) -> NDArray[np.uint64]:
    """Return rows of bits as columns of 64-bit words, shape (words, n); padding bits are 0."""
    packed = np.zeros((len(bits), words * 8), np.uint8)
    some = np.packbits(bits, axis=1, bitorder="little")
    packed[:, : some.shape[1]] = some
    return packed.view(np.uint64).T


def _buffers(words: int, rows: int) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
    """Return this thread's scratch space for one block."""
    held: tuple[NDArray[np.uint64], NDArray[np.uint8]] | None = getattr(_scratch, "held", None)
    if held is None or held[0].shape != (words, rows):
        held = _scratch.held = np.empty((words, rows), np.uint64), np.empty((words, rows), np.uint8)
    return held
