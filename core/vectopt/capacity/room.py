"""Room for an add that the file's budget refused: one text leaves for another that comes."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ArchiveDamaged, ArchiveUnavailable
from ..ledger import Ledger, records
from ..model import CapacityAction, Limit
from ..settings import CapacitySettings
from .actions import Actions
from .alarm import Alarm
from .outlook import Leaving, Outlook, Scope

_BEYOND = 0.1  # of the budget, freed besides what is needed: so that not every add asks for room
_SLACK = 16 * 4096  # bytes
_ROUNDS = 6


@dataclass(frozen=True, slots=True)
class Room:
    """Makes room in the file, as in an emergency, but without brake and grace: nothing is removed for its own sake."""

    ledger: Ledger
    outlook: Outlook
    actions: Actions
    alarm: Alarm
    settings: CapacitySettings

    def make(self, needed: int, limit: int) -> bool:
        """Make room for an add of so many bytes under a limit on the file; tell whether there is some now."""
        ample = needed + _SLACK + needed // 8  # pages are taken whole
        held = self.actions.file_bytes()
        if held + ample <= limit:  # somebody else made room meanwhile
            return True
        target = max(0, limit - ample - int(limit * _BEYOND))
        for _ in range(_ROUNDS):
            if held <= target or not self._relieve(held - target):
                break
            held = self.actions.file_bytes()
        return held + needed <= limit

    def _relieve(self, wanted: int) -> bool:
        """Let go of about so many bytes; tell whether anything went."""
        with self.ledger.reading() as db:
            scope = next((one for one in self.outlook.scopes(db, self.settings) if one.fullest.limit is Limit.FILE_BYTES), None)
            if scope is None:
                return False
            leaving = list(self.outlook.leaving(db, scope, self.settings, wanted=wanted, braked=False))
            sketches = records.counters(db).get("sketches", 0)
            each = self.ledger.sketch_bytes(db) or 1
        went = sum(self._leave(some, scope) for some in leaving)
        if not went and sketches:
            went = self.actions.drop_sketches(min(sketches, wanted // each + 1))
        if not went and not self.actions.has_holes():
            return False
        before, after = self.actions.vacuum()
        return went > 0 or after < before  # what is freed of a page shows only when the page is

    def _leave(self, some: Leaving, scope: Scope) -> int:
        if some.way.vectors:
            return self.actions.drop(some.slots, "its bytes were needed for new texts; the text stays")
        if some.way.action is not CapacityAction.ARCHIVE_OLD:
            return self.actions.delete(some.slots, some.seen)
        try:
            return self.actions.archive(some.slots)
        except (ArchiveUnavailable, ArchiveDamaged) as error:
            self.alarm.archive_failed(error, scope)
            return 0
