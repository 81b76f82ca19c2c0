"""Whole stores in processes of their own: loading one after another, then searching in turns."""

from __future__ import annotations

import multiprocessing as mp
import statistics
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import harness
import numpy as np

from . import synthetic
from .corpus import Corpus, Shape
from .machine import resident_mb
from .stores import OPENERS
from .truth import Truth
from .turns import row

K = 10
_BATCH = 1000
_TURN = 5  # queries
_TURN_SECONDS = 1.0  # after which a slow store leaves the rest of its turn
_TURNS = 10
_GRACE = 60.0  # seconds after which a process is taken for hung


@dataclass
class _House:
    """A store's process, as seen from here."""

    pipe: Any
    process: Any
    facts: dict[str, Any]
    times: dict[bool, list[float]] = field(default_factory=lambda: {False: [], True: []})
    answers: dict[bool, list[tuple[int, list[int]]]] = field(default_factory=lambda: {False: [], True: []})


def serve(name: str, kind: str, shape: Shape, cap: float, folder: Path, pipe: Any) -> None:
    """Live in a process of its own: load, tell what it took, then answer turns of searches until told to stop."""
    try:
        corpus = synthetic.corpus(kind, shape)
        before = resident_mb()
        add, search = OPENERS[name][1](folder, shape.dimensions)
        begun, batches = time.perf_counter(), []
        for start in range(0, shape.rows, _BATCH):
            numbers = range(start, min(shape.rows, start + _BATCH))
            part = time.perf_counter()
            add(numbers, corpus.texts[numbers.start : numbers.stop], corpus.vectors[numbers.start : numbers.stop])
            batches.append(time.perf_counter() - part)
            spent = time.perf_counter() - begun
            if spent > cap / 4 and spent / numbers.stop * shape.rows > cap:  # the first batches may be the slow ones
                pipe.send({"note": f"not loaded within {cap:g} s: {numbers.stop} rows took {spent:.0f} s"})
                return
        search(corpus.queries[0], K, False)
        search(corpus.queries[0], K, True)
        note = f"added in {statistics.median(batches) / _BATCH * 1e6:.0f} us/row"
        pipe.send({"note": note, "mb": resident_mb() - before})
        while (turn := pipe.recv()) is not None:
            pipe.send(_answered(search, corpus, *turn))
    except Exception as error:  # a peer may raise anything; its row says what
        pipe.send({"note": f"failed: {type(error).__name__}: {error}"[:200]})


def _answered(search: Any, corpus: Corpus, numbers: range, filtered: bool) -> list[tuple[int, float, list[int]]]:
    result, until = [], time.perf_counter() + _TURN_SECONDS
    for number in numbers:
        begun = time.perf_counter()
        rows = search(corpus.queries[number], K, filtered)
        result.append((number, time.perf_counter() - begun, rows))
        if time.perf_counter() > until:
            break
    return result


def housed(kind: str, shape: Shape, cap: float, folder: Path) -> list[dict[str, Any]]:
    """Return rows of every store, unfiltered and with a filter that leaves 1 %.

    Args:
        kind: of the vectors.
        shape: theirs.
        cap: seconds a store may take to load.
        folder: where their files go.
    """
    corpus, context, houses, rows = synthetic.corpus(kind, shape), mp.get_context("spawn"), {}, []
    for number, (name, (package, _)) in enumerate(OPENERS.items()):
        if find_spec(package.partition(".")[0]) is None:
            rows.append(row("peers", corpus.name, name, note="not installed"))
            continue
        place = folder / f"{shape.rows}-{number}"
        place.mkdir()
        here, there = context.Pipe()
        process = context.Process(target=serve, args=(name, kind, shape, cap, place, there), daemon=True)
        process.start()
        there.close()
        house = _House(here, process, _received(here, cap + _GRACE))
        harness.told(f"{corpus.name}, {name}: {house.facts['note']}")
        if "mb" in house.facts:
            houses[name] = house
        else:
            process.kill()
            rows.append(row("peers", corpus.name, name, note=house.facts["note"]))
    _search_in_turns(houses)
    truths = {
        False: Truth(corpus.vectors, corpus.queries, K),
        True: Truth(corpus.vectors, corpus.queries, K, np.flatnonzero(np.arange(shape.rows) % 100 < 1)),
    }
    return [_row(corpus, name, house, filtered, truths[filtered]) for filtered in (False, True) for name, house in houses.items()] + rows


def _search_in_turns(houses: dict[str, _House]) -> None:
    alive = list(houses.values())
    for turn in range(_TURNS):
        numbers = range(turn * _TURN, (turn + 1) * _TURN)
        for filtered in (False, True):
            alive = [house for house in alive if _turn(house, numbers, filtered)]
    for house in alive:
        house.pipe.send(None)
        house.process.join(30)


def _turn(house: _House, numbers: range, filtered: bool) -> bool:
    """Let a store answer some queries; return whether it still lives."""
    reply = _received(house.pipe, _GRACE, (numbers, filtered))
    if isinstance(reply, dict):
        house.process.kill()
        house.facts["note"] = reply["note"]
        return False
    for number, seconds, found in reply:
        house.times[filtered].append(seconds)
        house.answers[filtered].append((number, found))
    return True


def _received(pipe: Any, seconds: float, *requests: Any) -> Any:
    """Return what a store's process says in time; a dictionary is its facts, or why there is nothing else."""
    try:
        for request in requests:
            pipe.send(request)
        return pipe.recv() if pipe.poll(seconds) else {"note": f"silent for {seconds:g} s"}
    except (EOFError, OSError):
        return {"note": "its process ended"}


def _row(corpus: Corpus, name: str, house: _House, filtered: bool, truth: Truth) -> dict[str, Any]:
    return row(
        "peers",
        corpus.name,
        f"{name}, 1 % filter" if filtered else name,
        k=K,
        times=house.times[filtered],
        recall=truth.recall(house.answers[filtered], K) if house.answers[filtered] else None,
        mb=house.facts["mb"],
        note=house.facts["note"],
    )
