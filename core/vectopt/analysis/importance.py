"""PURE. Which texts are asked for, learned from feedback: what makes a text important differs from stream to stream.

A logistic regression in the manner of stochastic gradient descent, which starts from the prior of the patterns: without
feedback nothing changes, and what is learned pulls back to that prior where feedback doesn't go on confirming it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model import Pattern, PatternType

_KINDS = {kind: place for place, kind in enumerate(PatternType)}
_SCALARS = 5  # length, novelty, repetition, digits, capitals
_SIZE = _SCALARS + len(_KINDS)
_DIGITS, _CAPITALS = b"0123456789", bytes(range(65, 91))
_STEP = 0.15
_PULL = 0.005  # to zero, at each step
_SHOWN = 0.25  # what a text says that was shown and not called useful, against one that was
_EDGE = 0.02  # a prior nearer to 0 or 1 than this could not be moved
_WIDEST = 5.0  # no weight grows beyond it


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """A text as importance sees it: its prior, and numbers of about -2..2."""

    prior: float
    values: NDArray[np.float64]


def features(text: str, tokens: Sequence[str], patterns: Sequence[Pattern], prior: float, novelty: float) -> Features:
    """Return what a text's importance can be learned from: its form and its patterns, no words of it."""
    values = np.zeros(_SIZE)
    data = text.encode("utf-8", "surrogatepass")
    size = max(1, len(data))
    values[0] = min(2.0, max(-2.0, math.log2(1 + len(text)) / 2 - 4))  # 0 at 255 characters, 1 at 1,023
    values[1] = 2 * novelty - 1
    values[2] = max(-2.0, 5 * (len(set(tokens)) / max(1, len(tokens)) - 0.8))
    values[3] = min(2.0, 5 * (size - len(data.translate(None, _DIGITS))) / size) if data else 0.0
    values[4] = min(2.0, 5 * (size - len(data.translate(None, _CAPITALS))) / size) if data else 0.0
    for pattern in patterns:
        values[_SCALARS + _KINDS[pattern.pattern_type]] = 1.0
    return Features(prior, values)


class Importance:
    """What a namespace's feedback has taught: one weight a feature, all zero at first; 136 bytes in the ledger."""

    def __init__(self) -> None:
        self.weights: NDArray[np.float64] = np.zeros(_SIZE)
        self._often = 0.0  # how often a text is useful at all: it explains no difference, and is left out of `raw`

    @property
    def neutral(self) -> bool:
        """Whether nothing was learned."""
        return not self.weights.any()

    def raw(self, features: Features) -> float:
        """Return the importance, 0..1: the prior, moved by what was learned."""
        return features.prior if self.neutral else _sigmoid(_logit(features.prior) + float(self.weights @ features.values))

    def learn(self, features: Features, useful: bool) -> None:
        """Take in that a text was called useful, or that it was shown and wasn't."""
        expected = _sigmoid(_logit(features.prior) + self._often + float(self.weights @ features.values))
        error = _STEP * (1 - expected if useful else -_SHOWN * expected)
        self.weights = np.clip(self.weights * (1 - _PULL) + error * features.values, -_WIDEST, _WIDEST)
        self._often = min(_WIDEST, max(-_WIDEST, self._often * (1 - _PULL) + error))

    def to_bytes(self) -> bytes:
        """Return the state for the ledger."""
        return np.append(self.weights, self._often).astype("<f8").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Importance:
        """Read what `to_bytes` gave; anything else is nothing learned."""
        result = cls()
        if len(data) == 8 * (_SIZE + 1):
            values = np.frombuffer(data, "<f8").astype(np.float64)
            if np.all(np.abs(values) <= _WIDEST):  # NaN is not
                result.weights, result._often = values[:-1].copy(), float(values[-1])
        return result


def _logit(share: float) -> float:
    share = min(1 - _EDGE, max(_EDGE, share))
    return math.log(share / (1 - share))


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-min(30.0, max(-30.0, value))))
