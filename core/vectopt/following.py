"""Keeps the indexes in step with the ledger: what a search sees is the file at one moment."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from .analysis import words
from .index import NamespaceIndex, Projection, View, sidecar
from .ledger import Ledger, items, records
from .model import Filter

_CHUNK = 8192  # slots taken in at a time
_FORMAT = 1  # of the indexes; grows when words are found or vectors coded in another way, or arrays are of other types
_WORTH_SAVING = 20_000  # texts; fewer are read from the ledger in no time
_CHANGED = 10  # the sidecar is written anew once a tenth of the texts changed


@dataclass(frozen=True, slots=True)
class Look:
    """What a search needs to see: a namespace, the words of a text (None: no words), where a filter lets items through."""

    namespace: str
    text: str | None
    node: Filter | None

    @property
    def key(self) -> tuple[str, str | None, int]:
        """What two looks have in common that see the same."""
        return self.namespace, self.text, id(self.node)


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
        sidecar: keep the indexes of a large store in a file beside it.
    """

    def __init__(self, ledger: Ledger, *, sidecar: bool) -> None:
        self._ledger = ledger
        self._projection = Projection()
        self._sidecar = ledger.path.with_name(ledger.path.name + ".index") if sidecar and not ledger.temporary else None
        self._taken = 0  # slots and texts taken in, or out, since the sidecar was read or written
        self._coded = 0  # rows that had codes then

    @property
    def nbytes(self) -> int:
        """Bytes the indexes hold, estimated."""
        return self._projection.nbytes

    def sights(self, db: sqlite3.Connection, looks: Sequence[Look]) -> list[Sight | None]:
        """Return what searches see of a reading transaction, which must not have read anything yet; None for an empty namespace."""
        with self._projection.lock:
            try:
                self._catch_up(db)
                seen: dict[tuple[str, str | None, int], Sight | None] = {}
                for look in looks:  # of searches that ask for the same, one looks for all
                    if look.key not in seen:
                        seen[look.key] = self._sight(db, look)
                return [seen[look.key] for look in looks]
            except BaseException:  # half of something may have been taken in: better begin anew
                self._projection.clear()
                raise

    def indexed(self, db: sqlite3.Connection) -> dict[str, set[int]]:
        """Return the slots that the indexes hold of each namespace, as of a reading transaction that has not read anything yet."""
        with self._projection.lock:
            self._catch_up(db)
            views = {name: index.view() for name, index in self._projection.namespaces.items()}
            return {name: set(view.slots[view.alive].tolist()) for name, view in views.items()}

    def forget(self) -> None:
        """Begin anew at the next search."""
        with self._projection.lock:
            self._projection.clear()

    def _sight(self, db: sqlite3.Connection, look: Look) -> Sight | None:
        index = self._projection.namespaces.get(look.namespace)
        if index is None:
            return None
        terms: list[int] = []
        if look.text is not None:
            texts = records.texts(db, look.namespace, index.worded_to)
            while chunk := texts.fetchmany(_CHUNK):
                index.add_words([slot for slot, _ in chunk], [words(content) for _, content in chunk])
                self._taken += len(chunk)
            terms = index.lexical.terms(list(dict.fromkeys(words(look.text))))  # each once: repeated words would rule long questions
        allowed = None if look.node is None else self._filtered(db, look.namespace, index, look.node)
        return Sight(index.view(), terms, allowed)

    def save(self) -> bool:
        """Write the sidecar, if the store is large and much of it is not in it yet; tell whether it was written.

        Raises:
            OSError: it can't be written; nothing else is the worse for it.
        """
        if self._sidecar is None:
            return False
        with self._projection.lock:
            size, coded = len(self._projection), self._projection.coded
            if size < _WORTH_SAVING or (self._taken + max(0, coded - self._coded)) * _CHANGED < size:
                return False
            saved, self._taken, self._coded = {"format": _FORMAT, **self._projection.saved()}, 0, coded
        token = secrets.token_hex(16)
        sidecar.write(self._sidecar, token, saved)
        self._ledger.write(lambda tx: records.set_meta(tx, "sidecar", token))
        return True

    def _restore(self, db: sqlite3.Connection) -> None:
        """Begin with what the sidecar holds, if it is the one that the ledger names."""
        token = records.meta(db, "sidecar")
        if self._sidecar is None or token is None:
            return
        try:
            saved = sidecar.read(self._sidecar, token)
            if saved is not None and saved["format"] == _FORMAT:
                self._projection.restore(saved)
                self._coded = self._projection.coded
        except Exception:  # a cache that can't be read is none
            self._projection.clear()

    def _catch_up(self, db: sqlite3.Connection) -> None:
        if not self._projection.seq:
            self._restore(db)
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
            self._taken += len(slots)
        while chunk := changes.slots.fetchmany(_CHUNK):
            self._taken += len(chunk)
            by_namespace = sorted(chunk, key=lambda row: row[0]) if any(row[0] != chunk[0][0] for row in chunk) else chunk
            for namespace, rows in groupby(by_namespace, key=lambda row: row[0]):
                self._projection.put(namespace, [row[1:] for row in rows], dimensions)
        self._projection.seq = changes.seq

    @staticmethod
    def _filtered(db: sqlite3.Connection, namespace: str, index: NamespaceIndex, node: Filter) -> NDArray[np.bool_]:
        def metadata(slots: Sequence[int] | None) -> Iterator[tuple[int, str]]:
            return items.metadata(db, namespace, slots)

        return index.filtered(node, metadata)
