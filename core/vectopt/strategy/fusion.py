"""PURE. One ranking from a lexical and a dense list, where many texts have no dense score.

Both lists are z-scored by the mean and deviation of their own best `depth` values, and weighed: w z(lexical) +
(1 - w) z(dense). A text without a vector gets a dense score predicted from its lexical one by least squares over the
texts that have both (for the convex combination see Bruch et al., "An analysis of fusion functions for hybrid retrieval",
TOIS 2023; plain rank fusion over a partial index gives every embedded text two chances and ranks worse than BM25 alone).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
"""The lexical weights that feedback chooses from."""

_CUT = 10  # feedback is judged by nDCG at this rank
_PENALTY = 2.0  # how strongly few judgements are held to the default weight; 0.5 to 2 is the range that measured well
_ENOUGH = 5  # fewer texts with both scores say nothing of how one follows the other


@dataclass(frozen=True, slots=True)
class Fused:
    """Aligned arrays, one entry a text, shape (n,).

    Attributes:
        score: 0..1, higher is better.
        similarity: cosine, measured or predicted.
        predicted: where `similarity` is an estimate.
    """

    score: Floats
    similarity: Floats
    predicted: NDArray[np.bool_]


def fuse(lexical: Floats, dense: Floats, weight: float, depth: int) -> Fused:
    """Fuse two aligned score arrays.

    Args:
        lexical: BM25, 0 where no word is shared; shape (n,).
        dense: cosine, NaN where there is none to measure or to borrow; shape (n,).
        weight: of the lexical list, 0..1.
        depth: how many of the best values of a list give its mean and deviation.
    """
    similarity, predicted = predict(lexical, dense)
    mixed = weight * _zscores(lexical, depth) + (1 - weight) * _zscores(similarity, depth)
    return Fused((1 / (1 + np.exp(-np.clip(mixed, -30, 30)))).astype(np.float32), similarity, predicted)


def predict(lexical: Floats, dense: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Fill in the missing dense scores; return them all and where they were missing.

    Texts that share words with the query get a + b x BM25, fitted over the texts that have both scores, b >= 0; all
    others, and all where too few have both, get the mean of the dense scores (0 without any).
    """
    missing = np.isnan(dense)
    if not missing.any():
        return dense, missing
    if missing.all():
        return np.zeros_like(dense), missing
    filled = np.where(missing, dense[~missing].mean(), dense).astype(np.float32)
    shared = lexical > 0
    both = shared & ~missing
    if int(both.sum()) >= _ENOUGH:
        x, y = lexical[both], dense[both]
        spread = float(((x - x.mean()) ** 2).sum())
        slope = max(0.0, float(((x - x.mean()) * (y - y.mean())).sum()) / spread) if spread > 0 else 0.0
        ask = shared & missing
        filled[ask] = np.clip(y.mean() + slope * (lexical[ask] - x.mean()), -1, 1)
    return filled, missing


def _zscores(values: Floats, depth: int) -> Floats:
    if not len(values):
        return values
    top = values if len(values) <= depth else np.partition(values, len(values) - depth)[-depth:]
    deviation = float(top.std())
    return (values - top.mean()) / deviation if deviation > 1e-9 else np.zeros_like(values)


def gains(lexical: Floats, dense: Floats, useful: NDArray[np.bool_], depth: int) -> list[float]:
    """Return the nDCG@10 (Jarvelin and Kekalainen, TOIS 2002; binary gains) of the useful texts at each of `WEIGHTS`."""
    discounts = 1 / np.log2(np.arange(2, _CUT + 2))
    ideal = float(discounts[: int(useful.sum())].sum())
    if ideal == 0:
        return [0.0] * len(WEIGHTS)
    result = []
    for weight in WEIGHTS:
        order = np.argsort(-fuse(lexical, dense, weight, depth).score, kind="stable")[:_CUT]
        result.append(float((useful[order] * discounts[: len(order)]).sum()) / ideal)
    return result


def best_weight(total_gains: Sequence[float], default: float) -> float:
    """Return the weight with the best summed gains, held to the default where feedback is little."""
    if not any(total_gains):
        return default
    penalised = [gain - _PENALTY * (weight - default) ** 2 for gain, weight in zip(total_gains, WEIGHTS, strict=True)]
    return WEIGHTS[int(np.argmax(penalised))]
