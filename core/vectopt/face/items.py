"""Items by id: reading and deleting them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from ..filters import Predicate, compiled
from ..ledger import items
from ..model import Filter, StoredItem
from ..validation import checked_ids
from .async_twin import off_loop
from .parts import Parts

Filters = Mapping[str, Any] | Filter | Predicate


class Items(Parts):
    """What can be done with items whose ids are known."""

    def get(self, ids: Sequence[str], *, namespace: str | None = None, with_vectors: bool = False) -> list[StoredItem]:
        """Return the items that exist, in the order of the ids; archived ones are read from the archive.

        Raises:
            NoArchive, ArchiveUnavailable, ArchiveDamaged: an archived item can't be read.
        """
        wanted, name = checked_ids(ids), self._own(namespace)

        def living(db: sqlite3.Connection) -> dict[str, StoredItem]:
            return {item.id: item for item in items.get(db, name, wanted, with_vector=with_vectors)}

        found = self._archivist.read(name, wanted, with_vectors=with_vectors, living=living)
        return [found[id] for id in wanted if id in found]

    def scan(self, *, namespace: str | None = None, filter: Filters | None = None) -> list[StoredItem]:
        """Return every item of a namespace that passes the filter, in the order of adding; archived ones come last.

        Raises:
            NoArchive, ArchiveUnavailable, ArchiveDamaged: an archived item can't be read.
        """
        name, passes = self._own(namespace), compiled(filter)
        found = self._archivist.read(name, None, living=lambda db: {item.id: item for item in items.scan(db, name)})
        return [item for item in found.values() if passes is None or passes(item)]

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
