"""What each namespace's ranking goes by, as its queries and feedback tell; kept in the ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

import numpy as np

from .contrasts import Contrasts
from .following import Sight
from .ledger import Ledger, Transaction, records
from .quantization import Query
from .settings import SearchSettings
from .strategy import SLOPES, WEIGHTS, Weighing, best_slope, best_weight, fuse, gains

_LEARNED = {"gains": len(WEIGHTS), "length_gains": len(SLOPES)}  # state by name: what each of them would have gained, summed

Gains = tuple[list[float], list[float]]


class Weighings:
    """Starts from the settings' lexical weight; the contrasts of queries move that, and feedback has the last word."""

    def __init__(self, ledger: Ledger, settings: SearchSettings) -> None:
        self._settings = settings
        self.contrasts = Contrasts(ledger)

    def of(self, db: sqlite3.Connection, namespace: str) -> Weighing:
        """Return what the namespace's ranking goes by now."""
        default = self.contrasts.of(db, namespace).weight(self._settings.lexical_weight)
        by_weight, by_slope = (_total(db, namespace, name) for name in _LEARNED)
        return Weighing(best_weight(by_weight, default), best_slope(by_slope))

    def gains(self, sight: Sight, query: Query, useful: Collection[int], now: Weighing) -> Gains:
        """Return what each lexical weight, and each slope by length, would have gained a query whose useful slots are known."""
        view = sight.view
        alive = np.flatnonzero(view.alive)
        lexical = view.lexical.scores(sight.terms, view.alive, len(view))[alive]
        inferred = view.inferred(query)
        fused = fuse(
            lexical,
            view.known(alive, query)[0],
            now.lexical,
            self._settings.depth,
            view.mean(query),
            None if inferred is None else inferred[alive],
        )
        return gains(fused, np.isin(view.slots[alive], list(useful)), view.lengths[alive], now)

    def learn(self, tx: Transaction, namespace: str, fresh: Gains) -> Weighing:
        """Take in what was gained; return what the ranking goes by from now on."""
        for name, some in zip(_LEARNED, fresh, strict=True):
            total = [old + new for old, new in zip(_total(tx.db, namespace, name), some, strict=True)]
            records.learn(tx, namespace, name, np.array(total, "<f8").tobytes())
        return self.of(tx.db, namespace)


def _total(db: sqlite3.Connection, namespace: str, name: str) -> list[float]:
    values = np.frombuffer(records.learned(db, namespace, name) or b"", "<f8")
    return [float(value) for value in values] if len(values) == _LEARNED[name] else [0.0] * _LEARNED[name]
