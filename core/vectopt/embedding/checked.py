"""Nothing an embedder answers is believed before it is checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import EmbedderFailed, InvalidVector


def checked_vectors(answer: Any, count: int, dimensions: int | None) -> NDArray[np.float32]:
    """Return an embedder's answer as an array of shape (count, dimensions).

    Raises:
        EmbedderFailed: it has another shape, or values that are not finite numbers.
    """
    try:
        with np.errstate(over="ignore"):  # what overflows is infinite, and refused below
            array = np.asarray(answer, np.float32)
    except (TypeError, ValueError) as error:
        raise EmbedderFailed(f"the embedder's answer is no array of numbers: {error}") from error
    if array.ndim != 2 or len(array) != count or array.shape[1] == 0:
        raise EmbedderFailed(f"the embedder answered with shape {array.shape} for {count} texts; one vector a text is needed")
    if dimensions is not None and array.shape[1] != dimensions:
        raise EmbedderFailed(f"the embedder answered with {array.shape[1]} dimensions; it promised {dimensions}")
    if not np.isfinite(array).all():
        raise EmbedderFailed("the embedder answered with NaN or infinite values")
    return array


def checked_vector(vector: Any, dimensions: int | None, what: str) -> NDArray[np.float32]:
    """Return a caller's vector as an array of shape (dimensions,).

    Args:
        vector: numbers.
        dimensions: of the store's vectors, None where it has none yet.
        what: names the vector in the error.

    Raises:
        InvalidVector: it has another shape, or values that are not finite numbers.
    """
    try:
        with np.errstate(over="ignore"):  # as above
            array = np.asarray(vector, np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidVector(f"{what} is no list of numbers: {error}") from error
    if array.ndim != 1 or not len(array):
        raise InvalidVector(f"{what} has shape {array.shape}; a flat list of numbers is needed")
    if dimensions is not None and len(array) != dimensions:
        raise InvalidVector(f"{what} has {len(array)} dimensions; this store's vectors have {dimensions}")
    if not np.isfinite(array).all():
        raise InvalidVector(f"{what} holds NaN or infinite values")
    return array
