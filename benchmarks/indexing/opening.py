"""From a closed file to its first answer, in a process of its own; with the sidecar and without."""

from __future__ import annotations

import multiprocessing as mp
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vectopt import Settings, VectorManager

from . import ours
from .corpus import Corpus, Floats
from .machine import resident_mb
from .turns import row

WITH, WITHOUT = "with the sidecar", "without"
_TIMES = 3
_LARGE = 500_000  # rows, from which once is enough


def opening(corpus: Corpus, path: Path) -> list[dict[str, Any]]:
    """Return a row for each way to open a store that was closed; its pages are still in the system's cache."""
    apart, sidecar = ours.without_sidecar(), ours.sidecar(path).exists()
    times = 1 if len(corpus.texts) >= _LARGE else _TIMES
    rows = []
    if sidecar:
        rows.append(_opened(corpus, path, WITH, Settings(), times))
    else:
        rows.append(row("open", corpus.name, WITH, note="no sidecar was written"))
    if apart is None and sidecar:
        rows.append(row("open", corpus.name, WITHOUT, note="this version can't leave it out"))
    else:
        rows.append(_opened(corpus, path, WITHOUT, apart or Settings(), times))
    return rows


def _opened(corpus: Corpus, path: Path, name: str, settings: Settings, times: int) -> dict[str, Any]:
    answers = [_apart(_first_answer, path, corpus.queries[0], settings) for _ in range(times)]
    _, mb, ram = answers[-1]
    files = sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*")) / 2**20
    note = f"{mb * 2**20 / len(corpus.texts):.0f} bytes/row in memory; of the {mb:.0f} MB the indexes say {ram:.0f}; files {files:.0f} MB"
    return row("open", corpus.name, name, k=10, times=[seconds for seconds, _, _ in answers], mb=mb, note=note)


def _first_answer(path: Path, query: Floats, settings: Settings) -> tuple[float, float, float]:
    """Return seconds to the first answer, the megabytes the process grew by, and those its indexes say they hold."""
    before, begun = resident_mb(), time.perf_counter()
    with VectorManager(path, settings=settings) as manager:
        manager.search(query, 10, mode="dense")
        return time.perf_counter() - begun, resident_mb() - before, ours.ram_mb(manager)


def _apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what the function returns in a fresh process."""
    with mp.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)
