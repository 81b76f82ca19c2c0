"""PURE. What a namespace's ranking goes by, learned from feedback: words against vectors, and the lengths of texts.

Streams differ in what is worth finding: in conversations the longer turns, in agents' traces the short steps. Neither list
tells: BM25 allows for length as such (its b), a cosine not at all. So a text's score is moved by its length, in proportion
to the logarithm, by as much as feedback asks for: not at all at first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .fusion import Fused

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
"""The lexical weights that feedback chooses from."""

SLOPES = (-0.8, -0.6, -0.4, -0.2, 0.0, 0.2, 0.4, 0.6, 0.8)
"""The slopes by length that feedback chooses from: deviations of the fused score by deviations of the logarithm of length."""

_CUT = 10  # feedback is judged by nDCG at this rank
_PENALTY = 2.0  # how strongly few judgements are held to the default; 0.5 to 4 measured well
_SMOOTHED = 0.05  # weights so near each other do as well as each other, but for luck
_SMOOTHED_SLOPE = 0.2


@dataclass(frozen=True, slots=True)
class Weighing:
    """What a ranking goes by.

    Attributes:
        lexical: the weight of the words, 0..1.
        length: what a deviation of the logarithm of a text's length adds to its score, in deviations of that.
    """

    lexical: float
    length: float = 0.0


def gains(fused: Fused, useful: NDArray[np.bool_], lengths: NDArray[np.float32], now: Weighing) -> tuple[list[float], list[float]]:
    """Return the nDCG@10 (Jarvelin and Kekalainen, TOIS 2002; binary gains) of the useful texts at each of `WEIGHTS` and of `SLOPES`.

    Args:
        fused: all texts, with nothing besides.
        useful: which of them are, shape (n,).
        lengths: of the texts, in deviations, shape (n,).
        now: what the ranking goes by; of both, one is tried while the other stays.
    """
    discounts = 1 / np.log2(np.arange(2, _CUT + 2))
    ideal = float(discounts[: int(useful.sum())].sum())
    if ideal == 0:
        return [0.0] * len(WEIGHTS), [0.0] * len(SLOPES)

    def gain(weight: float, slope: float) -> float:
        mixed = weight * fused.by_words + (1 - weight) * fused.by_cosine + slope * lengths
        order = np.argsort(-mixed, kind="stable")[:_CUT]
        return float((useful[order] * discounts[: len(order)]).sum()) / ideal

    return [gain(weight, now.length) for weight in WEIGHTS], [gain(now.lexical, slope) for slope in SLOPES]


def best_weight(total_gains: Sequence[float], default: float) -> float:
    """Return the weight with the best summed gains, smoothed over its neighbours, held to the default where feedback is little."""
    return _best(WEIGHTS, total_gains, default, _SMOOTHED)


def best_slope(total_gains: Sequence[float]) -> float:
    """Return the slope by length with the best summed gains, found likewise; 0 where feedback is little."""
    return _best(SLOPES, total_gains, 0.0, _SMOOTHED_SLOPE)


def _best(choices: Sequence[float], total_gains: Sequence[float], default: float, width: float) -> float:
    if not any(total_gains):
        return default
    values = np.array(choices)
    near = np.exp(-0.5 * ((values[:, None] - values) / width) ** 2)
    smooth = near @ np.asarray(total_gains) / near.sum(axis=1)
    return choices[int(np.argmax(smooth - _PENALTY * (values - default) ** 2))]
