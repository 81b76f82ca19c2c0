"""An array that grows at its end, and whose views stay as they were."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_FIRST = 16
_GROWTH = 1.5


class Growing:
    """Rows of one type. Appending leaves views alone; changing a row copies the array first if a view may see it.

    Args:
        dtype: of the numbers.
        width: numbers in a row; None for an array of one dimension.
        held: rows to begin with, in an array of which the first `used` count; it may have room for more.
        used: how many of `held` count; all of them by default.
    """

    def __init__(self, dtype: Any, width: int | None = None, *, held: NDArray[Any] | None = None, used: int | None = None) -> None:
        self._array = np.empty((0,) if width is None else (0, width), dtype) if held is None else held
        self._used = len(self._array) if used is None else used
        self._shown = 0

    def __len__(self) -> int:
        return self._used

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._array.nbytes

    def extend(self, values: NDArray[Any]) -> None:
        """Append rows."""
        end = self._used + len(values)
        if end > len(self._array):
            grown = np.empty((max(_FIRST, end, int(end * _GROWTH)), *self._array.shape[1:]), self._array.dtype)
            grown[: self._used] = self._array[: self._used]
            self._array, self._shown = grown, 0
        self._array[self._used : end] = values
        self._used = end

    def put(self, which: Any, values: Any) -> None:
        """Change some rows."""
        if self._shown:
            self._array, self._shown = self._array.copy(), 0
        self._array[: self._used][which] = values

    def now(self) -> NDArray[Any]:
        """Return the rows as they are, for reading at once: `put` may change them."""
        return self._array[: self._used]

    def view(self) -> NDArray[Any]:
        """Return the rows as they are now; later changes don't touch them."""
        self._shown = self._used
        return self._array[: self._used]
