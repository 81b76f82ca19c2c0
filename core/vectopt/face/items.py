"""Items by id: reading and deleting them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from ..errors import InvalidFilter, OutsideUnavailable
from ..filters import Predicate, compiled
from ..ledger import Transaction, expiry, items, outside
from ..model import Filter, StoredItem
from ..validation import checked_ids, checked_k, checked_offset
from .async_twin import off_loop
from .parts import Parts

Filters = Mapping[str, Any] | Filter | Predicate


class Items(Parts):
    """What can be done with items whose ids are known."""

    def get(self, ids: Sequence[str], *, namespace: str | None = None, with_vectors: bool = False) -> list[StoredItem]:
        """Return the items that exist, in the order of the ids; archived ones are read from the archive.

        Raises:
            NoArchive, ArchiveUnavailable, ArchiveDamaged: an archived item can't be read.
            OutsideUnavailable: with vectors, some of which are in a store outside that can't be reached.
        """
        wanted, name = checked_ids(ids), self._own(namespace)

        def living(db: sqlite3.Connection) -> dict[str, StoredItem]:
            return {item.id: item for item in items.get(db, name, wanted, self._clock.now(), with_vector=with_vectors)}

        by_id = self._archivist.read(name, wanted, with_vectors=with_vectors, living=living)
        found = [by_id[id] for id in wanted if id in by_id]
        return self._with_vectors(name, found) if with_vectors else found

    def _with_vectors(self, namespace: str, found: list[StoredItem]) -> list[StoredItem]:
        """Return items with the vectors that only a store outside has."""
        with self._ledger.reading() as db:
            copies = outside.numbers_of_ids(db, namespace, [item.id for item in found if item.vector is None])
        if not copies:
            return found
        if self._outreach is None:
            raise OutsideUnavailable("vectors of these items are in a store outside; open the manager with `store=`")
        vectors = self._outreach.fetched(namespace, sorted(set(copies.values())))
        if missing := set(copies.values()) - vectors.keys():
            raise OutsideUnavailable(f"the store outside lacks {len(missing)} of the vectors; run reconcile(repair=True)")
        return [replace(item, vector=vectors[copies[item.id]]) if item.id in copies else item for item in found]

    def scan(
        self,
        *,
        namespace: str | None = None,
        filter: Filters | None = None,
        ids: Sequence[str] | None = None,
        limit: int | None = None,
        with_vectors: bool = False,
    ) -> list[StoredItem]:
        """Return every item of a namespace that passes the filter.

        Args:
            namespace: whose.
            filter: as in `search`.
            ids: look among these only; items come in their order, and otherwise in that of adding, archived ones last.
            limit: return the first of them only.
            with_vectors: with their vectors, where they have one.

        Raises:
            NoArchive, ArchiveUnavailable, ArchiveDamaged: an archived item can't be read.
            OutsideUnavailable: with vectors, some of which are in a store outside that can't be reached.
        """
        name, passes, most = self._own(namespace), compiled(filter), None if limit is None else checked_k(limit, "limit")
        wanted, now = None if ids is None else checked_ids(ids), self._clock.now()

        def living(db: sqlite3.Connection, most: int | None = None) -> dict[str, StoredItem]:
            narrowed = self._retrieval.passing(db, name, passes) if wanted is None and passes is not None else wanted
            given = items.scan(db, name, now) if narrowed is None else items.get(db, name, narrowed, now, with_vector=with_vectors)
            found = list(islice((item for item in given if passes is None or passes(item)), most))
            if narrowed is None and with_vectors:
                found = items.get(db, name, [item.id for item in found], now, with_vector=True)
            return {item.id: item for item in found}

        first: dict[str, StoredItem] = {}
        if wanted is None and most is not None:
            with self._ledger.reading() as db:
                first = living(db, most)
        if not first or len(first) < (most or 0):  # else what is archived need not be read
            every = self._archivist.read(name, wanted, with_vectors=with_vectors, living=living)
            passing = {id: item for id, item in every.items() if passes is None or passes(item)}
            order = passing if wanted is None else dict.fromkeys(id for id in wanted if id in passing)
            first = {id: passing[id] for id in islice(order, most)}
        found = list(first.values())
        return self._with_vectors(name, found) if with_vectors else found

    def delete(self, ids: Sequence[str], *, namespace: str | None = None, filter: Filters | None = None) -> int:
        """Delete items from every tier, of these those that pass the filter; unknown ids are no error. Return how many there were."""
        wanted, name, passes, now = checked_ids(ids), self._own(namespace), compiled(filter), self._clock.now()
        archived = {} if passes is None else self._archivist.read(name, wanted)
        kept = [id for id, item in archived.items() if passes is not None and passes(item)]

        def work(tx: Transaction) -> int:
            those = wanted if passes is None else [item.id for item in items.get(tx.db, name, wanted, now) if passes(item)]
            return items.delete(tx, name, [*those, *(id for id in kept if items.slot_of(tx.db, name, id) is None)])

        return self._ledger.write(work) if wanted else 0

    def delete_where(self, filter: Filters, *, namespace: str | None = None) -> int:
        """Delete every item that passes the filter, in one transaction; return how many there were.

        Raises:
            InvalidFilter: the filter restricts nothing; `delete_all` says so by its name.
        """
        name, passes = self._own(namespace), compiled(filter)
        if passes is None:
            raise InvalidFilter("the filter lets everything through: to delete every item of the namespace call delete_all")
        return self.delete([item.id for item in self.scan(namespace=name, filter=passes)], namespace=name, filter=passes)

    def latest(
        self, limit: int = 10, *, offset: int = 0, namespaces: Sequence[str] | None = None, filter: Filters | None = None
    ) -> list[StoredItem]:
        """Return items, what was changed last first; archived ones are not among them.

        Args:
            limit: how many at the most.
            offset: how many of those that pass to leave out first.
            namespaces: of which items; by default of the manager's own.
            filter: as in `search`.
        """
        most, skipped = checked_k(limit, "limit"), checked_offset(offset)
        names = [self._own(name) for name in ([None] if namespaces is None else namespaces)]
        passes = compiled(filter)
        with self._ledger.reading() as db:
            passing = (item for item in items.latest(db, names, self._clock.now()) if passes is None or passes(item))
            return list(islice(passing, skipped, skipped + most))

    def namespaces(self, beginning: str = "") -> list[str]:
        """Return the names of the namespaces that hold items, of those that begin so, sorted."""
        with self._ledger.reading() as db:
            return items.namespaces(db, beginning, self._clock.now())

    def touch(self, ids: Sequence[str], *, namespace: str | None = None) -> int:
        """Let items that delete themselves live for their whole time again; return how many there were.

        Others, and those whose time is over, stay as they are.
        """
        wanted, name = checked_ids(ids), self._own(namespace)
        return self._ledger.write(lambda tx: expiry.touch(tx, name, wanted, self._clock.now())) if wanted else 0

    def delete_all(self, *, namespace: str | None = None) -> int:
        """Delete every item of one namespace, and what was learned of them; return how many there were."""
        name = self._own(namespace)
        return self._ledger.write(lambda tx: items.delete_all(tx, name))

    aget = off_loop(get)
    ascan = off_loop(scan)
    alatest = off_loop(latest)
    anamespaces = off_loop(namespaces)
    atouch = off_loop(touch)
    adelete = off_loop(delete)
    adelete_where = off_loop(delete_where)
    adelete_all = off_loop(delete_all)
