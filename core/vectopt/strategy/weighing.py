"""PURE. What a namespace's ranking goes by, learned from feedback: words against vectors, and the lengths of texts.

Streams differ in what is worth finding: in conversations the longer turns, in agents' traces the short steps. Neither list
tells: BM25 allows for length as such (its b), a cosine not at all. So a text's score is moved by its length, in proportion
to the logarithm, by as much as feedback asks for: not at all at first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .fusion import Fused, mixed_by

WEIGHTS = tuple(step / 20 for step in range(21))
"""The lexical weights that feedback chooses from."""

SLOPES = (-0.8, -0.6, -0.4, -0.2, 0.0, 0.2, 0.4, 0.6, 0.8)
"""The slopes by length that feedback chooses from: deviations of the fused score by deviations of the logarithm of length."""

_CUT = 10  # feedback is judged by nDCG at this rank
_HOLD = 2.0  # how strongly the weight is held to the default; 1 to 4 measured alike
_SLOPE_HOLD = 1.0
_FEW = 10  # judgements that are held twice as strongly: three told less of a namespace than its own queries do
_LUCK = 0.3  # of the root of their number, by which luck adds up: many are held by that much at least
_FULL = 1024  # judgements after which all count half
_ROUNDING = 1e-6


def _near(choices: tuple[float, ...], alike: float) -> NDArray[np.float64]:
    """Return what each choice's gain counts for each: those so near each other do as well as each other, but for luck."""
    values = np.array(choices)
    near = np.exp(-0.5 * ((values[:, None] - values) / alike) ** 2)
    return np.asarray(near / near.sum(axis=1, keepdims=True))


_WEIGHTS_NEAR, _SLOPES_NEAR = _near(WEIGHTS, 0.05), _near(SLOPES, 0.2)


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
class Tally:
    """What each of some choices would have gained a namespace's judged queries.

    Attributes:
        count: of the queries.
        gains: sums of nDCG@10, one a choice.
    """

    count: float
    gains: tuple[float, ...]

    @classmethod
    def none(cls, choices: int) -> Tally:
        """Return a tally of no query."""
        return cls(0, (0.0,) * choices)

    def __add__(self, other: Tally) -> Tally:
        """Return the tally of both's queries; of very many the older ones count less, so that changes are followed."""
        kept = 0.5 if other.count and self.count >= _FULL else 1.0
        gains = tuple(kept * one + more for one, more in zip(self.gains, other.gains, strict=True))
        return Tally(kept * self.count + other.count, gains)

    def best(self, choices: tuple[float, ...], near: NDArray[np.float64], default: float, hold: float) -> float:
        """Return what gained most, smoothed over its neighbours and held to the default; the default where nothing gained more."""
        if not self.count:
            return default
        away = np.array(choices) - default
        hold *= max(1 + _FEW / self.count, _LUCK * math.sqrt(self.count))
        best = int(np.argmax(near @ np.array(self.gains) - hold * away**2))
        return default if best == np.argmin(np.abs(away)) else choices[best]

    def to_bytes(self) -> bytes:
        """Return the state for the ledger."""
        return np.array((self.count, *self.gains), "<f8").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes, choices: int) -> Tally:
        """Read what `to_bytes` gave; anything else is no query."""
        if len(data) != 8 * (1 + choices):
            return cls.none(choices)
        count, *gains = np.frombuffer(data, "<f8").tolist()
        can_be = 1 <= count <= 2 * _FULL and all(0 <= gain <= count + _ROUNDING for gain in gains)  # NaN is neither
        return cls(count, tuple(gains)) if can_be else cls.none(choices)


@dataclass(frozen=True, slots=True)
class Gains:
    """What could have been gained by other weights, and by other slopes."""

    by_weight: Tally = field(default_factory=partial(Tally.none, len(WEIGHTS)))
    by_slope: Tally = field(default_factory=partial(Tally.none, len(SLOPES)))

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
            mixed = mixed_by(weight, fused.by_words, fused.by_cosine) + slope * lengths
            likely = np.flatnonzero(mixed >= np.partition(mixed, -_CUT)[-_CUT]) if len(mixed) > _CUT else np.arange(len(mixed))
            order = likely[np.argsort(-mixed[likely], kind="stable")][:_CUT]
            return float((useful[order] * discounts[: len(order)]).sum()) / ideal

        return cls(_tally([gain(weight, now.length) for weight in WEIGHTS]), _tally([gain(now.lexical, slope) for slope in SLOPES]))

    def __add__(self, other: Gains) -> Gains:
        """Return what both could have gained."""
        return Gains(self.by_weight + other.by_weight, self.by_slope + other.by_slope)

    def best(self, default: float) -> Weighing:
        """Return the weight and the slope that gained most, held to the default weight and to none by length."""
        weight = self.by_weight.best(WEIGHTS, _WEIGHTS_NEAR, default, _HOLD)
        return Weighing(weight, self.by_slope.best(SLOPES, _SLOPES_NEAR, 0.0, _SLOPE_HOLD))


def _tally(gains: list[float]) -> Tally:
    """Return the tally of one query; of none, where it makes no difference what is chosen."""
    return Tally(1, tuple(gains)) if max(gains) > min(gains) else Tally.none(len(gains))
