"""What becomes of the items of a call: each is read, judged against its namespace and its budget, and drafted. Stores nothing."""

from __future__ import annotations

import json
import math
import sqlite3
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from .analysis import Fingerprint, estimated_tokens, fingerprint, textless
from .brought import blobs_of
from .compression import TOKENIZERS, Judge, words_key
from .echoes import Echoes
from .knowledge import Known
from .ledger import Ledger, items, near, vectors
from .ledger.draft import Draft
from .meter import Meter, Plan
from .model import Action, ContentAnalysis, Decision, Event, Item, Priority, Tier, WhyNot
from .protocols import Clock, Embedder
from .settings import Settings
from .strategy import admit, as_echo, decide, make_room, worth
from .validation import PRIORITY_KEY


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


class Judging:
    """Judges items by what is known of their namespace. Its user sees to it that one thread at a time is here."""

    def __init__(
        self,
        ledger: Ledger,
        meter: Meter,
        clock: Clock,
        settings: Settings,
        echoes: Echoes,
        embedder: Callable[[], Embedder | None],
        tell: Callable[[Event], None],
    ) -> None:
        self._ledger = ledger
        self._meter = meter
        self._clock = clock
        self._settings = settings
        self._echoes = echoes
        self._embedder = embedder
        self._tell = tell

    def drafts(
        self,
        db: sqlite3.Connection,
        namespace: str,
        known: Known,
        checked: Sequence[tuple[Item, str]],
        route: Route,
    ) -> list[Draft]:
        """Return what is to be stored of checked items, in their order; what is known of the namespace takes them in."""
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

    def why_not(self, db: sqlite3.Connection, namespace: str, known: Known, text: str) -> WhyNot:
        """Judge a text by the rules as written, as `process_content` does, and take nothing in."""
        one = fingerprint(text)
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


def priority_of(item: Item) -> Priority | None:
    """Return the priority the caller gave, by the item or by its metadata."""
    given = item.priority if item.priority is not None else item.metadata.get(PRIORITY_KEY)
    return None if given is None else Priority(given)
