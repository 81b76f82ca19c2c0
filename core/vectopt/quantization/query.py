"""A query vector, prepared once for everything it is put to."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model import Vector
from .rotation import rotation


class Query:
    """A query at length 1, and rotated as codes and sketches are.

    Args:
        vector: shape (dimensions,), any length.

    Attributes:
        bounds: what a scan that several queries share found for this one, by the id of what was scanned.
    """

    def __init__(self, vector: Vector) -> None:
        self.unit: Vector = unit(vector)
        self.bounds: dict[int, NDArray[np.float32]] = {}

    @cached_property
    def turned(self) -> Vector:
        """The unit query, rotated; shape (D,) with D as the rotation pads it."""
        turned: Vector = rotation(len(self.unit))(self.unit[None, :])[0]
        return turned


def unit(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Return vectors at length 1, shape (dimensions,) or (n, dimensions); a zero vector stays.

    By doubles, where the squares of the largest and smallest floats still fit.
    """
    wide = rows.astype(np.float64)
    norm = np.linalg.norm(wide, axis=-1, keepdims=True)
    return np.asarray(wide / np.where(norm > 0, norm, 1), np.float32)
