"""Alerts: kept, bounded, told once when a level is reached."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ..errors import ArchiveDamaged, ArchiveUnavailable
from ..failpoints import Failpoint
from ..ledger import Ledger, passes
from ..model import CapacityAction, CapacityAlert, CapacityLevel, Event
from ..protocols import Clock
from ..settings import CapacitySettings
from ..strategy import ACTIONS, thresholds
from .outlook import Outlook, Scope

_GOES_ON = frozenset(("archive_unavailable", "archive_damaged", "pass_failed"))
_HOUR = 3600

_alerted = Failpoint("capacity.alerted")


class Alarm:
    """Says that something is the matter, so that it lasts."""

    def __init__(self, ledger: Ledger, outlook: Outlook, clock: Clock, tell: Callable[[Event], None]) -> None:
        self._ledger = ledger
        self._outlook = outlook
        self._clock = clock
        self._tell = tell
        self._listeners: list[Callable[[CapacityAlert], object]] = []

    def listen(self, listener: Callable[[CapacityAlert], object]) -> None:
        """Have a callback called with every alert that this process raises."""
        self._listeners.append(listener)

    def levels(self, scopes: Sequence[Scope], settings: CapacitySettings) -> None:
        """Note the level each budget is at, and alert where it is a worse one than before."""
        worst: dict[str | None, Scope] = {}
        for scope in scopes:  # the most pressing limit of each budget comes first
            worst.setdefault(scope.name, scope)
        with self._ledger.reading() as db:
            before = {name: passes.level(db, name) for name in worst}
        for name, scope in worst.items():
            if scope.level.rank > before[name].rank:
                whose = "the store" if name is None else f"namespace {name!r}"
                message = f"{whose} uses {scope.fullest.utilisation:.1%} of {scope.fullest.limit}"
                self.trouble(scope.level.value, message, scope, thresholds(settings)[scope.level], self._advice(scope, settings))
            if scope.level is not before[name]:
                self._ledger.write(partial(passes.note_level, scope=name, now_at=scope.level))

    def _advice(self, scope: Scope, settings: CapacitySettings) -> tuple[CapacityAction, ...]:
        if scope.level is not CapacityLevel.EMERGENCY:
            return ACTIONS[scope.level]
        return (*dict.fromkeys(way.action for way in self._outlook.kinds(scope, settings)), CapacityAction.OPTIMIZE_INDEX)

    def archive_failed(self, error: ArchiveUnavailable | ArchiveDamaged, scope: Scope | None = None) -> None:
        """Say that the archive can't be used; nothing is lost by that."""
        self.trouble("archive_damaged" if isinstance(error, ArchiveDamaged) else "archive_unavailable", str(error), scope)

    def trouble(
        self,
        kind: str,
        message: str,
        scope: Scope | None = None,
        threshold: float = 1.0,
        advice: tuple[CapacityAction, ...] = (),
    ) -> None:
        """Keep an alert, and tell of it; trouble that goes on is told once an hour, so that it doesn't push the others out."""
        usage, name = (0.0, None) if scope is None else (scope.fullest.utilisation, scope.name)
        with self._ledger.reading() as db:
            last = passes.alerts(db, 1)
        if kind in _GOES_ON and last and last[0].alert_type == kind and 0 <= self._clock.now() - last[0].created_at < _HOUR:
            return
        one = CapacityAlert(kind, usage, threshold, advice, self._clock.now(), name, message)
        self._ledger.write(lambda tx: passes.alert(tx, one))
        _alerted()
        self._tell(Event("capacity_alert", {"type": kind, "usage": usage, "namespace": name, "message": message}))
        for listener in self._listeners:
            try:
                listener(one)
            except Exception as error:  # theirs to mend; the alert is kept
                self._tell(Event("alert_callback_failed", {"error": type(error).__name__}))
