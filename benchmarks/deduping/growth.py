"""How the time grows with the number of texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Return the power of the size that the time grows with: the slope of the least-squares line through the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
