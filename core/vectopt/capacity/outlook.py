"""How full the budgets are, and who would leave in which way. Nothing is changed here."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..ledger import Ledger, evicting, passes, records
from ..meter import Meter
from ..model import CapacityAction, CapacityLevel, Limit
from ..protocols import Clock
from ..settings import CapacitySettings
from ..strategy import Fullest, Usage, brake, eviction_order, excess, level_of, nonsense, shares


@dataclass(frozen=True, slots=True)
class Scope:
    """A limit as it stands, of the store's budget (name None) or a namespace's."""

    name: str | None
    usage: Usage
    fullest: Fullest
    level: CapacityLevel
    texts: int


@dataclass(frozen=True, slots=True)
class Way:
    """A way for texts to leave. `vectors`: their vectors alone. `unused_seconds`: only those unused for so long."""

    action: CapacityAction
    vectors: bool
    reason: str
    unused_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Leaving:
    """Who would leave in a way, the first to leave first, and how much of the limit each frees, about; as of the change `seen`."""

    way: Way
    slots: list[int]
    each: float
    seen: int


DROP = Way(CapacityAction.DELETE_LOW_PRIORITY, True, "the vectors of least worth leave, their texts stay findable")
ARCHIVE = Way(CapacityAction.ARCHIVE_OLD, False, "the texts of least worth go to the archive, from which they can be restored")
DELETE = Way(CapacityAction.DELETE_LOW_PRIORITY, False, 'the items of least worth are deleted for good, as policy="delete" says')


class Outlook:
    """Reads the budgets, and reckons what would help."""

    def __init__(self, ledger: Ledger, meter: Meter, clock: Clock, *, archive: bool) -> None:
        self._ledger = ledger
        self._meter = meter
        self._clock = clock
        self._archive = archive

    def policy(self, settings: CapacitySettings) -> str:
        """Return what leaves in an emergency."""
        return settings.policy or ("archive" if self._archive else "keep_text")

    def scopes(self, db: sqlite3.Connection, settings: CapacitySettings) -> list[Scope]:
        """Return every limit on what is held, the most pressing first."""
        now = self._clock.now()
        found: list[Scope] = []
        for name, budget in self._meter.budgets():
            usage, texts, before = self._meter.usage(db, name, now), records.counters(db, name).get("slots", 0), passes.level(db, name)
            found += [Scope(name, usage, one, level_of(one, settings, before), texts) for one in shares(usage, budget)]
        return sorted(found, key=lambda scope: (-scope.level.rank, -scope.fullest.utilisation))

    @staticmethod
    def nonsense(scopes: list[Scope]) -> str | None:
        """Tell what is impossible about the usage, if anything is: then nothing may be removed."""
        wrong = next((what for scope in scopes if (what := nonsense(scope.usage))), None)
        return None if wrong is None else f"the usage makes no sense: {wrong}; run `vectopt doctor`"

    def kinds(self, scope: Scope, settings: CapacitySettings) -> list[Way]:
        """Return the ways in which the policy lets texts leave, the mildest first."""
        policy = self.policy(settings)
        drop = [] if scope.fullest.limit is Limit.ITEMS else [DROP]  # a vector less is no item less
        if policy == "archive":
            old = replace(ARCHIVE, unused_seconds=settings.archive_after_seconds)
            return [old, *drop, ARCHIVE] if self._archive else drop
        return [*drop, DELETE] if policy == "delete" else drop

    def leaving(
        self, db: sqlite3.Connection, scope: Scope, settings: CapacitySettings, *, wanted: float | None = None, braked: bool = True
    ) -> Iterator[Leaving]:
        """Yield who would leave, way after way, until enough of the limit is free.

        Args:
            db: the reading transaction.
            scope: the limit.
            settings: the thresholds, the policy, the brake.
            wanted: how much is to be free; by default so much that the limit is below the warning again.
            braked: whether the brake and the time of grace hold, as they do for a pass.
        """
        left = float(excess(scope.fullest, settings) if wanted is None else wanted)
        may = brake(scope.texts, settings) if braked else scope.texts
        now, taken = self._clock.now(), set[int]()
        for way in self.kinds(scope, settings):
            each = self._freed(db, scope, way)
            if left <= 0 or may <= 0 or each <= 0:
                continue
            found = [one for one in evicting.candidates(db, scope.name, with_vectors=way.vectors) if one.slot not in taken]
            found = [one for one in found if now - max(one.made_at, one.used_at) >= way.unused_seconds]
            order = eviction_order(found, now, settings.grace_seconds if braked else 0.0)
            slots = order[: min(may, int(left / each) + 1)]
            yield Leaving(way, slots, each, records.meta(db, "change"))
            taken.update(slots)
            may, left = may - len(slots), left - each * len(slots)

    def _freed(self, db: sqlite3.Connection, scope: Scope, way: Way) -> float:
        """Return how much of a limit one text frees that leaves in some way, on average."""
        counts = records.counters(db, scope.name)
        texts, vectors = max(1, counts.get("slots", 0)), max(1, counts.get("vectors", 0))
        limit = scope.fullest.limit
        if way.vectors:
            return counts.get("vector_bytes", 0) / vectors - (self._ledger.sketch_bytes(db) or 0)
        if limit is Limit.ITEMS:
            return counts.get("items", 0) / texts
        return (scope.usage.ram_bytes if limit is Limit.RAM_BYTES else self._ledger.file_bytes(db)) / texts
