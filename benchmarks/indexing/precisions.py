"""Vectors in fewer bytes: what each precision costs in bytes, time, and neighbours lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vectopt import Budget, Settings, StorageSettings, VectorManager
from vectopt.testing import SilentObserver

from . import ours
from .corpus import Corpus
from .truth import Truth
from .turns import row, take

ROWS = 20_000
_K = 10
_BATCH = 2000
_QUERIES = 100


def precisions(corpus: Corpus, folder: Path) -> list[dict[str, Any]]:
    """Return a row for each precision, and one for a store that keeps sketches alone."""
    numbers = range(min(ROWS, len(corpus.texts)))
    stores = {name: _loaded(corpus, numbers, folder / f"{name}.db", name) for name in ("float32", "float16", "int8", "sketch")}
    truth = Truth(corpus.vectors[: len(numbers)], corpus.queries, _K)
    methods = [ours.core(manager, corpus, name) for name, manager in stores.items()]
    rows = []
    for method, manager, taken in zip(methods, stores.values(), take(methods, _QUERIES, _K), strict=True):
        stats = manager.stats()
        bytes_each = (stats.vector_bytes + stats.sketch_bytes) / len(numbers)
        answers = [(number, method.read(answer)) for number, answer in taken.answers]
        errors = [
            abs(hit.similarity - float(corpus.vectors[int(hit.id)] @ corpus.queries[number]))
            for number, hits in taken.answers
            for hit in hits
        ]
        note = f"{bytes_each:.0f} bytes a vector; cosines off by {np.mean(errors):.2g} on average, {max(errors):.2g} at most"
        recall = truth.recall(answers, _K)
        rows.append(row("precision", corpus.name, method.name, k=_K, times=taken.times, first=taken.first, recall=recall, note=note))
        manager.close()
    return rows


def _loaded(corpus: Corpus, numbers: range, path: Path, name: str) -> VectorManager:
    storage = StorageSettings(sidecar=False) if name == "sketch" else StorageSettings(precision=name, sidecar=False)
    budget = Budget(max_vectors=1) if name == "sketch" else Budget()
    manager = VectorManager(
        path, embedder=ours.Lookup(corpus), budget=budget, settings=Settings(storage=storage, observer=SilentObserver())
    )
    for start in range(0, len(numbers), _BATCH):
        manager.add(ours.items(corpus, range(start, min(len(numbers), start + _BATCH))))
    return manager
