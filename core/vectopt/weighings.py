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
from .strategy import SLOPES, WEIGHTS, Gains, Tally, Weighing, fuse

_BY_WEIGHT, _BY_SLOPE = "gains", "length_gains"  # names of learned state


class Weighings:
    """Starts from the settings' lexical weight; the contrasts of queries move that, and feedback has the last word."""

    def __init__(self, ledger: Ledger, settings: SearchSettings) -> None:
        self._settings = settings
        self.contrasts = Contrasts(ledger)

    def of(self, db: sqlite3.Connection, namespace: str) -> Weighing:
        """Return what the namespace's ranking goes by now."""
        default = self.contrasts.of(db, namespace).weight(self._settings.lexical_weight)
        return _judged(db, namespace, records.space(db)).best(default)

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
        return Gains.of_query(fused, np.isin(view.slots[alive], list(useful)), view.lengths[alive], now)

    def learn(self, tx: Transaction, namespace: str, fresh: Gains, space: str) -> Weighing:
        """Take in what was gained; return what the ranking goes by from now on.

        Args:
            tx: the transaction.
            namespace: whose queries were judged.
            fresh: what was gained.
            space: where the vectors lay by which that was found; another embedder may have taken over since.
        """
        total = _judged(tx.db, namespace, space) + fresh
        records.learn(tx, namespace, records.of_space(_BY_WEIGHT, space), total.by_weight.to_bytes())
        records.learn(tx, namespace, _BY_SLOPE, total.by_slope.to_bytes())
        return self.of(tx.db, namespace)


def _judged(db: sqlite3.Connection, namespace: str, space: str) -> Gains:
    """Return what feedback told so far. Of weights only what it told of one space's vectors: another's deserve another weight."""
    by_weight, by_slope = (records.learned(db, namespace, name) or b"" for name in (records.of_space(_BY_WEIGHT, space), _BY_SLOPE))
    return Gains(Tally.from_bytes(by_weight, len(WEIGHTS)), Tally.from_bytes(by_slope, len(SLOPES)))
