"""Between the ledger and the archive: copy, verify, flip, and only then let go.

An object is noted before it is written, is written whole and read back, and is taken into use in the transaction in which the
texts leave the ledger. One that nothing needs is noted as leaving, removed, and forgotten. Whoever dies on the way leaves an object
that the next one to act removes.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial

from .archive import ArchiveTarget, Place, Segment, is_temporary, salvage, scrub, write_segment
from .archive.codec import codec_named
from .archive.target import temporary
from .errors import ArchiveDamaged, ArchiveUnavailable, InvalidInput, StoreError
from .failpoints import Failpoint
from .ledger import Ledger, Transaction, archived, evicting, items, passes, records, segments
from .meter import Meter
from .model import Event, Finding
from .outreach import Outreach
from .protocols import Clock
from .unarchiving import Unarchiver

_TEXTS = 1000  # in one object
_STEP = 32  # texts that leave the ledger in one transaction: searches take in what it did
_BYTES = 16 * 2**20  # of records in one object, before they are compressed

_intended = Failpoint("archiving.intended")
_written = Failpoint("archiving.written")
_flipped = Failpoint("archiving.flipped")
_let_go = Failpoint("archiving.let_go")
_removed = Failpoint("archiving.removed")
_forgotten = Failpoint("archiving.forgotten")
_pointed = Failpoint("archiving.pointed")

Read = tuple[int, int, archived.Record]  # slot, the change it was read at, its record


class Archivist(Unarchiver):
    """Moves texts into the archive and back. Whoever calls what changes the archive's objects holds the ledger's `acting` lock."""

    def __init__(
        self,
        ledger: Ledger,
        target: ArchiveTarget | None,
        meter: Meter,
        clock: Clock,
        tell: Callable[[Event], None],
        outreach: Outreach | None = None,
        *,
        near_duplicates: bool = True,
        between: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(ledger, target, meter, clock, tell, near_duplicates=near_duplicates, between=between)
        self._outreach = outreach

    def archive(self, slots: Sequence[int], *, but_pinned: bool = False, number: int | None = None) -> int:
        """Archive texts with all their items; return how many items. Texts that change meanwhile stay, and those too large for a record.

        Args:
            slots: the texts.
            but_pinned: whether pinned ones stay.
            number: of the pass that takes them away, if one does.

        Raises:
            NoArchive: nobody said where to.
            ArchiveUnavailable, ArchiveDamaged: it could not be written, or not as it was meant; what was not archived before stays.
        """
        target = self.needed()
        return sum(self._archive(target, portion, but_pinned, number) for portion in self._portions(slots))

    def _portions(self, slots: Sequence[int]) -> Iterator[list[Read]]:
        for start in range(0, len(slots), _TEXTS):
            with self._ledger.reading() as db:
                read: list[Read] = []
                for one in archived.records(db, slots[start : start + _TEXTS]):
                    read.append(one)
                    self._between()
            read = self._whole(read)
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

    def _whole(self, read: list[Read]) -> list[Read]:
        """Return the records with the vectors that only a store outside has; without those that it can't give now."""
        wanted: dict[str, list[int]] = {}
        for _, _, record in read:
            if "copy" in record:
                wanted.setdefault(record["namespace"], []).append(record["copy"])
        found = {} if self._outreach is None else {one: self._outreach.fetch(one, copies) for one, copies in wanted.items()}
        whole: list[Read] = []
        for slot, changed, record in read:
            copy = record.pop("copy", None)
            if copy is not None:
                vector = found.get(record["namespace"], {}).get(copy)
                if vector is None:
                    continue
                archived.give_vector(record, vector)
            whole.append((slot, changed, record))
        return whole

    def _archive(self, target: ArchiveTarget, portion: Sequence[Read], but_pinned: bool, number: int | None) -> int:
        try:
            segment, made = self._write(target, [record for _, _, record in portion])
        except InvalidInput as error:  # one of them is too large for a record
            if len(portion) == 1:
                self._tell(Event("not_archived", {"namespace": portion[0][2]["namespace"], "error": str(error)}))
                return 0
            half = len(portion) // 2
            return sum(self._archive(target, some, but_pinned, number) for some in (portion[:half], portion[half:]))
        many = sum(len(record["items"]) for _, _, record in portion)
        placed = list(zip(portion, made.places, strict=True))
        count = 0
        for start in range(0, len(placed), _STEP):
            count += self._ledger.write(partial(self._flip, segment, made, many, placed[start : start + _STEP], but_pinned, number))
            _flipped()
            self._between()
        return count

    def _write(self, target: ArchiveTarget, what: Sequence[archived.Record]) -> tuple[int, Segment]:
        segment, stem = self._ledger.write(self._intend)
        _intended()
        try:
            made = write_segment(target, stem, what, between=self._between)
        except BaseException:
            with suppress(StoreError):  # else it is let go by the next one to clean
                self._ledger.write(lambda tx: segments.let_go(tx, [segment]))
            raise
        _written()
        return segment, made

    def _intend(self, tx: Transaction) -> tuple[int, str]:
        """Note that an object is about to be written; return its number and its name without endings.

        The name begins with the store's own, by which its objects are known among others'.
        """
        instance = records.meta(tx.db, "instance")
        if instance is None:
            instance = uuid.uuid4().hex
            records.set_meta(tx, "instance", instance)
        stem = f"{instance}-{uuid.uuid4().hex}"
        return segments.begin(tx, stem + codec_named(None).suffix, self._clock.now()), stem

    @staticmethod
    def _flip(
        segment: int, made: Segment, many: int, placed: Sequence[tuple[Read, Place]], but_pinned: bool, number: int | None, tx: Transaction
    ) -> int:
        """Let texts leave the ledger for an object that was verified; those that changed since they were read stay."""
        if not segments.seal(tx, segment, made.size, made.digest, many):
            return 0
        count = 0
        for (slot, changed, record), place in placed:
            if not archived.unchanged(tx, slot, changed) or (but_pinned and evicting.pinned(tx.db, slot)):
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

    def compact(self) -> None:
        """Write objects anew that hold what is no longer theirs, so that nothing of what was deleted is left anywhere.

        Raises:
            ArchiveUnavailable: the target can't be reached; nothing was removed.
        """
        target = self.needed()
        with self._ledger.reading() as db:
            rows = [row for row in segments.sealed(db) if row.live and row.dead]
        there = set(target.names()) if rows else set()
        for row in rows:
            if row.name in there:
                self._rewrite(target, row)
            else:
                self._tell(Event("archive_damaged", {"object": row.name}))  # it was removed by others: the next ones can't help it
        self.clean()

    def _rewrite(self, target: ArchiveTarget, row: segments.SegmentRow) -> None:
        with self._ledger.reading() as db:
            spots = archived.spots_in(db, row.segment)
        if not spots:  # the last of them left just now
            return
        found = list(self._records(spots, self._between))
        if any(isinstance(record, ArchiveDamaged) for _, record in found):
            self._tell(Event("archive_damaged", {"object": row.name}))
            return  # it stays as it is: what is damaged today may be mended
        by_start: dict[int, tuple[archived.Record, list[archived.Spot]]] = {}
        for spot, record in found:
            assert not isinstance(record, ArchiveDamaged)
            by_start.setdefault(spot.start, (record, []))[1].append(spot)
        kept = [_only(record, {(spot.namespace, spot.id) for spot in several}) for record, several in by_start.values()]
        segment, made = self._write(target, kept)

        def point(tx: Transaction) -> None:
            if not segments.seal(tx, segment, made.size, made.digest, len(spots)):
                return
            for (_, several), place in zip(by_start.values(), made.places, strict=True):
                for spot in several:
                    archived.point(tx, spot, segment, place.offset, place.length)

        self._ledger.write(point)
        _pointed()

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
                with self._ledger.reading() as db:
                    spots = archived.spots_in(db, row.segment)
                if spots:  # else it was written anew elsewhere meanwhile
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

    def spare(self, name: str) -> bool:
        """Tell whether an orphan may be removed: all that it holds is held elsewhere, as it is there or newer.

        One that a store wrote before it was set back to a backup may hold the last copy of what came after the backup.
        """
        if is_temporary(name):
            return True
        with self._ledger.reading() as db:
            found = salvage(self.needed(), name)
            return all(not isinstance(record, ArchiveDamaged) and archived.holds(db, record) for record in found)


def _only(record: archived.Record, ids: set[tuple[str, str]]) -> archived.Record:
    """Return a record without the items that left it."""
    return {**record, "items": [item for item in record["items"] if (record["namespace"], item["id"]) in ids]}
