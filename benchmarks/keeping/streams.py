"""A stream of ten times what a budget has room for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vectopt import Budget, VectorManager
from vectopt.errors import CapacityExceeded

from .asking import recall
from .corpus import Corpus
from .stores import folder_bytes, in_use, missing, on_disk, opened

BATCH = 200
TIMES = 10  # what the budget has room for
_SAMPLE = 300
_GIVE_UP = 25  # adds refused one after another


@dataclass
class _Fed:
    """What came of a stream."""

    stored: list[int] = field(default_factory=list)
    refused: int = 0
    not_tried: int = 0
    most: int = 0  # of what the budget limits, seen after any add
    most_on_disk: int = 0  # bytes of the file and its log
    seconds: float = 0.0
    cpu: float = 0.0


def streams(corpus: Corpus, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield a row for each kind of budget."""
    room = len(corpus.texts) // TIMES
    held = _bytes_of(corpus, folder / "measure.db", room)
    yield {"stream": "what the budget has room for", "items": room, "budget": held}
    for name, budget, archive in (
        ("max_bytes, archive", Budget(max_bytes=held), folder / "archive"),
        ("max_bytes", Budget(max_bytes=held), None),
        ("max_vectors", Budget(max_vectors=room), None),
    ):
        yield _stream(name, corpus, folder / f"{name}.db", budget, archive)


def _bytes_of(corpus: Corpus, path: Path, count: int) -> int:
    with opened(path) as manager:
        for start in range(0, count, BATCH):
            manager.add(corpus.items(start, min(count, start + BATCH)))
        return in_use(manager)


def _stream(name: str, corpus: Corpus, path: Path, budget: Budget, archive: Path | None) -> dict[str, Any]:
    fed = _Fed()
    with opened(path, budget=budget, archive=archive) as manager:
        _feed(manager, corpus, budget, path, fed)
        limit = budget.max_bytes or budget.max_vectors or 0
        stats = manager.stats()
        archived = {*manager.archived_ids()}
        there = [number for number in fed.stored if str(number) not in archived]
        sample = corpus.questions(there[:: max(1, len(there) // _SAMPLE)])
        return {
            "stream": name,
            "items": len(corpus.texts),
            "room": len(corpus.texts) // TIMES,
            "budget": limit,
            "most": fed.most,
            "of budget": fed.most / limit,
            "most on disk": fed.most_on_disk,
            "stored": len(fed.stored),
            "adds/s": len(fed.stored) / fed.seconds,
            "cpu us/add": 1e6 * fed.cpu / max(1, len(fed.stored)),
            "refused": fed.refused,
            "not tried": fed.not_tried,
            "vectors": stats.vectors,
            "sketches": stats.sketches,
            "archived": len(archived),
            "archive bytes": 0 if archive is None else folder_bytes(archive),
            "missing": missing(manager, fed.stored),
            "recall": recall(manager, sample),
        }


def _feed(manager: VectorManager, corpus: Corpus, budget: Budget, path: Path, fed: _Fed) -> None:
    in_a_row = 0
    for start in range(0, len(corpus.texts), BATCH):
        batch = corpus.items(start, start + BATCH)
        if in_a_row >= _GIVE_UP:
            fed.not_tried += len(batch)
            continue
        begun, used = time.perf_counter(), time.process_time()
        try:
            manager.add(batch)
            fed.stored.extend(range(start, start + len(batch)))
            in_a_row = 0
        except CapacityExceeded:
            fed.refused += len(batch)
            in_a_row += 1
        fed.seconds += time.perf_counter() - begun
        fed.cpu += time.process_time() - used
        fed.most = max(fed.most, in_use(manager) if budget.max_bytes else manager.stats().vectors)
        fed.most_on_disk = max(fed.most_on_disk, on_disk(path))
