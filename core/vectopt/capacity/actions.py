"""What can be done, each in bounded steps: short transactions, between which others write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from ..archiving import Archivist
from ..failpoints import Failpoint
from ..ledger import Ledger, Transaction, evicting, passes, records
from ..protocols import Clock

_STEP = 64  # texts in one transaction: searches take in what it did

_dropped = Failpoint("capacity.dropped")
_deleted = Failpoint("capacity.deleted")
_sketches_dropped = Failpoint("capacity.sketches_dropped")
_vacuumed = Failpoint("capacity.vacuumed")


class Actions:
    """Lets texts leave, and makes the file smaller."""

    def __init__(self, ledger: Ledger, archivist: Archivist, clock: Clock) -> None:
        self._ledger = ledger
        self._archivist = archivist
        self._clock = clock

    def drop(self, slots: Sequence[int], reason: str, number: int | None = None) -> int:
        """Let vectors go; the texts stay findable. Return how many went."""
        gone = 0
        for step in _steps(slots):
            gone += self._ledger.write(partial(self._drop, step, reason, number))
            _dropped()
        return gone

    def _drop(self, slots: Sequence[int], reason: str, number: int | None, tx: Transaction) -> int:
        dropped = evicting.drop(tx, slots, self._clock.now(), reason)
        if number is not None:
            firsts = [(owner, id) for slot in dropped for owner, id in evicting.ids_of(tx.db, [slot])[:1]]
            passes.note_taken(tx, "vector", firsts)
        return len(dropped)

    def archive(self, slots: Sequence[int], number: int | None = None) -> int:
        """Archive texts with their items; return how many items."""
        return self._archivist.archive(slots, but_pinned=True, number=number)

    def delete(self, slots: Sequence[int], seen: int) -> int:
        """Delete texts with their items, for good, but for those that changed after the change `seen`; return how many items."""
        gone = 0
        for step in _steps(slots):
            gone += self._ledger.write(partial(evicting.delete, slots=step, seen=seen))
            _deleted()
        return gone

    def drop_sketches(self, count: int) -> int:
        """Drop the sketches of least worth in the store; return how many."""
        gone = self._ledger.write(lambda tx: evicting.drop_sketches(tx, count))
        _sketches_dropped()
        return gone

    def vacuum(self) -> tuple[int, int]:
        """Write the file anew without holes; return its bytes before and after."""
        before = self.file_bytes()
        self._ledger.vacuum()
        _vacuumed()
        self._ledger.write(lambda tx: records.set_meta(tx, "vacuumed", records.newest_gone(tx.db)))
        return before, self.file_bytes()

    def has_holes(self) -> bool:
        """Tell whether texts have left since the file was written anew."""
        with self._ledger.reading() as db:
            return records.newest_gone(db) > (records.meta(db, "vacuumed") or 0)

    def file_bytes(self) -> int:
        """Return the bytes in use in the file."""
        with self._ledger.reading() as db:
            return self._ledger.file_bytes(db)


def _steps(slots: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(slots), _STEP):
        yield slots[start : start + _STEP]
