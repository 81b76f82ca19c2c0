"""A deterministic embedder that needs no model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from vectopt.protocols import Role


class HashEmbedder:
    """Sums one pseudo-random vector a word, so that texts that share words lie near each other.

    Args:
        dimensions: of the vectors.
        name: of the space; by default it follows from the dimensions.
        seconds: how long every call takes.
        promised: what `dimensions` says, where that is not the truth.
    """

    def __init__(self, dimensions: int = 16, *, name: str | None = None, seconds: float = 0.0, promised: int | None = -1) -> None:
        self.name = name or f"hash-{dimensions}"
        self.dimensions: int | None = dimensions if promised == -1 else promised
        self._size = dimensions
        self._seconds = seconds

    def embed(self, texts: Sequence[str], role: Role) -> NDArray[np.float32]:
        """Return one vector a text, shape (len(texts), dimensions)."""
        if self._seconds:
            time.sleep(self._seconds)
        return np.stack([self._vector(text) for text in texts])

    def _vector(self, text: str) -> NDArray[np.float32]:
        total = np.full(self._size, 1e-3, np.float32)
        for word in text.lower().split():
            seed = int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "little")
            total += np.random.default_rng(seed).standard_normal(self._size, np.float32)
        return total
