"""Vectors that callers bring with their items, checked and as the ledger keeps them."""

from __future__ import annotations

from collections.abc import Sequence

from .embedding.checked import checked_vector, checked_vectors
from .errors import EmbedderFailed
from .ledger import vectors
from .model import Item


def blobs_of(given: Sequence[Item], dimensions: int | None) -> list[bytes | None]:
    """Return the callers' vectors as the ledger keeps them; all of one call have the same dimensions."""
    try:  # all at once, where nothing is wrong with any
        every = checked_vectors([item.vector for item in given], len(given), dimensions) if given[0].vector is not None else None
    except EmbedderFailed:
        every = None
    if every is not None:
        return [vectors.to_blob(vector) for vector in every]
    result: list[bytes | None] = []
    for place, item in enumerate(given):
        if item.vector is None:
            result.append(None)
            continue
        vector = checked_vector(item.vector, dimensions, f"items[{place}].vector")
        dimensions = len(vector)
        result.append(vectors.to_blob(vector))
    return result
