"""What the store knows of a namespace's texts before it judges the next one: kept in memory, and in the ledger."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial

from .analysis import Importance, Novelty, PatternEngine, Scale
from .ledger import Ledger, Transaction, records

_MAX_KNOWN = 64  # namespaces of which what was seen is in memory, half a megabyte each; the others' is in the ledger
_PERSIST_EVERY = 256  # texts between two savings of what a namespace has seen; what is lost by a crash is read again


@dataclass(slots=True)
class Known:
    """What is known of one namespace.

    Attributes:
        engine: holds what was seen, and judges by it.
        newest: the newest slot it has seen.
        unsaved: texts seen since the last saving.
        taught: what feedback had taught of importance when it was last looked up.
        era: in which it was learned; in another one it is nothing.
        own: slots above the newest that were seen already, since this process wrote them.
    """

    engine: PatternEngine
    newest: int
    unsaved: int = 0
    taught: bytes = b""
    era: bytes = b""
    own: set[int] = field(default_factory=set)


class Knowledge:
    """What is known of each namespace. Its user sees to it that one thread at a time is here."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._known: OrderedDict[str, Known] = OrderedDict()

    def of(self, db: sqlite3.Connection, namespace: str) -> Known:
        """Return what is known of a namespace, with the texts of other processes and of before taken in."""
        known, era = self._known.get(namespace), records.era(db, namespace)
        if known is None or known.era != era:
            self.forget(namespace)
            self._make_way()
            saved = records.learned(db, namespace, "novelty") or b""
            newest = int.from_bytes(saved[:8], "little")
            scale = Scale.from_bytes(records.learned(db, namespace, "calibration") or b"")
            engine = PatternEngine(novelty=Novelty.from_bytes(saved[8:]), scale=scale)
            known = self._known[namespace] = Known(engine, newest, era=era)
        self._known.move_to_end(namespace)
        taught = records.learned(db, namespace, "importance") or b""
        if taught != known.taught:  # by this process or another
            known.taught, known.engine.importance = taught, Importance.from_bytes(taught)
        for slot, text in records.texts(db, namespace, known.newest):
            if slot not in known.own:
                known.engine.observe(text)
            known.newest = slot
        known.own.clear()
        return known

    def forget(self, namespace: str) -> None:
        """Drop what is in memory of a namespace: it saw texts that were not stored, and the others are read again."""
        self._known.pop(namespace, None)

    def stored(self, tx: Transaction, namespace: str, known: Known, slots: Collection[int], texts: int, *, alone: bool) -> None:
        """Note that texts that were seen are stored, in the transaction that stores them.

        Args:
            tx: the transaction.
            namespace: whose texts.
            known: what saw them. Where it was forgotten since, by a write that failed or for want of room, there is nothing to note.
            slots: where they came to be.
            texts: how many there were.
            alone: nobody else wrote to the namespace since it was looked at.
        """
        if self._known.get(namespace) is not known:
            return
        if alone:  # else the next look reads the others' texts
            known.newest = max(known.newest, *slots)
        else:
            known.own.update(slots)
        known.unsaved += texts
        if known.unsaved >= _PERSIST_EVERY:
            self._learn(namespace, known, tx)

    def save(self) -> None:
        """Write what was seen to the ledger, where there is something new."""
        fresh = [(name, known) for name, known in list(self._known.items()) if known.unsaved]

        def work(tx: Transaction) -> None:
            for name, known in fresh:
                self._learn(name, known, tx)

        if fresh:
            self._ledger.write(work)

    def _make_way(self) -> None:
        """Forget the namespaces used longest ago, what they have seen saved."""
        while len(self._known) >= _MAX_KNOWN:
            name, known = self._known.popitem(last=False)
            if known.unsaved:
                self._ledger.write(partial(self._learn, name, known))

    @staticmethod
    def _learn(namespace: str, known: Known, tx: Transaction) -> None:
        known.unsaved = 0
        if known.era != records.era(tx.db, namespace):
            return
        records.learn(tx, namespace, "novelty", known.newest.to_bytes(8, "little") + known.engine.novelty.to_bytes())
        records.learn(tx, namespace, "calibration", known.engine.scale.to_bytes())
