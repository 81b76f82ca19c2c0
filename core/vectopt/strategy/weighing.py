"""PURE. What a namespace's ranking goes by, learned from feedback: words against vectors, and the lengths of texts.

Streams differ in what is worth finding: in conversations the longer turns, in agents' traces the short steps. Neither list
tells: BM25 allows for length as such (its b), a cosine not at all. So a text's score is moved by its length, in proportion
to the logarithm, by as much as feedback asks for: not at all at first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .fusion import Fused

WEIGHTS = tuple(step / 20 for step in range(21))
"""The lexical weights that feedback chooses from."""

SLOPES = (-0.8, -0.6, -0.4, -0.2, 0.0, 0.2, 0.4, 0.6, 0.8)
"""The slopes by length that feedback chooses from: deviations of the fused score by deviations of the logarithm of length."""

_CUT = 10  # feedback is judged by nDCG at this rank
_HOLD = 2.0  # how strongly the weight is held to the default; 1 to 4 measured alike
_SLOPE_HOLD = 1.0
_FEW = 10  # so many judgements are held twice as strongly: three told less of a namespace than its own queries do
_ALIKE, _SLOPES_ALIKE = 0.05, 0.2  # choices so near each other do as well as each other, but for luck


@dataclass(frozen=True, slots=True)
class Weighing:
    """What a ranking goes by.

    Attributes:
        lexical: the weight of the words, 0..1.
        length: what a deviation of the logarithm of a text's length adds to its score, in deviations of that.
    """

    lexical: float
    length: float = 0.0


@dataclass(frozen=True, slots=True)
class Gains:
    """What each choice would have gained a namespace's judged queries: sums of nDCG@10.

    Attributes:
        count: of the queries.
        by_weight: one sum for each of `WEIGHTS`.
        by_slope: one sum for each of `SLOPES`.
    """

    count: int = 0
    by_weight: tuple[float, ...] = (0.0,) * len(WEIGHTS)
    by_slope: tuple[float, ...] = (0.0,) * len(SLOPES)

    @classmethod
    def of_query(cls, fused: Fused, useful: NDArray[np.bool_], lengths: NDArray[np.float32], now: Weighing) -> Gains:
        """Return what a query would have gained: nDCG@10 (Jarvelin and Kekalainen, TOIS 2002) with binary gains.

        Args:
            fused: all texts, with nothing besides.
            useful: which of them are, shape (n,).
            lengths: of the texts, in deviations, shape (n,).
            now: what the ranking goes by; of weight and slope, one is tried while the other stays.
        """
        if not useful.any():
            return cls()
        discounts = 1 / np.log2(np.arange(2, _CUT + 2))
        ideal = float(discounts[: int(useful.sum())].sum())

        def gain(weight: float, slope: float) -> float:
            mixed = weight * fused.by_words + (1 - weight) * fused.by_cosine + slope * lengths
            if len(mixed) > _CUT:
                mixed = np.where(mixed >= np.partition(mixed, len(mixed) - _CUT)[-_CUT], mixed, -np.inf)
            likely = np.flatnonzero(mixed > -np.inf)
            order = likely[np.argsort(-mixed[likely], kind="stable")][:_CUT]
            return float((useful[order] * discounts[: len(order)]).sum()) / ideal

        by_weight = tuple(gain(weight, now.length) for weight in WEIGHTS)
        return cls(1, by_weight, tuple(gain(now.lexical, slope) for slope in SLOPES))

    def __add__(self, other: Gains) -> Gains:
        """Return the sums of both."""
        by_weight = (one + more for one, more in zip(self.by_weight, other.by_weight, strict=True))
        by_slope = (one + more for one, more in zip(self.by_slope, other.by_slope, strict=True))
        return Gains(self.count + other.count, tuple(by_weight), tuple(by_slope))

    def best(self, default: float) -> Weighing:
        """Return the weight and the slope that gained most, smoothed over their neighbours, held to the default weight, and to none
        by length, all the more strongly where little was judged.
        """
        if not self.count:
            return Weighing(default)
        hold = 1 + _FEW / self.count
        weight = _best(WEIGHTS, self.by_weight, default, hold * _HOLD, _ALIKE)
        return Weighing(weight, _best(SLOPES, self.by_slope, 0.0, hold * _SLOPE_HOLD, _SLOPES_ALIKE))

    def to_bytes(self) -> bytes:
        """Return the state for the ledger."""
        return np.array((self.count, *self.by_weight, *self.by_slope), "<f8").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Gains:
        """Read what `to_bytes` gave; anything else is nothing judged."""
        if len(data) != 8 * (1 + len(WEIGHTS) + len(SLOPES)):
            return cls()
        count, *gains = np.frombuffer(data, "<f8").tolist()
        if not np.isfinite((count, *gains)).all():
            return cls()
        return cls(int(count), tuple(gains[: len(WEIGHTS)]), tuple(gains[len(WEIGHTS) :]))


def _best(choices: tuple[float, ...], gains: tuple[float, ...], default: float, hold: float, alike: float) -> float:
    values = np.array(choices)
    near = np.exp(-0.5 * ((values[:, None] - values) / alike) ** 2)
    smooth = near @ np.array(gains) / near.sum(axis=1)
    held = smooth - hold * (values - default) ** 2
    return choices[int(np.argmax(held))]
