"""What searches tell of how far words can be trusted: one state a namespace, in memory and, now and then, in the ledger."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from threading import Lock

from .ledger import Ledger, Transaction, records
from .strategy import Contrast

_WORTH_SAVING = 8  # queries
_MAX_KNOWN = 1024  # states in memory; of others what was seen since the last saving is forgotten

_Key = tuple[str, str, bytes]  # a namespace, the name of the state (another space's contrasts are others), the namespace's era


class Contrasts:
    """Sees queries, and knows the weight that words deserve. Of several processes, the one that saw most is believed."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._known: OrderedDict[_Key, Contrast] = OrderedDict()
        self._unsaved: dict[_Key, int] = {}  # queries seen since
        self._lock = Lock()

    def of(self, db: sqlite3.Connection, namespace: str) -> Contrast:
        """Return what is known of a namespace."""
        key = _key(db, namespace)
        with self._lock:
            return self._of(db, key)

    def saw(self, db: sqlite3.Connection, namespace: str, contrast: float) -> None:
        """Take in a query's contrast."""
        key = _key(db, namespace)
        with self._lock:
            self._known[key] = self._of(db, key).seen(contrast)
            self._unsaved[key] = self._unsaved.get(key, 0) + 1

    def save(self, *, all: bool = False) -> None:
        """Write what was seen to the ledger, where it is worth a transaction, or all of it."""
        with self._lock:
            fresh = {key: self._known[key] for key, queries in self._unsaved.items() if all or queries >= _WORTH_SAVING}
        if not fresh:
            return

        def work(tx: Transaction) -> None:
            for key, known in fresh.items():
                namespace, name, era = key
                saved = Contrast.from_bytes(records.learned(tx.db, namespace, name) or b"")
                if era == records.era(tx.db, namespace) and (known.count >= saved.count or known.full):
                    records.learn(tx, namespace, name, known.to_bytes())

        self._ledger.write(work)
        with self._lock:
            for key, known in fresh.items():
                if self._known.get(key) is known:
                    self._unsaved.pop(key, None)

    def _of(self, db: sqlite3.Connection, key: _Key) -> Contrast:
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = Contrast.from_bytes(records.learned(db, *key[:2]) or b"")
            while len(self._known) > _MAX_KNOWN:
                self._unsaved.pop(self._known.popitem(last=False)[0], None)
        self._known.move_to_end(key)
        return known


def _key(db: sqlite3.Connection, namespace: str) -> _Key:
    return namespace, records.of_space("contrast", records.space(db)), records.era(db, namespace)
