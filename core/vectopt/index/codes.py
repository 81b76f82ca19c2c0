"""One bit a dimension: codes of unit vectors that bound a cosine from above, so that few rows need an exact one.

A vector x is centred and rotated, r = R(x - c); its code is the signs of r. For a query q the estimate of <q, x> is
<q - c, c> + <x, c> + s g (D - 2h) with the Hamming distance h of the two codes, s = |r|^2 / sum|r|, g likewise of the
query, and standard deviation s kappa (after RaBitQ, Gao and Long, SIGMOD 2024, with one bit on the query's side too).
A row is left out only if it lies more than `EPSILON` deviations above its estimate.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model import Vector
from .rotation import Rotation

EPSILON = 3.0  # a bound misses a true neighbour with probability Phi(-3) = 0.0013 at the most, by theory
_PIECE = 256  # rows encoded, or gathered, at a time: larger pieces leave the cache
_BLOCK = 16_384  # codes scanned at a time
_STRIDE = 32  # rows a maximum
_DRIFT = 1.05  # growth of the mean residual from which a stale centre costs more than encoding anew
_REFINE_FROM = 1500  # rows left by the first bound from which a tighter one pays
_STEP = 0.3352  # the best uniform step of a 4-bit quantiser of normal values, in deviations
_WORDS_A_BYTE = 3  # 3 x 64 bits still count in a byte

_scratch = threading.local()


@dataclass(frozen=True, slots=True)
class CodesView:
    """The codes at one moment. `lean` is -inf for rows that are dead."""

    words: NDArray[np.uint64]  # (W, capacity), column a row
    lean: NDArray[np.float32]  # <x, c>
    scale: NDArray[np.float32]  # s
    centre: Vector
    worst: float  # the smallest sum|r| / sqrt(|r|^2 D) of any row
    rotation: Rotation
    used: int

    def nearest(self, rows: NDArray[np.float32], unit: Vector, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]] | None:
        """Return the `count` rows nearest to a unit query and their exact cosines, best first; None where the bound
        leaves so many rows that an exact scan is cheaper.
        """
        offset = unit - self.centre
        turned = self.rotation(offset[None, :])[0]
        length = float(turned @ turned)
        constant = float(offset @ self.centre)
        upper = self._upper_bounds(turned, length)
        maxima = upper.reshape(_STRIDE, -1).max(axis=0)
        first_cut = 4 * count + 24
        if len(maxima) <= first_cut or length <= 0:
            return None
        cut = np.partition(maxima, len(maxima) - first_cut)[-first_cut]
        near = np.flatnonzero(upper >= cut)
        cosines = _exact(rows, near, unit)
        if len(near) < count or not np.isfinite(cut):
            return None
        floor = float(np.partition(cosines, len(cosines) - count)[-count]) - constant - 1e-5
        if floor < cut:
            more = np.flatnonzero((upper >= floor) & (upper < cut))
            if len(more) > _REFINE_FROM:
                more = self._refined(more, turned, length, floor)
            if len(more) > self.used // 4:
                return None
            near = np.concatenate((near, more))
            cosines = np.concatenate((cosines, _exact(rows, more, unit)))
        order = np.lexsort((near, -cosines))[:count]
        near, cosines = near[order], cosines[order]
        # Behind the query the estimate is no longer an over-estimate: the bound promises nothing there.
        if float(cosines[-1]) - float(self.lean[near[-1]]) - constant < 0:
            return None
        return near, cosines

    def _refined(self, which: NDArray[np.int64], turned: NDArray[np.float32], length: float, floor: float) -> NDArray[np.int64]:
        """Return those of the rows that a tighter bound leaves too: the query at four bits a dimension instead of one."""
        dimensions = self.rotation.dimensions
        levels = np.clip(np.floor(turned / (_STEP * np.sqrt(length / dimensions))) + 8, 0, 15).astype(np.uint8)
        odd = 2 * levels.astype(np.float32) - 15  # the middle of each step, in half steps
        gain = length / float(odd @ turned)
        rounding = max(gain * gain * float(odd @ odd) - length, 0.0)
        codes = self.words[:, which]
        distance = np.zeros(len(which), np.int32)
        for bit in (3, 2, 1, 0):
            plane = _pack(((levels >> bit) & 1)[None, :].astype(np.bool_), len(self.words))
            distance = 2 * distance + np.bitwise_count(codes ^ plane).sum(axis=0, dtype=np.int32)
        lean, scale = self.lean[which], np.maximum(self.scale[which], 1e-12)
        # For unit rows |x - c|^2 follows from the lean, and with it how well the row's own signs stand for it.
        fit = (1 - 2 * lean + float(self.centre @ self.centre)) / (scale * scale * dimensions)
        spread = np.sqrt(np.maximum((1 - fit) * length, 0) + rounding)
        kept: NDArray[np.int64] = which[lean + scale * (gain * (15 * dimensions - 2 * distance) + EPSILON * spread) >= floor]
        return kept

    def _upper_bounds(self, turned: NDArray[np.float32], length: float) -> NDArray[np.float32]:
        """Return an upper bound of each row's <q, x> - <q - c, c>, padded with -inf to a multiple of the stride."""
        dimensions, words = self.rotation.dimensions, len(self.words)
        plane = _pack(turned[None, :] > 0, words)[:, 0]
        gain = length / float(np.abs(turned).sum())
        spread = float(np.sqrt((1 - self.worst**2) * length + max(gain * gain * dimensions - length, 0.0)))
        slope, top = np.float32(-2 * gain), np.float32(gain * dimensions + EPSILON * spread)
        upper = np.full(-(-self.used // _STRIDE) * _STRIDE, -np.inf, np.float32)
        xored, counts = _buffers(words)
        for start in range(0, self.used, _BLOCK):
            size = min(_BLOCK, self.used - start)
            part = slice(start, start + size)
            np.bitwise_xor(self.words[:, part], plane[:, None], out=xored[:, :size])
            np.bitwise_count(xored[:, :size], out=counts[:, :size])
            groups = [np.add.reduce(counts[i : i + _WORDS_A_BYTE, :size], axis=0, dtype=np.uint8) for i in range(0, words, _WORDS_A_BYTE)]
            distance = groups[0].astype(np.float32)
            for group in groups[1:]:
                distance += group
            distance *= slope
            distance += top
            distance *= self.scale[part]
            np.add(distance, self.lean[part], out=upper[part])
        return upper


class SignCodes:
    """The codes of a growing matrix. Rows are encoded when a search first needs them, in order."""

    def __init__(self, rotation: Rotation, centre: Vector, capacity: int) -> None:
        self._rotation = rotation
        self._checked = 0
        self._begin(centre, capacity)

    def _begin(self, centre: Vector, capacity: int) -> None:
        """Begin with new arrays around a centre; searches under way keep the old ones."""
        self._centre = centre
        self._words = np.zeros((-(-self._rotation.dimensions // 64), capacity), np.uint64)
        self._lean = np.full(capacity, -np.inf, np.float32)
        self._scale = np.zeros(capacity, np.float32)
        self._worst = 1.0
        self.encoded = 0

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._words.nbytes + self._lean.nbytes + self._scale.nbytes

    def encode(self, rows: NDArray[np.float32], owner: NDArray[np.int32], used: int) -> None:
        """Encode the rows that are new, and all of them again where the centre has drifted."""
        if used >= 2 * max(1, self._checked):
            live = rows[:used][owner[:used] >= 0]
            mean = live.mean(axis=0) if len(live) else self._centre
            spread = 1 - float(mean @ mean)
            if self._checked == 0 or (spread > 0 and 1 + float(((mean - self._centre) ** 2).sum()) / spread > _DRIFT):
                self._begin(mean, len(rows))
            self._checked = used
        for start in range(self.encoded, used, _PIECE):
            part = slice(start, min(used, start + _PIECE))
            turned = self._rotation(rows[part] - self._centre)
            total, square = np.abs(turned).sum(axis=1), (turned**2).sum(axis=1)
            self._words[:, part] = _pack(turned > 0, len(self._words))
            self._scale[part] = np.where(square > 1e-12, square / np.maximum(total, 1e-12), 0)
            self._lean[part] = np.where(owner[part] >= 0, rows[part] @ self._centre, -np.inf)
            flatness = total[square > 1e-12] / np.sqrt(square[square > 1e-12] * self._rotation.dimensions)
            self._worst = min(self._worst, float(flatness.min(initial=1.0)))
        self.encoded = max(self.encoded, used)

    def grown(self, capacity: int, kept: NDArray[np.int64] | slice) -> SignCodes:
        """Return the codes of the kept rows in arrays of a new capacity."""
        result = SignCodes(self._rotation, self._centre, capacity)
        count = min(self.encoded, kept.stop) if isinstance(kept, slice) else int(np.searchsorted(kept, self.encoded))
        source = slice(0, count) if isinstance(kept, slice) else kept[:count]
        result._words[:, :count] = self._words[:, source]
        result._lean[:count], result._scale[:count] = self._lean[source], self._scale[source]
        result._worst, result._checked, result.encoded = self._worst, self._checked, count
        return result

    def bury(self, row: int) -> None:
        """Mark a row as dead."""
        if row < self.encoded:
            self._lean[row] = -np.inf

    def view(self, used: int) -> CodesView:
        """Return the codes as they are now."""
        return CodesView(self._words, self._lean, self._scale, self._centre, self._worst, self._rotation, used)


def _pack(bits: NDArray[np.bool_], words: int) -> NDArray[np.uint64]:
    """Return rows of bits as columns of 64-bit words, shape (words, n); padding bits are 0."""
    packed = np.zeros((len(bits), words * 8), np.uint8)
    some = np.packbits(bits, axis=1, bitorder="little")
    packed[:, : some.shape[1]] = some
    return packed.view(np.uint64).T


def _exact(rows: NDArray[np.float32], which: NDArray[np.int64], unit: Vector) -> NDArray[np.float32]:
    """Return the cosines of some rows, gathered in pieces that stay in the cache."""
    pieces = [rows[which[start : start + _PIECE]] @ unit for start in range(0, len(which), _PIECE)]
    return np.concatenate(pieces) if pieces else np.empty(0, np.float32)


def _buffers(words: int) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
    """Return this thread's scratch space for one block."""
    held: tuple[NDArray[np.uint64], NDArray[np.uint8]] | None = getattr(_scratch, "held", None)
    if held is None or len(held[0]) < words:
        held = _scratch.held = np.empty((words, _BLOCK), np.uint64), np.empty((words, _BLOCK), np.uint8)
    return held[0][:words], held[1][:words]
