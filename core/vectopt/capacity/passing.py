"""One pass: what the levels call for, done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from ..archiving import Archivist
from ..errors import ArchiveDamaged, ArchiveUnavailable
from ..ledger import Ledger, records
from ..merging import Merging
from ..model import CapacityAction, CapacityLevel, CapacityReport, Limit
from ..settings import CapacitySettings
from ..strategy import brake
from ..upkeep import Upkeep
from .actions import Actions
from .alarm import Alarm
from .outlook import Leaving, Outlook, Scope

_PORTION = 1000  # texts archived at a time: where the target fails, the report knows of those before


@dataclass(slots=True)
class Pass:
    """A pass at work. Its parts are the keeper's; `report` grows as things are done."""

    ledger: Ledger
    outlook: Outlook
    actions: Actions
    alarm: Alarm
    archivist: Archivist
    upkeep: Upkeep
    merging: Merging
    settings: CapacitySettings
    report: CapacityReport
    problems: list[str] = field(default_factory=list)

    def through(self, scopes: Sequence[Scope]) -> CapacityReport:
        """Do what the scopes' levels call for; return what was done."""
        self.report = replace(self.report, bytes_before=self.actions.file_bytes())
        self._maintain()
        if self.report.level.rank >= CapacityLevel.CRITICAL.rank:
            self._compress([scope for scope in scopes if scope.level.rank >= CapacityLevel.CRITICAL.rank])
        emergencies = [scope for scope in scopes if scope.level is CapacityLevel.EMERGENCY]
        for scope in emergencies:
            self._relieve(scope)
        if any(scope.fullest.limit is Limit.FILE_BYTES for scope in emergencies):
            self.actions.vacuum()
        if self.archivist.target is not None and not self.problems:
            self._try(self.archivist.clean)
        with self.ledger.reading() as db:
            after = self.outlook.scopes(db, self.settings)
        return replace(
            self.report,
            after=max((scope.fullest.utilisation for scope in after), default=0.0),
            bytes_after=self.actions.file_bytes(),
            problems=tuple(self.problems),
        )

    def _maintain(self) -> None:
        promoted, expired = self.upkeep.settle()
        self.report = replace(self.report, promoted=promoted, expired=expired)
        wrong = self.ledger.write(records.correct)
        if wrong:
            self.problems.append(f"counters that were not what a recount says are corrected: {', '.join(wrong[:5])}")
            self.alarm.trouble("counters", self.problems[-1])

    def _compress(self, scopes: Sequence[Scope]) -> None:
        with self.ledger.reading() as db:
            every = records.namespaces(db)
        names = every if any(scope.name is None for scope in scopes) else [scope.name for scope in scopes if scope.name is not None]
        merged = sum(self.merging.run(name, None).merged for name in dict.fromkeys(names))
        self.report = replace(self.report, merged=merged)

    def _relieve(self, scope: Scope) -> None:
        """Let texts leave as planned, as far as the brake lets all of a pass's actions together."""
        with self.ledger.reading() as db:
            now = next((one for one in self.outlook.scopes(db, self.settings) if _same(one, scope)), None)
            if now is None or now.level is not CapacityLevel.EMERGENCY:
                return  # what was done before was enough
            leaving = list(self.outlook.leaving(db, now, self.settings))
        may = brake(now.texts, self.settings) - self.report.dropped - self.report.archived - self.report.deleted
        for some in leaving:
            slots = some.slots[: max(0, may)]
            may -= len(slots)
            if slots:
                self._try(partial(self._leave, some, slots))

    def _leave(self, some: Leaving, slots: Sequence[int]) -> None:
        number = self.report.number
        if some.way.vectors:
            gone = self.actions.drop(slots, "the budget is nearly used up, and this vector was worth least; the text stays", number)
            self.report = replace(self.report, dropped=self.report.dropped + gone)
        elif some.way.action is CapacityAction.ARCHIVE_OLD:
            for start in range(0, len(slots), _PORTION):
                count = self.actions.archive(slots[start : start + _PORTION], number)
                self.report = replace(self.report, archived=self.report.archived + count)
        else:
            self.report = replace(self.report, deleted=self.report.deleted + self.actions.delete(slots, some.seen))

    def _try(self, do: Callable[[], None]) -> None:
        """Do something to the archive; where it can't be reached, say so, and lose nothing."""
        try:
            do()
        except (ArchiveUnavailable, ArchiveDamaged) as error:
            self.problems.append(str(error))
            self.alarm.archive_failed(error)


def _same(one: Scope, other: Scope) -> bool:
    return one.name == other.name and one.fullest.limit is other.fullest.limit
