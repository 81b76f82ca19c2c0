"""Items that leave for the archive, that come back, and that never leave."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InvalidInput
from ..filters import compiled
from ..ledger import items, passes
from ..model import RestoreReport
from ..validation import checked_ids
from .async_twin import off_loop
from .items import Filters
from .parts import Parts


class Archiving(Parts):
    """What the caller sends to the archive, calls back, or pins."""

    def archive(self, ids: Sequence[str] | None = None, *, filter: Filters | None = None, namespace: str | None = None) -> int:
        """Move items into the archive; return how many went. They can still be read by id, and restored, but are not searched.

        Items that share a text go together; those that change meanwhile stay. What is restored is no temp vector any more, and
        waits for its embedding no longer: it is embedded when there is room.

        Args:
            ids: which items; unknown ids are no error. Those that delete themselves stay: they go anyway.
            filter: which items, if no ids are given.
            namespace: theirs.

        Raises:
            InvalidInput: neither ids nor a filter are given, or both.
            NoArchive: the manager has no archive.
            ArchiveUnavailable: it can't be reached; nothing was lost.
            StoreBusy: another process is acting on the archive.
        """
        name = self._own(namespace)
        wanted = self._named(ids, filter, name)
        self._archivist.needed()
        with self._ledger.reading() as db:
            slots = list(dict.fromkeys(slot for id in wanted if (slot := items.slot_of(db, name, id)) is not None))
        with self._keeper.acting():
            return self._archivist.archive(slots)

    def restore(self, ids: Sequence[str] | None = None, *, filter: Filters | None = None, namespace: str | None = None) -> RestoreReport:
        """Bring items back from the archive: text, metadata and vector as they were, as far as the budget has room for vectors.

        Args:
            ids: which items; those that aren't archived are no error.
            filter: which items, if no ids are given.
            namespace: theirs.

        Returns:
            How many came back, and the ids whose records are damaged; these stay in the archive.

        Raises:
            InvalidInput: neither ids nor a filter are given, or both.
            NoArchive, ArchiveUnavailable: the archive can't be read.
            CapacityExceeded: the file's budget has no room; what came back before stays.
        """
        name = self._own(namespace)
        if (ids is None) == (filter is None):
            raise InvalidInput("give either ids or a filter")
        count, damaged = self._archivist.restore(name, None if ids is None else checked_ids(ids), compiled(filter))
        return RestoreReport(count, tuple(damaged))

    def _named(self, ids: Sequence[str] | None, filter: Filters | None, namespace: str) -> list[str]:
        if (ids is None) == (filter is None):
            raise InvalidInput("give either ids or a filter")
        if ids is not None:
            return checked_ids(ids)
        accepts = compiled(filter)
        with self._ledger.reading() as db:
            return [item.id for item in items.scan(db, namespace, self._clock.now()) if accepts is None or accepts(item)]

    def pin(self, ids: Sequence[str], *, namespace: str | None = None) -> int:
        """Have items kept by every pass, whatever they are worth; return how many of them exist. Deleting an item unpins it."""
        name, wanted = self._own(namespace), checked_ids(ids)
        return self._ledger.write(lambda tx: passes.pin(tx, name, wanted, pinned=True))

    def unpin(self, ids: Sequence[str], *, namespace: str | None = None) -> int:
        """Let items leave again like others; return how many of them exist."""
        name, wanted = self._own(namespace), checked_ids(ids)
        return self._ledger.write(lambda tx: passes.pin(tx, name, wanted, pinned=False))

    def archived_ids(self, *, namespace: str | None = None) -> list[str]:
        """Return the ids of the archived items of a namespace, sorted."""
        name = self._own(namespace)
        with self._ledger.reading() as db:
            return items.archived_ids(db, name)

    aarchive = off_loop(archive)
    arestore = off_loop(restore)
    apin = off_loop(pin)
    aunpin = off_loop(unpin)
    aarchived_ids = off_loop(archived_ids)
