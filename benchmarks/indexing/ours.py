"""vectopt itself: loading it, and its ways to search."""

from __future__ import annotations

import inspect
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import vectopt.settings
from vectopt import Item, Settings, VectorManager

from .corpus import Corpus, Floats, metadata
from .turns import Method

NAME = "vectopt"
_BATCH = 5000


class Lookup:
    """An embedder that knows the queries' vectors already, so that no embedding is timed."""

    def __init__(self, corpus: Corpus) -> None:
        self.name = "benchmark/lookup"
        self.dimensions: int | None = corpus.queries.shape[1]
        self._vectors = dict(zip(corpus.query_texts, corpus.queries, strict=True))

    def embed(self, texts: Sequence[str], role: str) -> Floats:
        """Return the vectors of queries; raises KeyError for any other text."""
        return np.stack([self._vectors[text] for text in texts])


def loaded(corpus: Corpus, path: Path) -> tuple[VectorManager, float]:
    """Return a store on a file with the whole corpus in it, and the seconds that took."""
    manager = VectorManager(path, embedder=Lookup(corpus))
    begun = time.perf_counter()
    for start in range(0, len(corpus.texts), _BATCH):
        manager.add(items(corpus, range(start, min(len(corpus.texts), start + _BATCH))))
    return manager, time.perf_counter() - begun


def items(corpus: Corpus, numbers: range) -> list[Item]:
    """Return rows as items."""
    return [Item(corpus.texts[n], metadata(n), id=str(n), vector=corpus.vectors[n]) for n in numbers]


def rows_of(hits: Sequence[Any]) -> list[int]:
    """Return the row numbers of hits, or of LangChain's documents."""
    return [int(hit.id) for hit in hits]


def core(manager: VectorManager, corpus: Corpus, name: str = NAME, **options: Any) -> Method:
    """Return the core's dense search by vector, with further options of `search`."""
    return Method(name, lambda number, k: manager.search(corpus.queries[number], k, mode="dense", **options), rows_of)


def ram_mb(manager: VectorManager) -> float:
    """Return what the indexes hold by the store's own account."""
    return manager.stats().ram_bytes / 2**20


def sidecar(path: Path) -> Path:
    """Return where the store keeps its index for the next opening."""
    return path.with_name(f"{path.name}.index")


def has_batches() -> bool:
    """Tell whether this version searches by many vectors in one call."""
    return hasattr(VectorManager, "search_many")


def without_sidecar() -> Settings | None:
    """Return settings that leave the sidecar alone; None where this version has none."""
    storage = getattr(vectopt.settings, "StorageSettings", None)
    if storage is None or "sidecar" not in inspect.signature(storage).parameters:
        return None
    return Settings(storage=storage(sidecar=False))
