"""Durable batches of rows with vectors: ours beside the least that SQLite itself can do."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vectopt import VectorManager

from . import ours
from .corpus import Corpus, metadata
from .turns import row

BATCHES = (100, 1000, 5000)
BARE = "bare executemany"
_TURN = 5000  # rows between the two taking turns, so that both meet their checkpoints


def adding(corpus: Corpus, folder: Path) -> list[dict[str, Any]]:
    """Return two rows for each size of batch; times are a batch's, everything included from Python's objects to the fsync."""
    return [one for size in BATCHES for one in _beside(corpus, folder, size)]


def _beside(corpus: Corpus, folder: Path, size: int) -> list[dict[str, Any]]:
    bare = _bare_table(folder / f"bare-{size}.db")
    with VectorManager(folder / f"ours-{size}.db") as manager:
        writers: dict[str, Callable[[range], Any]] = {
            ours.NAME: lambda numbers: manager.add(ours.items(corpus, numbers)),
            BARE: lambda numbers: _executemany(bare, corpus, numbers),
        }
        times: dict[str, list[float]] = {name: [] for name in writers}
        for start in range(0, len(corpus.texts), _TURN):
            for name, write in writers.items():
                times[name] += _written(write, range(start, min(len(corpus.texts), start + _TURN)), size)
        begun = time.perf_counter()
        manager.search(corpus.queries[0], 10, mode="dense")
        after = time.perf_counter() - begun
    bare.close()
    data = f"{corpus.name}, batches of {size}"
    return [
        {**row("add", data, name, times=spent, per_second=len(corpus.texts) / sum(spent), note=note), "batch": size}
        for (name, spent), note in zip(times.items(), (f"the search after it took {after * 1e3:.0f} ms", None), strict=True)
    ]


def _written(write: Callable[[range], Any], numbers: range, size: int) -> list[float]:
    times = []
    for start in range(0, len(numbers), size):
        begun = time.perf_counter()
        write(numbers[start : start + size])
        times.append(time.perf_counter() - begun)
    return times


def _bare_table(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE items (id TEXT PRIMARY KEY, text TEXT, metadata TEXT, vector BLOB)")
    return connection


def _executemany(connection: sqlite3.Connection, corpus: Corpus, numbers: range) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(
        "INSERT INTO items VALUES (?, ?, ?, ?)",
        ((str(n), corpus.texts[n], json.dumps(metadata(n)), corpus.vectors[n].tobytes()) for n in numbers),
    )
    connection.execute("COMMIT")
