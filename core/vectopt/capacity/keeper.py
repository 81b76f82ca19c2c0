"""The one that keeps the store within its budgets."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from ..archiving import Archivist
from ..errors import InvalidInput, StoreBusy
from ..failpoints import Failpoint
from ..ledger import Ledger, evicting, passes, records
from ..merging import Merging
from ..meter import Meter
from ..model import CapacityAction, CapacityLevel, CapacityPlan, CapacityReport, Event, PlannedStep
from ..protocols import Clock
from ..settings import CapacitySettings, Settings
from ..strategy import ACTIONS
from ..upkeep import Upkeep
from .actions import Actions
from .alarm import Alarm
from .outlook import Outlook, Scope
from .passing import Pass
from .room import Room

_SHOWN = 100  # ids that a plan names
_BUSY = "another thread or process is at it"
_PAUSED = "passes are paused"
_NONE_MAY = "but now none may: they are new, pinned, or were found lately"
_OF_ITSELF = {
    CapacityAction.MAINTAIN: "temp vectors whose time is over end, and the counters are audited",
    CapacityAction.COMPRESS_SIMILAR: "texts that say the same come to share one place",
    CapacityAction.PROMOTE_TEMP: "temp vectors that earned it stay",
    CapacityAction.OPTIMIZE_INDEX: "the file is written anew without holes",
}

_begun = Failpoint("capacity.begun")
_ended = Failpoint("capacity.ended")
_undone = Failpoint("capacity.undone")


class Keeper:
    """Plans, acts, undoes. One thread of one process acts at a time."""

    def __init__(
        self,
        ledger: Ledger,
        meter: Meter,
        archivist: Archivist,
        upkeep: Upkeep,
        merging: Merging,
        clock: Clock,
        settings: Settings,
        tell: Callable[[Event], None],
    ) -> None:
        self.outlook = Outlook(ledger, meter, clock, archive=archivist.target is not None)
        self.alarm = Alarm(ledger, self.outlook, clock, tell)
        self._actions = Actions(ledger, archivist, clock)
        self._ledger = ledger
        self._meter = meter
        self._archivist = archivist
        self._upkeep = upkeep
        self._merging = merging
        self._clock = clock
        self._settings = settings
        self._tell = tell

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Be the one that acts; raises StoreBusy where another is for too long."""
        with self._ledger.acting(self._settings.busy_seconds) as mine:
            if not mine:
                raise StoreBusy("another thread or process has been acting on the capacity for too long; nothing was done")
            yield

    def plan(self, settings: CapacitySettings) -> CapacityPlan:
        """Return what a pass would do now, and why. Nothing is changed."""
        with self._ledger.reading() as db:
            scopes = self.outlook.scopes(db, settings)
            held = _PAUSED if passes.paused(db) else self.outlook.nonsense(scopes)
            if not scopes:
                return CapacityPlan(CapacityLevel.NORMAL, 0.0, held=held)
            worst = scopes[0]
            steps = [_step(action, scope) for scope in scopes for action in ACTIONS[scope.level] if action in _OF_ITSELF]
            for scope in scopes:
                if scope.level is CapacityLevel.EMERGENCY:
                    for some in self.outlook.leaving(db, scope, settings):
                        ids = tuple(id for _, id in evicting.ids_of(db, some.slots[:_SHOWN]))[:_SHOWN]
                        reason = some.way.reason if some.slots else f"{some.way.reason}; {_NONE_MAY}"
                        freed = int(some.each * len(some.slots))
                        steps.append(PlannedStep(some.way.action, len(some.slots), freed, _because(scope, reason), scope.name, ids))
        return CapacityPlan(
            worst.level, worst.fullest.utilisation, worst.fullest.limit, worst.name, () if held else tuple(dict.fromkeys(steps)), held
        )

    def run(self, settings: CapacitySettings) -> CapacityReport:
        """Look at the usage and do what it calls for, in bounded steps; return what was done."""
        with self._ledger.acting(0.0) as mine:
            with self._ledger.reading() as db:
                scopes, paused = self.outlook.scopes(db, settings), passes.paused(db)
            full = scopes[0].fullest.utilisation if scopes else 0.0
            report = CapacityReport(scopes[0].level if scopes else CapacityLevel.NORMAL, full, full)
            if not mine or paused:
                return replace(report, held=_PAUSED if paused else _BUSY)
            held = self.outlook.nonsense(scopes)
            if held:
                self.alarm.trouble("brake", held, scopes[0])
                return replace(report, held=held)
            self.alarm.levels(scopes, settings)
            if not settings.auto_cleanup:
                return replace(report, held="auto_cleanup is off")
            return report if report.level is CapacityLevel.NORMAL else self._pass(scopes, report, settings)

    def _pass(self, scopes: list[Scope], report: CapacityReport, settings: CapacitySettings) -> CapacityReport:
        number = self._ledger.write(lambda tx: passes.begin(tx, self._clock.now()))
        _begun()
        parts = (self._ledger, self.outlook, self._actions, self.alarm, self._archivist, self._upkeep, self._merging)
        result = Pass(*parts, settings, replace(report, number=number)).through(scopes)
        self._ledger.write(lambda tx: passes.end(tx, number, result))
        _ended()
        self._tell(Event("capacity_pass", {"level": result.level, "before": result.before, "after": result.after, "number": number}))
        return result

    def make_room(self, needed: int, settings: CapacitySettings) -> bool:
        """Make room in the file for an add that was refused; tell whether there is some now.

        Args:
            needed: how many bytes the add takes.
            settings: the policy.
        """
        limit = self._meter.max_bytes
        if limit is None or needed >= limit:
            return False
        with self._ledger.acting(self._settings.busy_seconds) as mine:
            with self._ledger.reading() as db:
                paused = passes.paused(db)
            return mine and not paused and Room(self._ledger, self.outlook, self._actions, self.alarm, settings).make(needed, limit)

    def compact(self, settings: CapacitySettings) -> CapacityReport:
        """Make everything as small as it can be without losing anything; return what that did."""
        with self.acting():
            with self._ledger.reading() as db:
                names = records.namespaces(db)
                full = self._full(db, settings)
            before = self._actions.file_bytes()
            promoted, expired = self._upkeep.settle()
            merged = sum(self._merging.run(name, None).merged for name in names)
            self._actions.vacuum()
            if self._archivist.target is not None:
                self._archivist.compact()
            with self._ledger.reading() as db:
                after = self._full(db, settings)
        return CapacityReport(
            CapacityLevel.NORMAL,
            full,
            after,
            bytes_before=before,
            bytes_after=self._actions.file_bytes(),
            expired=expired,
            promoted=promoted,
            merged=merged,
        )

    def _full(self, db: sqlite3.Connection, settings: CapacitySettings) -> float:
        return max((scope.fullest.utilisation for scope in self.outlook.scopes(db, settings)), default=0.0)

    def pause(self, paused: bool) -> None:
        """Have no pass act until further notice, in no process; or act again."""
        self._ledger.write(lambda tx: passes.pause(tx, paused))

    def undo(self) -> CapacityReport:
        """Bring back what the last pass took: archived items from the archive, vectors by embedding their texts again.

        Raises:
            InvalidInput: there is no such pass.
            StoreBusy, ArchiveUnavailable, CapacityExceeded: as they say; what came back before stays, and it can be tried again.
        """
        with self.acting():
            with self._ledger.reading() as db:
                number, taken = passes.last(db), passes.taken(db)
            if number is None:
                raise InvalidInput("there is no pass to undo: none was made yet, or the last one was undone")
            restored, damaged = 0, list[str]()
            for owner in dict.fromkeys(namespace for namespace, _, what in taken if what == "item"):
                count, hurt = self._archivist.restore(owner, [id for name, id, what in taken if (name, what) == (owner, "item")], None)
                restored, damaged = restored + count, damaged + hurt
            vectors = [(namespace, id) for namespace, id, what in taken if what == "vector"]
            ttl, now = self._settings.temp.ttl_seconds, self._clock.now()
            queued = self._ledger.write(lambda tx: evicting.queue_again(tx, vectors, ttl, now))
            self._ledger.write(lambda tx: passes.undone(tx, number))
            _undone()
        problems = tuple(f"the archived record of {id!r} is damaged" for id in damaged)
        return CapacityReport(CapacityLevel.NORMAL, 0.0, 0.0, number, dropped=-queued, archived=-restored, problems=problems)


def _step(action: CapacityAction, scope: Scope) -> PlannedStep:
    return PlannedStep(action, 0, 0, _because(scope, _OF_ITSELF[action]), scope.name)


def _because(scope: Scope, what: str) -> str:
    return f"{scope.fullest.utilisation:.1%} of {scope.fullest.limit} are used; {what}"
