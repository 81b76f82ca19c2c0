"""Keeps the indexes in step with the ledger: what a search sees is the file at one moment."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from .analysis import words
from .index import NamespaceIndex, Projection, View
from .ledger import Ledger, items, records
from .model import Filter

_CHUNK = 8192  # slots taken in at a time


@dataclass(frozen=True, slots=True)
class Look:
    """What a search needs to see: a namespace, the words of a text (None: no words), where a filter lets items through."""

    namespace: str
    text: str | None
    node: Filter | None


@dataclass(frozen=True, slots=True)
class Sight:
    """What a search looks at: the view, the query's words as terms, and where a filter lets items through."""

    view: View
    terms: list[int]
    allowed: NDArray[np.bool_] | None


class Follower:
    """Takes in what was written since, by whomever, whenever a search begins.

    Args:
        ledger: to follow.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._projection = Projection()

    @property
    def nbytes(self) -> int:
        """Bytes the indexes hold, estimated."""
        return self._projection.nbytes

    def sights(self, db: sqlite3.Connection, looks: Sequence[Look]) -> list[Sight | None]:
        """Return what searches see of a reading transaction, which must not have read anything yet; None for an empty namespace."""
        with self._projection.lock:
            self._catch_up(db)
            return [self._sight(db, look) for look in looks]

    def _sight(self, db: sqlite3.Connection, look: Look) -> Sight | None:
        index = self._projection.namespaces.get(look.namespace)
        if index is None:
            return None
        terms: list[int] = []
        if look.text is not None:
            texts = records.texts(db, look.namespace, index.worded_to)
            while chunk := texts.fetchmany(_CHUNK):
                index.add_words([slot for slot, _ in chunk], [words(content) for _, content in chunk])
            terms = index.lexical.terms(words(look.text))
        allowed = None if look.node is None else self._filtered(db, look.namespace, index, look.node)
        return Sight(index.view(), terms, allowed)

    def _catch_up(self, db: sqlite3.Connection) -> None:
        changes = records.changes(db, self._projection.seq)
        if changes is None:
            return
        if changes.reload:
            self._projection.clear()
            changes = records.changes(db, 0)
            assert changes is not None
        dimensions = self._ledger.dimensions(db)
        for namespace, slots in changes.gone.items():
            self._projection.remove(namespace, slots)
        while chunk := changes.slots.fetchmany(_CHUNK):
            by_namespace = sorted(chunk, key=lambda row: row[0]) if any(row[0] != chunk[0][0] for row in chunk) else chunk
            for namespace, rows in groupby(by_namespace, key=lambda row: row[0]):
                self._projection.put(namespace, [row[1:] for row in rows], dimensions)
        self._projection.seq = changes.seq

    @staticmethod
    def _filtered(db: sqlite3.Connection, namespace: str, index: NamespaceIndex, node: Filter) -> NDArray[np.bool_]:
        def metadata(slots: Sequence[int] | None) -> Iterator[tuple[int, str]]:
            return items.metadata(db, namespace, slots)

        return index.filtered(node, metadata)
