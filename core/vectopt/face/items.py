"""Items by id: reading and deleting them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import OutsideUnavailable
from ..filters import Predicate, compiled
from ..ledger import items, outside
from ..model import Filter, StoredItem
from ..validation import checked_ids
from .async_twin import off_loop
from .parts import Parts

Filters = Mapping[str, Any] | Filter | Predicate


class Items(Parts):
    """What can be done with items whose ids are known."""

    def get(self, ids: Sequence[str], *, namespace: str | None = None, with_vectors: bool = False) -> list[StoredItem]:
        """Return the items that exist, in the order of the ids.

        Raises:
            OutsideUnavailable: with vectors, some of which are in a store outside that can't be reached.
        """
        wanted, name = checked_ids(ids), self._own(namespace)
        with self._ledger.reading() as db:
            found = items.get(db, name, wanted, with_vector=with_vectors)
            copies = outside.numbers_of_ids(db, name, [item.id for item in found if item.vector is None]) if with_vectors else {}
        if not copies:
            return found
        if self._outreach is None:
            raise OutsideUnavailable("vectors of these items are in a store outside; open the manager with `store=`")
        vectors = self._outreach.fetched(name, sorted(set(copies.values())))
        if missing := set(copies.values()) - vectors.keys():
            raise OutsideUnavailable(f"the store outside lacks {len(missing)} of the vectors; run reconcile(repair=True)")
        return [replace(item, vector=vectors[copies[item.id]]) if item.id in copies else item for item in found]

    def scan(self, *, namespace: str | None = None, filter: Filters | None = None) -> list[StoredItem]:
        """Return every item of a namespace that passes the filter, in the order of adding."""
        name, passes = self._own(namespace), compiled(filter)
        with self._ledger.reading() as db:
            return [item for item in items.scan(db, name) if passes is None or passes(item)]

    def delete(self, ids: Sequence[str], *, namespace: str | None = None) -> int:
        """Delete items from every tier; unknown ids are no error. Return how many there were."""
        wanted, name = checked_ids(ids), self._own(namespace)
        return self._ledger.write(lambda tx: items.delete(tx, name, wanted)) if wanted else 0

    def delete_all(self, *, namespace: str | None = None) -> int:
        """Delete every item of one namespace; return how many there were."""
        name = self._own(namespace)
        return self._ledger.write(lambda tx: items.delete_all(tx, name))

    aget = off_loop(get)
    ascan = off_loop(scan)
    adelete = off_loop(delete)
    adelete_all = off_loop(delete_all)
