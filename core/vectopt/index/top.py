"""The best of many scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_STRIDE = 32


def best(scores: NDArray[Any], count: int, ties: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Return the places of the `count` best scores, best first; -inf never.

    Args:
        scores: shape (n,).
        count: how many, where so many are greater than -inf.
        ties: equal scores come in ascending order of this; by default of their places.
    """
    where = np.flatnonzero(scores >= at_least(scores, count))
    where = where[scores[where] > -np.inf]
    order = np.lexsort((where if ties is None else ties[where], -scores[where]))
    return where[order[:count]]


def reaching(scores: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Return the places of the `count` best scores above 0 and of all that equal the last of them, ascending."""
    cut = at_least(scores, count)
    return np.flatnonzero(scores >= cut if cut > 0 else scores > 0)


def at_least(scores: NDArray[Any], count: int) -> float:
    """Return a score that `count` of the scores reach, and not many more; -inf where there are no more than that."""
    if count >= len(scores):
        return -np.inf
    strided = len(scores) // _STRIDE * _STRIDE
    if count * 4 < strided // _STRIDE:
        # As many maxima of strided rows as are wanted are as good a cut, and far fewer numbers to select from.
        maxima = scores[:strided].reshape(_STRIDE, -1).max(axis=0)
        cut = np.partition(maxima, len(maxima) - count)[-count]
        scores = scores[scores >= cut]
    return float(np.partition(scores, len(scores) - count)[-count])
