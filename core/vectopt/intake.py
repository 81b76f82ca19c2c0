"""The first flow: content -> analysis -> strategy -> ledger (intent) -> embed now | queue | temp | cache."""

from __future__ import annotations

import json
import math
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import RLock
from typing import Any, Literal

from .analysis import Fingerprint, estimated_tokens, fingerprint, textless
from .brought import blobs_of
from .compression import TOKENIZERS, Judge, words_key
from .echoes import Echoes
from .errors import CapacityExceeded
from .knowledge import Knowledge, Known
from .ledger import Ledger, Transaction, avoided, items, near, placing, records, vectors
from .ledger.draft import Draft
from .meter import Meter, Plan
from .model import Action, ContentAnalysis, Decision, Event, Item, Priority, Status, Tier, WhyNot
from .protocols import Clock, Embedder
from .settings import Settings
from .strategy import admit, as_echo, decide, make_room, worth
from .turns import Turns
from .validation import PRIORITY_KEY, CheckedChange, checked_items
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


@dataclass(frozen=True, slots=True)
class Route:
    """By which door items come in.

    Attributes:
        by_rules_only: `process_content` obeys the specification's rules as written; `add` lets texts that the rules
            would only cache into the queue while there is room, and keeps temp vectors at expiry while there is.
        embed: now, before the call returns, what the rules want at once ("decided"), all that is queued, or nothing.
    """

    by_rules_only: bool
    embed: Literal["decided", "all", "none"]


