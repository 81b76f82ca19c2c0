"""What is tried at the fail-points: a store as it is before, and what a child does to it until it is killed."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import numpy as np

from vectopt import Budget, CapacitySettings, DynamicCapacityManager, Item, Settings, VectorManager, failpoints
from vectopt.archive import ArchiveTarget, open_target
from vectopt.errors import CapacityExceeded
from vectopt.ledger import segments
from vectopt.testing import FakeClock, SilentObserver

from .checker import DIMENSIONS, letters
from .embedder import HashEmbedder

_DAY = 86_400.0
_FRESH = [Item(f"{letters(900 + n)} comes in when the file is full " + "of words " * 400, {"fresh": n}, f"fresh{n}") for n in range(4)]

_PASS = CapacitySettings(grace_seconds=0, archive_after_seconds=0, most_a_pass=0.5)

At = Callable[[VectorManager], object]


@dataclass(frozen=True)
class Trial:
    """Something done to a store.

    Attributes:
        act: what is done, and tried to be killed.
        before: what was done before.
        settings: of the capacity.
        items, free_bytes: how many items the budget allows, and how many bytes more than the file has; None for no limit.
        objects: whether the archive is reached through fsspec.
        archive: whether there is one.
        sick: whether a counter is wrong before.
        drops: whether vectors may leave.
        deletes: whether items may.
    """

    act: At
    before: At = lambda _: None
    settings: CapacitySettings = _PASS
    items: int | None = None
    free_bytes: int | None = None
    objects: bool = False
    archive: bool = True
    sick: bool = False
    drops: bool = False
    deletes: bool = False

    def target(self, folder: Path) -> ArchiveTarget | None:
        """Return where the store in a folder archives."""
        if not self.archive:
            return None
        where = folder / "archive"
        return open_target(str(where), filesystem=fsspec.filesystem("file")) if self.objects else open_target(where)

    def open(self, folder: Path, budget: Budget | None = None) -> VectorManager:
        """Open the store in a folder, two weeks after it was filled."""
        return _open(folder, self, 14 * _DAY, self._budget(folder) if budget is None else budget)

    def _budget(self, folder: Path) -> Budget:
        if self.free_bytes is None:
            return Budget(max_items=self.items)
        return Budget(max_items=self.items, max_bytes=int((folder / "file_bytes").read_text()) + self.free_bytes)

    def prepare(self, folder: Path) -> None:
        """Make the store, closed."""
        with _open(folder, self, 0.0, Budget()) as store:
            fill(store)
            store._clock.advance(10 * _DAY)  # type: ignore[attr-defined]
            self.before(store)
            (folder / "file_bytes").write_text(str(store.stats().file_bytes))


def _open(folder: Path, trial: Trial, later: float, budget: Budget) -> VectorManager:
    clock = FakeClock()
    clock.advance(later)
    return VectorManager(
        folder / "store.db",
        embedder=HashEmbedder(DIMENSIONS),
        budget=budget,
        archive=trial.target(folder),
        clock=clock,
        settings=Settings(capacity=trial.settings, observer=SilentObserver()),
    )


def fill(store: VectorManager) -> None:
    """Add texts of all kinds: alone, copies, near-duplicates, with callers' vectors, for a while, of two namespaces."""
    rows = np.random.default_rng(7).standard_normal((4, DIMENSIONS)).astype(np.float32)
    store.add([Item(f"{letters(n)} is a text of its own", {"n": n}, f"id{n}") for n in range(12)], wait=True)
    store.add([Item(f"{letters(3)} is a text of its own", {"copy": True}, "copy"), Item(f"{letters(3)} is a text of its own!", {}, "near")])
    store.add([Item("one text, several vectors", {}, f"given{n}", vector=rows[n]) for n in range(4)])
    store.add([Item(f"{letters(50 + n)} is of the other side", {}, f"id{n}") for n in range(4)], namespace="side")
    store.add([Item("\0 nul, 東京 and 🦆 " + "long " * 900, {"deep": {"list": [1.5, None, True, "ü"]}}, "odd")])
    store.drain()


def _archived(store: VectorManager) -> None:
    store.archive([f"id{n}" for n in range(6)])
    store.archive(["given0", "given1", "odd"])
    store.archive(["id0", "id1"], namespace="side")


