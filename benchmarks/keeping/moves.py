"""Texts leave a large store, wholly or by their vectors, and come back; searches go on meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vectopt import Budget, CapacityReport, DynamicCapacityManager, VectorManager

from .asking import Question, recall, spin, while_doing
from .corpus import Corpus
from .stores import folder_bytes, in_use, missing, on_disk, opened

_BATCH = 500
_ASKED = 400
_QUIET = 5.0  # seconds of searching while nothing is done
_FULL = 0.97  # of the budget in use: an emergency
PASSES = (("keep_text", "vectors"), ("archive", "items"))  # policy, what leaves

Row = dict[str, Any]


def moves(corpus: Corpus, folder: Path) -> Iterator[Row]:
    """Yield a row for each thing that is done to a store of all texts, one after another."""
    path, archive, every = folder / "store.db", folder / "archive", range(len(corpus.texts))
    asked = corpus.questions(np.random.default_rng(3).permutation(len(corpus.texts))[:_ASKED].tolist())
    with opened(path) as manager:
        work = [lambda start=start: manager.add(corpus.items(start, start + _BATCH)) for start in every[::_BATCH]]
        yield _done("add", len(corpus.texts), work, manager, path, archive)
        yield _asked("a thread that computes", manager, asked, lambda: spin(_QUIET))
        yield {"step": "find a text by some of its words", "recall": recall(manager, asked)}
    for policy, what in PASSES:
        for accompanied in (False, True):
            yield from _passed(policy, what, accompanied, path, archive, asked)
    with opened(path, archive=archive) as manager:
        ids = manager.archived_ids()
        half = len(ids) // 2
        yield _done("get archived items", half, [lambda: manager.get(ids[:half])], manager, path, archive)
        yield _done("restore", half, [lambda: manager.restore(ids[:half])], manager, path, archive)
        yield _asked("restore", manager, asked, lambda: manager.restore(ids[half:]))
        yield _done("archive", half, [lambda: manager.archive(ids[:half])], manager, path, archive)
        yield _done("restore again", half, [lambda: manager.restore(ids[:half])], manager, path, archive)
        yield {"step": "find a text by some of its words, all restored", "recall": recall(manager, asked)}
        yield {"step": "get all", "count": len(corpus.texts), "missing": missing(manager, every)}
        yield {"step": "doctor", "findings": len(manager.doctor())}


def _passed(policy: str, what: str, accompanied: bool, path: Path, archive: Path, asked: list[Question]) -> Iterator[Row]:
    with opened(path, archive=archive) as manager:
        held = in_use(manager)
    with opened(path, at_once=True, archive=archive, budget=Budget(max_bytes=int(held / _FULL))) as manager:
        keeper = DynamicCapacityManager({"policy": policy}, manager)
        name = f"a pass lets {what} go"
        if accompanied:
            yield _asked(name, manager, asked, keeper.run_once)
        else:
            manager.search(asked[0][2], text=asked[0][1])  # the index is made
            before, reports = on_disk(path), list[CapacityReport]()
            row = _done(name, 0, [lambda: reports.append(keeper.run_once())], manager, path, archive)
            count = reports[0].dropped + reports[0].archived
            yield row | {"count": count, "us each": 1e6 * row["cpu s"] / max(1, count), "bytes before": before}
        archived = {*manager.archived_ids()}
        there = [one for one in asked if str(one[0]) not in archived]
        yield {"step": f"find a text by some of its words, after {name}", "recall": recall(manager, there), "count": len(there)}


def _done(step: str, count: int, work: list[Callable[[], object]], manager: VectorManager, path: Path, archive: Path) -> Row:
    begun, used = time.perf_counter(), time.process_time()
    for piece in work:
        piece()
    seconds, cpu = time.perf_counter() - begun, time.process_time() - used
    row: Row = {"step": step, "count": count, "seconds": seconds, "cpu s": cpu, "us each": 1e6 * cpu / max(1, count)}
    return row | {"bytes": on_disk(path), "bytes in use": in_use(manager), "archive bytes": folder_bytes(archive)}


def _asked(beside: str, manager: VectorManager, questions: list[Question], work: Callable[[], object]) -> Row:
    """Search while something is done, and for a while before and after: what the machine does else changes by the minute."""
    manager.search(questions[0][2], text=questions[0][1])  # the index is made
    quiet = while_doing(manager, questions, lambda: time.sleep(_QUIET))[1].milliseconds
    seconds, busy = while_doing(manager, questions, work)
    quiet += while_doing(manager, questions, lambda: time.sleep(_QUIET))[1].milliseconds
    row: Row = {"step": f"search beside {beside}", "seconds": seconds, "searches": len(busy.milliseconds)}
    for percent in (50, 99):
        row |= {f"p{percent} ms": busy.percentile(percent), f"quiet p{percent} ms": float(np.percentile(quiet, percent))}
    return row
