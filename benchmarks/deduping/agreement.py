"""How two clusterings of the same texts agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]


def identical(labels: Labels, truth: Labels) -> float:
    """Return the share of texts with the very same label."""
    return float((labels == truth).mean())


def recall(labels: Labels, truth: Labels) -> float | None:
    """Return which share of the pairs that the truth has in one cluster are in one; None where it has no pairs.

    The other way round it is the precision. Counted from the sizes of clusters and of what they share, so no pair is looked at.
    """
    every = _pairs(truth)
    return _pairs(truth * (int(labels.max()) + 1) + labels) / every if every else None


def _pairs(labels: Labels) -> int:
    _, sizes = np.unique(labels, return_counts=True)
    return int((sizes * (sizes - 1) // 2).sum())
