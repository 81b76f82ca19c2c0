"""The first flow: content -> analysis -> strategy -> ledger (intent) -> embed now | queue | temp | cache."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Any

from .errors import CapacityExceeded
from .judging import Judging, Route
from .knowledge import Knowledge, Known
from .ledger import Ledger, Transaction, avoided, items, placing, records
from .ledger.draft import Draft
from .meter import Meter
from .model import Decision, Item, Status, Tier, WhyNot
from .protocols import Clock
from .settings import Settings
from .turns import Turns
from .validation import CheckedChange, checked_items
from .vectorizer import bind_space, hold_budget

_STATUS: dict[Tier, Status] = {
    Tier.PERSISTENT: Status.VECTORIZED,
    Tier.TEMP: Status.TEMP_VECTORIZED,
    Tier.QUEUED: Status.QUEUED,
    Tier.CACHED: Status.CACHED_ONLY,
    Tier.ARCHIVED: Status.CACHED_ONLY,
}

COUNTER: dict[Status, str] = {
    Status.VECTORIZED: "vectorized_count",
    Status.QUEUED: "queued_count",
    Status.TEMP_VECTORIZED: "temp_vector_count",
    Status.CACHED_ONLY: "cached_count",
    Status.ERROR: "skipped_count",
}


def status_of(tier: Tier) -> Status:
    """Return the status that an item in this tier has."""
    return _STATUS[tier]


@dataclass(frozen=True, slots=True)
class Taken:
    """Items that are in the ledger, and the slots of those to be embedded now."""

    placed: tuple[placing.Placed, ...] = ()
    decisions: tuple[Decision, ...] = ()
    counted: tuple[Status, ...] = ()  # the status each was counted under
    embed_now: tuple[int, ...] = ()


class Intake:
    """Takes items in: judges them, and writes them to the ledger with what is to be done."""

    def __init__(self, ledger: Ledger, meter: Meter, clock: Clock, settings: Settings, turns: Turns, judging: Judging) -> None:
        self._ledger = ledger
        self._meter = meter
        self._clock = clock
        self._settings = settings
        self._turns = turns
        self._judging = judging
        self._lock = RLock()
        self._knowledge = Knowledge(ledger)

    def take(self, given: Iterable[Item | Mapping[str, Any] | str], namespace: str, route: Route) -> Taken:
        """Judge the items and store them, all or none.

        Raises:
            InvalidItem, InvalidVector: nothing was stored.
            CapacityExceeded: max_items; nothing was stored.
        """
        checked = checked_items(given, self._settings)
        return self.change([CheckedChange(namespace, checked)], route)[0] if checked else Taken()

    def change(self, changes: Sequence[CheckedChange], route: Route) -> list[Taken]:
        """Judge the items of several namespaces, store them and delete what is to be deleted, all or nothing.

        Raises:
            InvalidVector, CapacityExceeded: nothing was changed.
        """
        self._ledger.check()
        if not changes:
            return []
        judged: list[tuple[CheckedChange, Known | None, list[Draft]]] = []
        with self._turns, self._lock, self._ledger.reading() as db:  # the turn first: who has one may be called by a search
            for change in changes:
                known = self._knowledge.of(db, change.namespace) if change.items else None
                drafts = [] if known is None else self._judging.drafts(db, change.namespace, known, change.items, route)
                judged.append((change, known, drafts))
        try:
            return self._ledger.write(lambda tx: [self._store(tx, *one) for one in judged])
        except BaseException:
            with self._lock:  # another thread may be looking something up
                for change in changes:
                    self._knowledge.forget(change.namespace)
            raise

    def _store(self, tx: Transaction, change: CheckedChange, known: Known | None, drafts: Sequence[Draft]) -> Taken:
        namespace, now = change.namespace, self._clock.now()
        held = self._ledger.file_bytes(tx.db) if self._meter.max_bytes else 0
        untouched = known is not None and records.last_slot(tx.db, namespace) == known.newest
        limits = [(scope, budget.max_items) for scope, budget in self._meter.scopes(namespace) if budget.max_items is not None]
        before = [records.counters(tx.db, scope).get("items", 0) for scope, _ in limits]
        placed = placing.place(tx, namespace, drafts, now)
        renumbered = _delete(tx, change, {draft.id for draft in drafts}) > 0
        tx.flush()
        for (scope, limit), held in zip(limits, before, strict=True):
            _refuse_too_many(scope, records.counters(tx.db, scope).get("items", 0), limit, held)
        brought = next((draft.vector for draft in drafts if draft.vector is not None), None)
        if brought is not None:
            bind_space(tx, None, len(brought) // 4)
            hold_budget(tx, self._meter, namespace, now)
        over = self._meter.bytes_over(tx.db)
        if over > 0:
            needed = max(1, self._ledger.file_bytes(tx.db) - held)
            message = (
                f"the add would take the file {over:,} bytes over Budget.max_bytes, and nothing may leave for it; nothing of it was stored"
            )
            raise CapacityExceeded(message, needed_bytes=needed)
        embed_now = [items.slot_of(tx.db, namespace, one.id) if renumbered else one.slot for one in placed if one.leased]
        self._count(tx, namespace, placed, drafts)
        if known is not None:
            self._knowledge.stored(tx, namespace, known, [one.slot for one in placed], len(drafts), alone=untouched)
        decisions, counted = tuple(draft.decision for draft in drafts), tuple(map(_meant, placed, drafts))
        return Taken(tuple(placed), decisions, counted, tuple(dict.fromkeys(slot for slot in embed_now if slot is not None)))

    @staticmethod
    def _count(tx: Transaction, namespace: str, placed: Sequence[placing.Placed], drafts: Sequence[Draft]) -> None:
        tx.count(namespace, "total_processed", len(placed))
        for one, draft in zip(placed, drafts, strict=True):
            tx.count(namespace, COUNTER[_meant(one, draft)])
            if draft.vector is None and one.changed and (not one.fresh or one.tier is Tier.CACHED):
                avoided.note(tx, namespace, draft.tokens)

    def save(self) -> None:
        """Write what was learned of the namespaces' texts to the ledger, where there is something new."""
        self._knowledge.save()

    def why_not(self, text: str, namespace: str) -> WhyNot:
        """Judge a text by the rules as written, as `process_content` does, and store nothing."""
        with self._lock, self._ledger.reading() as db:
            return self._judging.why_not(db, namespace, self._knowledge.of(db, namespace), text)

    def correct_counts(self, namespace: str, taken: Taken) -> None:
        """Count items under the status they have, where their embedding didn't come to what was meant."""

        def work(tx: Transaction) -> None:
            tiers = items.tiers(tx.db, namespace, [placed.id for placed in taken.placed])
            for placed, counted in zip(taken.placed, taken.counted, strict=True):
                status = status_of(tiers.get(placed.id, placed.tier))
                tx.count(namespace, COUNTER[counted], -1)
                tx.count(namespace, COUNTER[status])

        self._ledger.write(work)


def _delete(tx: Transaction, change: CheckedChange, kept: set[str]) -> int:
    """Delete what a change deletes and return how many items; last, so that a text that goes on under another id keeps its vector."""
    begun = (id for beginning in change.replace for id in items.begun(tx.db, change.namespace, beginning))
    return items.delete(tx, change.namespace, [id for id in dict.fromkeys((*change.delete, *begun)) if id not in kept])


def _refuse_too_many(scope: str | None, held: int, limit: int, before: int) -> None:
    """Raise CapacityExceeded where a call made a store too large; one that was too large before may still be changed."""
    if held > max(limit, before):
        whose = "the store" if scope is None else f"namespace {scope!r}"
        raise CapacityExceeded(
            f"{whose} would hold {held} items; max_items is {limit}. Nothing of the call was stored: delete items, or raise max_items"
        )


def _meant(placed: placing.Placed, draft: Draft) -> Status:
    """Return the status an item will have if its embedding succeeds."""
    return status_of(draft.target if placed.tier is Tier.QUEUED and draft.lease_until else placed.tier)
