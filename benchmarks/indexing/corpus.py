"""What is searched: unit vectors with their texts, and the queries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Shape:
    """How many rows of how many dimensions."""

    rows: int
    dimensions: int = 384

    @classmethod
    def parse(cls, given: str) -> Shape:
        """Read "100000" or "50000x1536"."""
        rows, _, dimensions = given.partition("x")
        return cls(int(rows), int(dimensions)) if dimensions else cls(int(rows))

    def __str__(self) -> str:
        for size, letter in ((1_000_000, "M"), (1000, "k")):
            if self.rows >= size:
                return f"{self.rows / size:.3g}{letter} x {self.dimensions}"
        return f"{self.rows} x {self.dimensions}"


@dataclass(frozen=True)
class Corpus:
    """Unit vectors (rows, dimensions) and a distinct text for each; queries likewise.

    Row number i is the item with the id str(i) and the metadata of `metadata(i)`.
    """

    kind: str
    vectors: Floats
    texts: list[str]
    queries: Floats
    query_texts: list[str]

    @property
    def name(self) -> str:
        """What the tables call it."""
        return f"{self.kind} {Shape(*self.vectors.shape)}"


def metadata(number: int) -> dict[str, int]:
    """Return a row's two metadata keys; `bucket` picks one row in a hundred."""
    return {"n": number, "bucket": number % 100}


def unit(vectors: Floats) -> Floats:
    """Return the vectors at length 1."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
