"""Between the ledger and the archive: copy, verify, flip, and only then let go.

An object is noted before it is written, is written whole and read back, and is taken into use in the transaction in which the
texts leave the ledger. One that nothing needs is noted as leaving, removed, and forgotten. Whoever dies on the way leaves an object
that the next one to act removes.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby

from .archive import ArchiveTarget, Place, Segment, read_records, scrub, write_segment
from .archive.codec import codec_named
from .archive.target import temporary
from .errors import ArchiveDamaged, ArchiveUnavailable, CapacityExceeded, NoArchive
from .failpoints import Failpoint
from .ledger import Ledger, Transaction, archived, items, passes, records, restoring, segments
from .meter import Meter
from .model import Event, Finding, StoredItem
from .protocols import Clock

_TEXTS = 1000  # in one object
_BYTES = 16 * 2**20  # of records in one object, before they are compressed
_TOGETHER = 200  # items restored in one transaction
_DEAD = 0.25  # of an object's items, from which on it is written anew
_TRIES = 3  # at reading what is being moved meanwhile

_intended = Failpoint("archiving.intended")
_written = Failpoint("archiving.written")
_flipped = Failpoint("archiving.flipped")
_let_go = Failpoint("archiving.let_go")
_removed = Failpoint("archiving.removed")
_forgotten = Failpoint("archiving.forgotten")
_restored = Failpoint("archiving.restored")
_pointed = Failpoint("archiving.pointed")

Read = tuple[int, int, archived.Record]  # slot, the change it was read at, its record


class Archivist:
    """Moves texts into the archive and back. Whoever calls what changes the archive's objects holds the ledger's `acting` lock."""

    def __init__(self, ledger: Ledger, target: ArchiveTarget | None, meter: Meter, clock: Clock, tell: Callable[[Event], None]) -> None:
        self.target = target
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

    def archive(self, slots: Sequence[int], *, number: int | None = None) -> int:
        """Archive texts with all their items; return how many items. Texts that change meanwhile stay.

        Args:
            slots: the texts.
            number: of the pass that takes them away, if one does.

        Raises:
            NoArchive: nobody said where to.
            ArchiveUnavailable, ArchiveDamaged: it could not be written, or not as it was meant; what was not archived before stays.
        """
        target = self.needed()
        return sum(self._archive(target, portion, number) for portion in self._portions(slots))

    def _portions(self, slots: Sequence[int]) -> Iterator[list[Read]]:
        for start in range(0, len(slots), _TEXTS):
            with self._ledger.reading() as db:
                read = list(archived.records(db, slots[start : start + _TEXTS]))
            portion: list[Read] = []
            size = 0
            for one in read:
                length = sum(len(item["content"]) for item in one[2]["items"])
                if portion and size + length > _BYTES:
                    yield portion
                    portion, size = [], 0
                portion.append(one)
                size += length
            if portion:
                yield portion

    def _archive(self, target: ArchiveTarget, portion: Sequence[Read], number: int | None) -> int:
        segment, made = self._write(target, [record for _, _, record in portion])
        _written()
        count = self._ledger.write(partial(self._flip, segment, made, portion, number))
        _flipped()
        return count

    def _write(self, target: ArchiveTarget, what: Sequence[archived.Record]) -> tuple[int, Segment]:
        stem = f"{self._instance()}-{uuid.uuid4().hex}"
        name, now = stem + codec_named(None).suffix, self._clock.now()
        segment = self._ledger.write(lambda tx: segments.begin(tx, name, now))
        _intended()
        try:
            return segment, write_segment(target, stem, what)
        except BaseException:
            self._ledger.write(lambda tx: segments.let_go(tx, [segment]))
            raise

    def _instance(self) -> str:
        """Return the store's own name, by which its objects are known among others'."""

        def choose(tx: Transaction) -> str:
            known = records.meta(tx.db, "instance")
            if known is None:
                known = uuid.uuid4().hex
                records.set_meta(tx, "instance", known)
            return str(known)

        return self._ledger.write(choose)

    @staticmethod
    def _flip(segment: int, made: Segment, portion: Sequence[Read], number: int | None, tx: Transaction) -> int:
        """Let texts leave the ledger for an object that was verified; those that changed since they were read stay."""
        if not segments.seal(tx, segment, made.size, made.digest, sum(len(record["items"]) for _, _, record in portion)):
            return 0
        count = 0
        for (slot, changed, record), place in zip(portion, made.places, strict=True):
            if not archived.unchanged(tx, slot, changed):
                continue
            namespace = record["namespace"]
            ids = [item["id"] for item in record["items"]]
            items.take_out(tx, namespace, ids)
            archived.put(tx, segment, namespace, [(id, place.offset, place.length) for id in ids])
            if number is not None:
                passes.note_taken(tx, "item", [(namespace, id) for id in ids])
            for _ in ids:
                tx.note("archived", namespace)
            count += len(ids)
        return count

    def read(self, namespace: str, ids: Sequence[str] | None, *, with_vectors: bool = False) -> dict[str, StoredItem]:
        """Return archived items by id: those of some ids that are archived, or for None all of a namespace.

        Raises:
            NoArchive, ArchiveUnavailable: they can't be read.
            ArchiveDamaged: the record of one of them is damaged.
        """
        for last in range(_TRIES - 1, -1, -1):
            with self._ledger.reading() as db:
                spots = archived.spots(db, namespace, ids)
            if not spots:
                return {}
            try:
                return {
                    spot.id: archived.stored(_sound(spot, record), spot.id, with_vector=with_vectors)
                    for spot, record in self._records(spots)
                }
            except (ArchiveUnavailable, ArchiveDamaged):
                if not last:  # else it may just have been written anew elsewhere
                    raise
        raise AssertionError

    def record_of(self, namespace: str, id: str) -> archived.Record | None:
        """Return the record of an archived item, or None if it isn't archived."""
        with self._ledger.reading() as db:
            spots = archived.spots(db, namespace, [id])
        return _sound(*next(self._records(spots))) if spots else None

    def _records(self, spots: Iterable[archived.Spot]) -> Iterator[tuple[archived.Spot, archived.Record | ArchiveDamaged]]:
        target = self.needed()
        for name, several in groupby(sorted(spots, key=lambda spot: (spot.name, spot.start)), key=lambda spot: spot.name):
            of_one = list(several)
            places = sorted({Place(spot.start, spot.length) for spot in of_one})
            found = dict(zip(places, read_records(target, name, places), strict=True))
            for spot in of_one:
                yield spot, found[Place(spot.start, spot.length)]

    def restore(
        self, namespace: str, ids: Sequence[str] | None, passes_filter: Callable[[StoredItem], bool] | None
    ) -> tuple[int, list[str]]:
        """Bring archived items back; return how many, and the ids whose records are damaged.

        Raises:
            NoArchive, ArchiveUnavailable: they can't be read; what was restored before stays restored.
            CapacityExceeded: the file's budget has no room for them; as above.
        """
        with self._ledger.reading() as db:
            spots = archived.spots(db, namespace, ids)
        restored, damaged = 0, []
        sound: list[tuple[archived.Spot, archived.Record]] = []
        for spot, record in self._records(spots):
            if isinstance(record, ArchiveDamaged):
                damaged.append(spot.id)
            elif passes_filter is None or passes_filter(archived.stored(record, spot.id)):
                sound.append((spot, record))
            if len(sound) >= _TOGETHER:
                restored += self._ledger.write(partial(self._place, namespace, sound))
                _restored()
                sound = []
        if sound:
            restored += self._ledger.write(partial(self._place, namespace, sound))
            _restored()
        if restored:
            self._tell(Event("restored", {"namespace": namespace, "items": restored}))
        if damaged:
            self._tell(Event("archive_damaged", {"namespace": namespace, "items": len(damaged)}))
        return restored, damaged

    def _place(self, namespace: str, sound: Sequence[tuple[archived.Spot, archived.Record]], tx: Transaction) -> int:
        now = self._clock.now()
        room = min((room for _, room in self._meter.vector_room(tx.db, namespace)), default=None)
        count = restoring.restore(tx, [spot for spot, _ in sound], [record for _, record in sound], room, now)
        tx.flush()
        over = self._meter.bytes_over(tx.db)
        if over > 0:
            raise CapacityExceeded(f"restoring needs {over} bytes more than max_bytes allows; raise the budget, or delete items first")
        return count

    def clean(self) -> None:
        """Remove objects that nothing needs, and what was left by somebody who died. A failure leaves them to the next time."""
        with self._ledger.reading() as db:
            empty, unfinished = segments.empty_ones(db), segments.unfinished(db)
        if not empty and not unfinished:
            return

        def note(tx: Transaction) -> None:
            segments.give_up_unfinished(tx)
            segments.let_go(tx, empty)

        self._ledger.write(note)
        _let_go()
        with self._ledger.reading() as db:
            leaving = segments.leaving(db)
        for segment, name in leaving:
            for leftover in (temporary(name), name):
                self.needed().delete(leftover)
            _removed()
            self._ledger.write(partial(segments.forget, segment=segment))
            _forgotten()

    def compact(self, *, all_dead: bool = False) -> int:
        """Write objects anew that hold much that is no longer theirs; return how many bytes that saves.

        Args:
            all_dead: of objects with a single such record too, so that nothing of what was deleted is left anywhere.

        Raises:
            ArchiveUnavailable: the target can't be reached; nothing was removed.
        """
        target = self.needed()
        saved = 0
        with self._ledger.reading() as db:
            rows = [row for row in segments.sealed(db) if row.live and row.dead > (0 if all_dead else _DEAD * row.items)]
        for row in rows:
            saved += self._rewrite(target, row)
        with self._ledger.reading() as db:
            gone = {row.segment for row in segments.sealed(db) if not row.live}
            saved += sum(row.size for row in segments.sealed(db) if row.segment in gone)
        self.clean()
        return saved

    def _rewrite(self, target: ArchiveTarget, row: segments.SegmentRow) -> int:
        with self._ledger.reading() as db:
            spots = archived.spots_in(db, row.segment)
        found = list(self._records(spots))
        if any(isinstance(record, ArchiveDamaged) for _, record in found):
            self._tell(Event("archive_damaged", {"object": row.name}))
            return 0  # it stays as it is: what is damaged today may be mended
        by_start: dict[int, tuple[archived.Record, list[archived.Spot]]] = {}
        for spot, record in found:
            by_start.setdefault(spot.start, (_sound(spot, record), []))[1].append(spot)
        kept = [_only(record, {(spot.namespace, spot.id) for spot in several}) for record, several in by_start.values()]
        segment, made = self._write(target, kept)
        _written()

        def point(tx: Transaction) -> None:
            if not segments.seal(tx, segment, made.size, made.digest, len(spots)):
                return
            for (_, several), place in zip(by_start.values(), made.places, strict=True):
                for spot in several:
                    archived.point(tx, spot, segment, place.offset, place.length)

        self._ledger.write(point)
        _pointed()
        return row.size - made.size

    def scrub(self) -> list[Finding]:
        """Read every object in use whole; return what is damaged, missing or out of reach."""
        findings: list[Finding] = []
        with self._ledger.reading() as db:
            rows = segments.sealed(db)
        for row in rows:
            with self._ledger.reading() as db:
                spots = archived.spots_in(db, row.segment)
            places = sorted({Place(spot.start, spot.length) for spot in spots})
            try:
                health = scrub(self.needed(), Segment(row.name, row.size, row.digest, tuple(places)))
            except ArchiveUnavailable as error:
                findings.append(Finding("archive_unavailable", f"{row.name}: {len(spots)} items can't be read: {error}"))
                continue
            hurt = {place.offset for place in health.damaged}
            if not health.whole:
                ids = [spot.id for spot in spots if spot.start in hurt]
                text = f"{row.name} isn't what was written; items that can't be restored: {len(ids)}"
                findings.append(Finding("archive_damaged", f"{text}{', such as ' + repr(ids[0]) if ids else ''}"))
        return findings

    def orphans(self, names: Iterable[str]) -> list[str]:
        """Return those of the names in the archive that are of this store, but that the ledger does not know."""
        with self._ledger.reading() as db:
            known, instance = segments.names(db), records.meta(db, "instance")
        return [name for name in names if instance is not None and instance in name and name not in known]


def _sound(spot: archived.Spot, record: archived.Record | ArchiveDamaged) -> archived.Record:
    if isinstance(record, ArchiveDamaged):
        raise ArchiveDamaged(f"the record of {spot.id!r} (namespace {spot.namespace!r}) in {spot.name} is damaged: {record}") from record
    return record


def _only(record: archived.Record, ids: set[tuple[str, str]]) -> archived.Record:
    """Return a record without the items that left it."""
    return {**record, "items": [item for item in record["items"] if (record["namespace"], item["id"]) in ids]}
