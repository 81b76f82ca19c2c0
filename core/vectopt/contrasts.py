"""What searches tell of how far words can be trusted: one state a namespace, in memory and, now and then, in the ledger."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from threading import Lock

from .ledger import Ledger, Transaction, records
from .strategy import Contrast

_WORTH_SAVING = 8  # queries
_MAX_KNOWN = 1024  # namespaces in memory; of others what was seen since the last saving is forgotten


class Contrasts:
    """Sees queries, and knows the weight that words deserve. Of several processes, the one that saw most is believed."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._known: OrderedDict[str, Contrast] = OrderedDict()
        self._unsaved: dict[str, int] = {}  # queries seen since
        self._lock = Lock()

    def of(self, db: sqlite3.Connection, namespace: str) -> Contrast:
        """Return what is known of a namespace."""
        with self._lock:
            return self._of(db, namespace)

    def saw(self, db: sqlite3.Connection, namespace: str, contrast: float) -> None:
        """Take in a query's contrast."""
        with self._lock:
            self._known[namespace] = self._of(db, namespace).seen(contrast)
            self._unsaved[namespace] = self._unsaved.get(namespace, 0) + 1

    def save(self, *, all: bool = False) -> None:
        """Write what was seen to the ledger, where it is worth a transaction, or all of it."""
        with self._lock:
            fresh = {name: self._known[name] for name, queries in self._unsaved.items() if all or queries >= _WORTH_SAVING}
        if not fresh:
            return

        def work(tx: Transaction) -> None:
            for name, known in fresh.items():
                saved = Contrast.from_bytes(records.learned(tx.db, name, "contrast") or b"")
                if known.count >= saved.count or known.full:
                    records.learn(tx, name, "contrast", known.to_bytes())

        self._ledger.write(work)
        with self._lock:
            for name, known in fresh.items():
                if self._known.get(name) is known:
                    self._unsaved.pop(name, None)

    def _of(self, db: sqlite3.Connection, namespace: str) -> Contrast:
        known = self._known.get(namespace)
        if known is None:
            known = self._known[namespace] = Contrast.from_bytes(records.learned(db, namespace, "contrast") or b"")
            while len(self._known) > _MAX_KNOWN:
                self._unsaved.pop(self._known.popitem(last=False)[0], None)
        self._known.move_to_end(namespace)
        return known
