"""A store in which every text has its vector, and what it answers once vectors had to leave in some order."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vectopt import StorageSettings, VectorManager
from vectopt.analysis import fingerprint
from vectopt.capacity.actions import Actions
from vectopt.ledger import evicting
from vectopt.testing import FakeClock

from .orders import Stock, Use
from .replay import QueriesOnly, Replay
from .sets import RealSet
from .stream import SETTINGS, SHOWN, Ranking, Tick, feed, found

_DAY = 86_400
_STREAM = 28 * _DAY  # seconds from the first item to the last
_FLUSH = 8  # queries
_SETTINGS = replace(SETTINGS, storage=StorageSettings(sidecar=False))


class Filled:
    """A set fed to a store without a budget, in four weeks; with `used`, its even-numbered queries were asked since, in a day.

    Attributes:
        stock: what there is to leave.
    """

    def __init__(self, data: RealSet, folder: Path, tick: Tick, *, used: bool) -> None:
        self._data = data
        self._path = folder / "filled.db"
        clock = FakeClock(0.0)
        with VectorManager(self._path, embedder=Replay(data), clock=clock, settings=SETTINGS) as manager:
            feed(manager, data, clock, tick, apart=_STREAM / len(data.items))
            found_ids = _asked(manager, data, clock) if used else []
            self._now = clock.now()
            self.stock = _stock(manager, found_ids, self._now)

    def rankings(self, leaving: Sequence[int], tick: Tick) -> dict[str, dict[str, Ranking]]:
        """Let vectors leave a copy; return what the odd-numbered queries find then, with the sketches and once these left too."""
        copy = self._path.with_name("copy.db")
        shutil.copyfile(self._path, copy)
        clock, found_with = FakeClock(self._now), {}
        try:
            with VectorManager(copy, embedder=QueriesOnly(self._data), clock=clock, settings=_SETTINGS) as manager:
                actions, asked = Actions(manager._ledger, manager._archivist, clock), self._data.queries[1::2]
                actions.drop(leaving, "measured")
                found_with["sketches"] = found(manager, asked, tick)
                actions.drop_sketches(len(leaving))
                found_with["nothing"] = found(manager, asked, tick)
        finally:
            for leftover in copy.parent.glob("copy.db*"):
                leftover.unlink()
        return found_with


def _asked(manager: VectorManager, data: RealSet, clock: FakeClock) -> list[tuple[str, list[str]]]:
    """Ask the even-numbered queries; return the stores and ids of what each showed."""
    shown = []
    for number, query in enumerate(data.queries[::2]):
        hits = manager.search(query.text, SHOWN, namespace=query.store)
        shown.append((query.store, [hit.id for hit in hits]))
        clock.advance(_DAY / len(data.queries[::2]))
        if number % _FLUSH == 0:
            manager.drain()  # as the worker would
    manager.drain()
    return shown


def _stock(manager: VectorManager, shown: Sequence[tuple[str, list[str]]], now: float) -> Stock:
    with manager._ledger.reading() as db:
        candidates = evicting.candidates(db, None, with_vectors=True)
        firsts = {one.slot: evicting.ids_of(db, [one.slot])[0] for one in candidates}
        slots = {pair: one.slot for one in candidates for pair in evicting.ids_of(db, [one.slot])}
    stored = {slot: manager.get([id], namespace=store)[0] for slot, (store, id) in firsts.items()}
    uses: dict[int, Use] = {}
    for number, (store, ids) in enumerate(shown, 1):
        for slot in {slots[store, id] for id in ids if (store, id) in slots}:
            uses[slot] = Use(uses.get(slot, Use()).times + 1, number)
    return Stock(
        candidates,
        now,
        {slot: one.facts["importance_score"] for slot, one in stored.items()},
        {slot: one.namespace.encode() + b"\0" + fingerprint(one.content).masked for slot, one in stored.items()},
        uses,
    )
