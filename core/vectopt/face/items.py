"""Items by id: reading and deleting them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from ..filters import Predicate, compiled
from ..ledger import expiry, items
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
        """
        wanted, name = checked_ids(ids), self._own(namespace)
        with self._ledger.reading() as db:
            found = items.get(db, name, wanted, self._clock.now(), with_vector=with_vectors)
        if len(found) == len(wanted):
            return found
        by_id = {item.id: item for item in found}
        by_id |= self._archivist.read(name, [id for id in wanted if id not in by_id], with_vectors=with_vectors)
        return [by_id[id] for id in wanted if id in by_id]

    def scan(self, *, namespace: str | None = None, filter: Filters | None = None) -> list[StoredItem]:
        """Return every item of a namespace that passes the filter, in the order of adding; archived ones come last.

        Raises:
            NoArchive, ArchiveUnavailable, ArchiveDamaged: an archived item can't be read.
        """
        name, passes = self._own(namespace), compiled(filter)
        with self._ledger.reading() as db:
            found = {item.id: item for item in items.scan(db, name, self._clock.now())}
        archived = self._archivist.read(name, None)
        every = [*found.values(), *(item for id, item in archived.items() if id not in found)]
        return [item for item in every if passes is None or passes(item)]

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
    alatest = off_loop(latest)
    anamespaces = off_loop(namespaces)
    atouch = off_loop(touch)
    adelete = off_loop(delete)
    adelete_all = off_loop(delete_all)