class Intake:
    """Takes items in: judges them, and writes them to the ledger with what is to be done."""

    def __init__(
        self,
        ledger: Ledger,
        meter: Meter,
        clock: Clock,
        settings: Settings,
        turns: Turns,
        echoes: Echoes,
        embedder: Callable[[], Embedder | None],
        tell: Callable[[Event], None],
    ) -> None:
        self._ledger = ledger
        self._meter = meter
        self._clock = clock
        self._settings = settings
        self._turns = turns
        self._echoes = echoes
        self._embedder = embedder
        self._tell = tell
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
                judged.append((change, known, [] if known is None else self._judge(db, change.namespace, known, change.items, route)))
        try:
            return self._ledger.write(lambda tx: [self._store(tx, *one) for one in judged])
        except BaseException:
            for change in changes:
                self._knowledge.forget(change.namespace)
            raise

    def _judge(
        self,
        db: sqlite3.Connection,
        namespace: str,
        known: Known,
        checked: Sequence[tuple[Item, str]],
        route: Route,
    ) -> list[Draft]:
        now = self._clock.now()
        blobs = blobs_of([item for item, _ in checked], self._ledger.dimensions(db))
        prints = [_fingerprint(db, namespace, item, blob) for (item, _), blob in zip(checked, blobs, strict=True)]
        masks = items.known_masks(db, namespace, {one.masked for one in prints})
        unlimited = self._meter.unlimited(namespace)
        plan = Plan(self._meter, db, namespace, now, counts_queue=not route.by_rules_only)
        # Counting takes longer than all else here: it is worth it where tokens are limited.
        count = None if math.isinf(self._meter.tokens_a_day(namespace)) else getattr(self._embedder(), "count_tokens", None)
        drafts = []
        for (item, metadata), one, blob in zip(checked, prints, blobs, strict=True):
            analysis = known.engine.analyze_content(item.content, item.metadata)
            priority = priority_of(item)
            echo = blob is None and priority is None and self._echoed(db, namespace, known, item)
            known.engine.observe(item.content)
            twin = bool(masks.get(one.masked, set()) - {one.exact})  # another text, equal but for digits
            decision = decide(analysis, item.metadata, plan.utilisation, priority=priority, settings=self._settings.strategy)
            if blob is not None:
                reasons = (*decision.reasoning, "a vector of the caller's own: taken as it is")
                scores = analysis.importance_score, analysis.novelty_score, decision.utilisation
                decision = Decision(Action.IMMEDIATE_VECTORIZE, decision.priority, reasons, *scores)
            elif not item.content.strip():
                decision = replace(decision, action=Action.CACHE_ONLY, reasoning=("empty text: there is nothing to embed",))
            elif echo:
                decision = as_echo(decision)
            elif not route.by_rules_only:
                decision = make_room(
                    decision,
                    unlimited=unlimited,
                    tokens_left=plan.tokens_left > 0,
                    twin=twin,
                    asked=priority is not None,
                    sketches=plan.takes_sketches(self._settings.strategy.room_utilisation),
                    settings=self._settings.strategy,
                )
            masks.setdefault(one.masked, set()).add(one.exact)
            keep = not route.by_rules_only and bool(item.content.strip()) and (unlimited or not twin) and not echo
            value = (
                0.0 if echo else worth(analysis.importance_score, analysis.novelty_score, critical=decision.priority is Priority.CRITICAL)
            )
            drafts.append(self._draft(item, metadata, one, analysis, decision, blob, now, route, value, count, keep=keep))
            plan.add(drafts[-1])
        return self._admit_given(db, namespace, drafts)

    def _echoed(self, db: sqlite3.Connection, namespace: str, known: Known, item: Item) -> bool:
        """Tell whether an item's text is one that a search returned; one that replaces an item's text is not."""

        def texts(ids: Sequence[str]) -> dict[str, str]:
            return {one.id: one.content for one in items.get(db, namespace, ids, self._clock.now())}

        reading = known.engine.read(item.content)
        return self._echoes.repeats(namespace, reading, texts) and not (item.id is not None and texts([item.id]))

    def _draft(
        self,
        item: Item,
        metadata: str,
        one: Fingerprint,
        analysis: ContentAnalysis,
        decision: Decision,
        blob: bytes | None,
        now: float,
        route: Route,
        value: float,
        count: Callable[[str], int] | None,
        *,
        keep: bool,
    ) -> Draft:
        action = decision.action
        if blob is not None:
            tier = Tier.PERSISTENT
        else:
            tier = Tier.CACHED if action is Action.CACHE_ONLY else Tier.QUEUED
        wanted = route.embed == "all" or (route.embed == "decided" and action is not Action.QUEUE_VECTORIZE)
        at_once = tier is Tier.QUEUED and wanted and self._embedder() is not None
        return Draft(
            id=item.id if item.id is not None else uuid.uuid4().hex,
            content=item.content,
            metadata=metadata,
            exact=one.exact,
            masked=one.masked,
            tier=tier,
            target=Tier.TEMP if action is Action.TEMP_VECTORIZE else Tier.PERSISTENT,
            ttl=item.ttl_seconds or self._settings.temp.ttl_seconds,
            lease_until=now + self._settings.queue.lease_seconds if at_once else 0,
            patterns=json.dumps([pattern.pattern_name for pattern in analysis.patterns]) if analysis.patterns else "[]",
            worth=value,
            tokens=estimated_tokens(item.content) if count is None or tier is Tier.PERSISTENT else count(item.content),
            keep=keep,
            decision=decision,
            lives=item.delete_after_seconds,
            words=words_key(item.content) if self._settings.merging.near_duplicates and item.content.strip() else None,
            vector=blob,
        )

    def _admit_given(self, db: sqlite3.Connection, namespace: str, drafts: list[Draft]) -> list[Draft]:
        """Keep those of the callers' vectors that the budget will hold; of the others the texts are cached, and told so."""
        brought = [draft for draft in drafts if draft.vector is not None]
        if not brought:
            return drafts
        refused: set[str] = set()
        freed = items.vectors_alone(db, namespace, [draft.id for draft in brought])
        for scope, room in self._meter.vector_room(db, namespace):
            lowest = [value for _, _, value in vectors.lowest(db, scope, len(brought))]
            verdicts = admit([draft.worth for draft in brought], max(0, room + freed), lowest)
            refused |= {draft.id for draft, verdict in zip(brought, verdicts, strict=True) if not verdict}
        if not refused:
            return drafts
        self._tell(Event("budget_full", {"namespace": namespace, "vectors_refused": len(refused)}))
        return [_without_vector(draft) if draft.id in refused else draft for draft in drafts]

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

    def correct_counts(self, namespace: str, taken: Taken) -> None:
        """Count items under the status they have, where their embedding didn't come to what was meant."""

        def work(tx: Transaction) -> None:
            tiers = items.tiers(tx.db, namespace, [placed.id for placed in taken.placed])
            for placed, counted in zip(taken.placed, taken.counted, strict=True):
                status = status_of(tiers.get(placed.id, placed.tier))
                tx.count(namespace, COUNTER[counted], -1)
                tx.count(namespace, COUNTER[status])

        self._ledger.write(work)

    def why_not(self, text: str, namespace: str) -> WhyNot:
        """Judge a text by the rules as written, as `process_content` does, and store nothing."""
        one = fingerprint(text)
        with self._lock, self._ledger.reading() as db:
            known = self._knowledge.of(db, namespace)
            analysis = known.engine.analyze_content(text)
            echo = self._echoed(db, namespace, known, Item(text))
            utilisation = self._meter.utilisation(db, namespace, self._clock.now())
            duplicate, twins = items.find_text(db, namespace, one.exact, one.masked)
            if duplicate is None and self._settings.merging.near_duplicates:
                duplicate = self._says_the_same(db, namespace, text)
        decision = decide(analysis, None, utilisation, settings=self._settings.strategy)
        if echo:
            decision = as_echo(decision)
        return WhyNot(decision, tuple(pattern.pattern_name for pattern in analysis.patterns), duplicate, tuple(twins))

    def _says_the_same(self, db: sqlite3.Connection, namespace: str, text: str) -> str | None:
        """Return the id of the first item whose text the given one would share."""
        judge = Judge(self._settings.merging.similarity, TOKENIZERS["mixed"])
        slot = next((slot for slot, other in near.lookalikes(db, namespace, words_key(text)) if judge.one(other, text)), None)
        return None if slot is None else items.first_of(db, slot)


def _fingerprint(db: sqlite3.Connection, namespace: str, item: Item, blob: bytes | None) -> Fingerprint:
    """Return what tells copies. Items of which only the vector says anything, images say, are nobody's copies."""
    if item.content.strip():
        return fingerprint(item.content)
    if blob is not None:
        return textless(item.id or uuid.uuid4().hex)
    known = None if item.id is None else items.silent(db, namespace, item.id)
    return fingerprint(item.content) if known is None else Fingerprint(known, known)


def _without_vector(draft: Draft) -> Draft:
    """Return the draft of a text whose vector the budget won't hold."""
    reasons = (*draft.decision.reasoning[:-1], "the budget holds vectors worth more: the caller's own was not kept, the text stays")
    return replace(draft, tier=Tier.CACHED, decision=replace(draft.decision, action=Action.CACHE_ONLY, reasoning=reasons))


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


def priority_of(item: Item) -> Priority | None:
    """Return the priority the caller gave, by the item or by its metadata."""
    given = item.priority if item.priority is not None else item.metadata.get(PRIORITY_KEY)
    return None if given is None else Priority(given)
