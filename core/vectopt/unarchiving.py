"""From the archive back: records are read where the ledger says they are, shown as items, and placed in the ledger again.

Nothing here holds a lock for long. What is written anew elsewhere while it is read is looked for again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any, TypeVar

from .archive import ArchiveTarget, Place, read_records
from .errors import ArchiveDamaged, ArchiveUnavailable, CapacityExceeded, NoArchive
from .failpoints import Failpoint
from .ledger import Ledger, Transaction, archived, records, restoring
from .meter import Meter
from .model import Event, StoredItem
from .protocols import Clock
from .vectorizer import hold_budget

_TOGETHER = 32  # items restored in one transaction

_restored = Failpoint("archiving.restored")

T = TypeVar("T")


class Unarchiver:
    """Reads what is archived, and brings it back."""

    def __init__(
        self,
        ledger: Ledger,
        target: ArchiveTarget | None,
        meter: Meter,
        clock: Clock,
        tell: Callable[[Event], None],
        *,
        near_duplicates: bool = True,
        between: Callable[[], object] = lambda: None,
    ) -> None:
        self.target = target
        self._between = between  # called often, so that work on the side can give way
        self._near_duplicates = near_duplicates
        self._ledger = ledger
        self._meter = meter
        self._clock = clock
        self._tell = tell

    def needed(self) -> ArchiveTarget:
        """Return where archived texts go.

        Raises:
            NoArchive: nobody said where.
        """
        if self.target is None:
            raise NoArchive
        return self.target

    def read(
        self,
        namespace: str,
        ids: Sequence[str] | None,
        *,
        with_vectors: bool = False,
        living: Callable[[sqlite3.Connection], dict[str, StoredItem]] = lambda _: {},
    ) -> dict[str, StoredItem]:
        """Return items by id: the living ones as they are read, then those of some ids that are archived, or for None all archived.

        Both are of one moment: what is archived or restored meanwhile is not missed.

        Args:
            namespace: whose items.
            ids: which ones.
            with_vectors: whether they come with their vectors, but for those of another embedder than the store's.
            living: reads those that are not archived.

        Raises:
            NoArchive, ArchiveUnavailable: archived ones can't be read.
            ArchiveDamaged: the record of one of them is damaged.
        """

        def look(db: sqlite3.Connection) -> tuple[tuple[dict[str, StoredItem], list[Any]], list[archived.Spot]]:
            found = living(db)
            return (found, archived.space_of(db)), archived.spots(
                db, namespace, None if ids is None else [id for id in ids if id not in found]
            )

        (found, space), there = self.seen(look)
        return found | {
            spot.id: archived.stored(record, spot.id, with_vector=with_vectors and archived.fits(record, space)) for spot, record in there
        }

    def seen(
        self, look: Callable[[sqlite3.Connection], tuple[T, list[archived.Spot]]]
    ) -> tuple[T, list[tuple[archived.Spot, archived.Record]]]:
        """Look at the ledger, and read the records that it names; look again where they were moved before they were read.

        Raises:
            NoArchive, ArchiveUnavailable, ArchiveDamaged: a record can't be read.
        """
        with self._ledger.reading() as db:
            found, spots = look(db)
        while True:
            try:
                return found, [(spot, _sound(spot, record)) for spot, record in self._records(spots)]
            except (ArchiveUnavailable, ArchiveDamaged):
                before = spots
                with self._ledger.reading() as db:
                    found, spots = look(db)
                if spots == before:
                    raise

    def _records(
        self, spots: Iterable[archived.Spot], between: Callable[[], object] = lambda: None
    ) -> Iterator[tuple[archived.Spot, archived.Record | ArchiveDamaged]]:
        for name, several in groupby(sorted(spots, key=lambda spot: (spot.name, spot.start)), key=lambda spot: spot.name):
            of_one = list(several)
            places = sorted({Place(spot.start, spot.length) for spot in of_one})
            found = dict(zip(places, read_records(self.needed(), name, places, between=between), strict=True))
            for spot in of_one:
                record = found[Place(spot.start, spot.length)]
                theirs = isinstance(record, ArchiveDamaged) or archived.belongs(record, spot)
                yield spot, record if theirs else ArchiveDamaged(f"{name} holds another record where this one was")

    def restore(
        self, namespace: str, ids: Sequence[str] | None, passes_filter: Callable[[StoredItem], bool] | None
    ) -> tuple[int, list[str]]:
        """Bring archived items back; return how many, and the ids whose records are damaged.

        Raises:
            NoArchive, ArchiveUnavailable: they can't be read; what was restored before stays restored.
            CapacityExceeded: the budget has no room for them; as above.
        """
        restored, damaged = 0, set[str]()
        with self._ledger.reading() as db:
            spots = archived.spots(db, namespace, ids)
        while spots:
            failure: ArchiveUnavailable | None = None
            try:
                for portion in self._restorable(spots, passes_filter, damaged):
                    restored += self._ledger.write(partial(self._place, namespace, portion))
                    _restored()
                    self._between()
            except ArchiveUnavailable as error:
                failure = error
            with self._ledger.reading() as db:
                there = archived.spots(db, namespace, [spot.id for spot in spots])
            moved = set(there) - set(spots)  # written anew elsewhere before they were read, or placed
            if failure is not None and not moved:
                raise failure
            spots = [spot for spot in there if failure is not None or spot in moved]
            damaged -= {spot.id for spot in spots}
        if restored:
            self._tell(Event("restored", {"namespace": namespace, "items": restored}))
        if damaged:
            self._tell(Event("archive_damaged", {"namespace": namespace, "items": len(damaged)}))
        return restored, sorted(damaged)

    def _restorable(
        self, spots: Iterable[archived.Spot], passes_filter: Callable[[StoredItem], bool] | None, damaged: set[str]
    ) -> Iterator[list[tuple[archived.Spot, archived.Record]]]:
        """Yield in portions what can be read and passes the filter; note the ids of what is damaged."""
        portion: list[tuple[archived.Spot, archived.Record]] = []
        for spot, record in self._records(spots, self._between):
            if isinstance(record, ArchiveDamaged):
                damaged.add(spot.id)
            elif passes_filter is None or passes_filter(archived.stored(record, spot.id)):
                portion.append((spot, record))
            if len(portion) >= _TOGETHER:
                yield portion
                portion = []
        if portion:
            yield portion

    def _place(self, namespace: str, sound: Sequence[tuple[archived.Spot, archived.Record]], tx: Transaction) -> int:
        now = self._clock.now()
        room = min((room for _, room in self._meter.vector_room(tx.db, namespace)), default=None)
        count = restoring.restore(tx, sound, room, now, near_duplicates=self._near_duplicates)
        tx.flush()
        if count:
            self._refuse_excess(tx.db, namespace)
            hold_budget(tx, self._meter, namespace, now)  # vectors may come back in more bytes than they are kept in now
        return count

    def _refuse_excess(self, db: sqlite3.Connection, namespace: str) -> None:
        for scope, budget in self._meter.scopes(namespace):
            held = records.counters(db, scope).get("items", 0)
            if budget.max_items is not None and held > budget.max_items:
                raise CapacityExceeded(
                    f"restoring would make it {held} items; max_items is {budget.max_items}: raise it, or delete items first"
                )
        over = self._meter.bytes_over(db)
        if over > 0:
            raise CapacityExceeded(f"restoring needs {over:,} bytes more than max_bytes allows; raise the budget, or delete items first")


def _sound(spot: archived.Spot, record: archived.Record | ArchiveDamaged) -> archived.Record:
    if isinstance(record, ArchiveDamaged):
        raise ArchiveDamaged(f"the record of {spot.id!r} (namespace {spot.namespace!r}) in {spot.name} is damaged: {record}") from record
    return record