def _holey(store: VectorManager) -> None:
    """Some of what is archived is deleted, added again or restored; one object is left without any; copies came in unmerged."""
    _archived(store)
    store.archive(["id8"])
    store.delete(["id1", "given0", "id8"])
    store.add([Item(f"{letters(2)} was added again", {}, "id2")])
    store.restore(["id4"])
    store.add([Item("it comes to one in the end", {}, "first"), Item("in the end it comes to one", {}, "second")], namespace="side")
    store._ledger.write(lambda tx: tx.db.execute("UPDATE slot SET words = NULL"))


def _sick(store: VectorManager) -> None:
    """A counter is wrong, an object was being written, and another one is to go."""
    _holey(store)

    def spoil(tx: Any) -> None:
        tx.count("default", "items", 3)
        segments.begin(tx, "0" * 32 + "-cut-short.jsonl.zst", 0.0)

    store._ledger.write(spoil)


def _run(store: VectorManager) -> None:
    DynamicCapacityManager({}, store).run_once()


def _undo(store: VectorManager) -> None:
    DynamicCapacityManager({}, store).undo()


def _take(store: VectorManager) -> None:
    try:
        store.add(_FRESH)
    except CapacityExceeded:
        return


def _everything(store: VectorManager) -> None:
    store.archive([f"id{n}" for n in range(12)] + ["given0", "given2", "odd"])
    store.archive([f"id{n}" for n in range(4)], namespace="side")


def _of_level(warning: float, critical: float, emergency: float, **others: Any) -> CapacitySettings:
    named = {"grace_seconds": 0, "archive_after_seconds": 0, "most_a_pass": 0.5} | others
    return CapacitySettings(warning_threshold=warning, critical_threshold=critical, emergency_threshold=emergency, **named)


def _passed(store: VectorManager) -> None:
    """A pass archived what is old, and let the vectors of what is new go."""
    rows = np.random.default_rng(8).standard_normal((3, DIMENSIONS)).astype(np.float32)
    store.add([Item(f"{letters(70 + n)} is new", {}, f"new{n}", vector=rows[n]) for n in range(3)])
    settings = _of_level(0.1, 0.1, 0.1, hysteresis=0.0, most_a_pass=1.0, archive_after_seconds=5 * _DAY)
    facts = {"embedder": store.embedder, "archive": store._archivist.target, "clock": store._clock}
    with VectorManager(store.path, budget=Budget(max_bytes=100_000), **facts) as full:  # type: ignore[arg-type]
        report = full.keeper.run(settings)
    assert report.dropped
    assert report.archived


TRIALS: dict[str, Trial] = {
    "archive": Trial(_everything),
    "archive in objects": Trial(lambda store: (_everything(store), store.delete(["id0"]), store.compact()), deletes=True, objects=True),
    "restore": Trial(lambda store: store.restore([f"id{n}" for n in range(12)] + ["odd", "given1"]), _holey),
    "compact": Trial(lambda store: store.compact(), _holey),
    "repair": Trial(lambda store: store.doctor(repair=True), _sick, sick=True),
    "pass at a warning": Trial(_run, _sick, sick=True, items=26, settings=_of_level(0.5, 0.99, 0.99)),
    "pass at a critical level": Trial(_run, _sick, sick=True, items=26, settings=_of_level(0.3, 0.5, 0.99)),
    "pass in an emergency": Trial(_run, _holey, items=16),
    "pass in an emergency of bytes": Trial(_run, _holey, free_bytes=0, drops=True),
    "pass that deletes": Trial(_run, _holey, items=16, settings=_of_level(0.5, 0.6, 0.7, policy="delete"), deletes=True),
    "undo": Trial(_undo, _passed, drops=True),
    "room by the archive": Trial(_take, free_bytes=0, drops=True),
    "room without an archive": Trial(_take, free_bytes=0, archive=False, drops=True),
    "alone": Trial(lambda store: (store.pin(["id1"]), store.keeper.pause(paused=True), store.keeper.pause(paused=False))),
}


def run_trial(order: dict[str, Any]) -> None:
    """Do what a trial does, write down every fail-point that is reached, and end at the one that the order tells."""
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    reached = 0

    def reach(name: str) -> None:
        nonlocal reached
        reached += 1
        os.write(log, f"{name}\n".encode())
        if reached == order["crash"]:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        trial, folder = TRIALS[order["trial"]], Path(order["folder"])
        with trial.open(folder) as store:
            failpoints.when_reached(reach)
            RECOVERIES[order["recovery"]](store) if order["recovery"] else trial.act(store)
            failpoints.when_reached(None)
    except BaseException:
        os.write(log, f"error: {traceback.format_exc()!r}\n".encode())


RECOVERIES: dict[str, At] = {"compact": lambda store: store.compact(), "repair": lambda store: store.doctor(repair=True)}
