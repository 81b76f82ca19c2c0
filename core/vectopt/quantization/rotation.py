"""A random rotation, applied in d^1.5 steps: two rounds of signs, a permutation and a Kronecker product.

Sketches in files depend on it: it is drawn by `RandomState`, whose streams NumPy has frozen for good (NEP 19).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 2  # one leaves sparse vectors' errors far from normal, two do as well as a dense rotation (measured)
_MIN_SIDE = 8


class Rotation:
    """A fixed rotation of vectors, drawn from a seed; zero-padded where the dimensions have no good divisor.

    Args:
        dimensions: of the vectors.
        seed: draws the rotation.
    """

    def __init__(self, dimensions: int, seed: int = 0) -> None:
        rng = np.random.RandomState([seed, dimensions])
        side = _divisor(dimensions)
        self.dimensions = dimensions if side >= _MIN_SIDE else -(-dimensions // 32) * 32
        self._sides = _divisor(self.dimensions), self.dimensions // _divisor(self.dimensions)
        self._rounds = [
            (
                rng.choice(np.array([-1, 1], np.float32), self.dimensions),
                rng.permutation(self.dimensions),
                _orthogonal(rng, self._sides[0]),
                _orthogonal(rng, self._sides[1]),
            )
            for _ in range(_ROUNDS)
        ]

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the rotated rows, shape (n, self.dimensions), lengths kept."""
        count, given = rows.shape
        if given < self.dimensions:
            rows = np.pad(rows, ((0, 0), (0, self.dimensions - given)))
        a, b = self._sides
        for signs, order, left, right in self._rounds:
            mixed = (rows * signs)[:, order].reshape(count * a, b) @ right
            rows = (left @ mixed.reshape(count, a, b)).reshape(count, self.dimensions)
        return rows

    def undone(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what was rotated, padding included."""
        count = len(rows)
        a, b = self._sides
        for signs, order, left, right in reversed(self._rounds):
            mixed = (left.T @ rows.reshape(count, a, b)).reshape(count * a, b) @ right.T
            rows = np.empty((count, self.dimensions), np.float32)
            rows[:, order] = mixed.reshape(count, self.dimensions)
            rows *= signs
        return rows


@lru_cache(maxsize=16)
def rotation(dimensions: int) -> Rotation:
    """Return the rotation that sketches and codes of such vectors use."""
    return Rotation(dimensions)


def _divisor(number: int) -> int:
    """Return the largest divisor up to the square root."""
    return next(one for one in range(int(number**0.5), 0, -1) if number % one == 0)


def _orthogonal(rng: np.random.RandomState, size: int) -> NDArray[np.float32]:
    q, r = np.linalg.qr(rng.normal(size=(size, size)))
    return np.asarray(q * np.sign(np.diag(r)), np.float32)
