"""Placing items: whole calls at a time, in a handful of statements, each text in the slot it shares with those that say the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..model import Precision, Tier
from ..strategy import handicap
from . import archived, avoided, expiry, near, vectors
from .draft import Draft
from .homes import Home, Homes
from .items import chunks, leave
from .lifecycle import leave_sketch, leave_sketches, move
from .records import decision_to_json
from .transaction import Transaction
from .wording import OWN_TEXT, packed


@dataclass(frozen=True, slots=True)
class Placed:
    """Where an item came to be.

    Attributes:
        changed: the item is new, or has another text than before.
        fresh: its text was new.
        leased: this call holds the text's place in the queue, and is to embed it.
        duplicate_of: the id of the text's first item, where that is another.
    """

    id: str
    slot: int
    tier: Tier
    changed: bool
    fresh: bool
    leased: bool
    duplicate_of: str | None = None


def place(tx: Transaction, namespace: str, drafts: Sequence[Draft], now: float) -> list[Placed]:
    """Store items under their ids, in place of any they had."""
    expiry.remove_these(tx, namespace, [draft.id for draft in drafts], now)
    olds = _items_of(tx.db, namespace, [draft.id for draft in drafts])
    archived.forget(tx, namespace, (draft.id for draft in drafts if draft.id not in olds))  # they are replaced
    slots = Homes(tx, namespace, drafts)
    homes: list[Home] = []
    for draft in drafts:
        old = olds.get(draft.id)
        home = slots.of(draft, None if old is None else old.slot)
        _enrich(tx, namespace, home, draft, now)
        moves = old is None or old.slot != home.slot
        home.members += moves
        home.near += (draft.exact != home.exact) - (old is not None and not moves and old.near)
        homes.append(home)
    _open_slots(tx, namespace, slots.opened, now)
    for home in {home.slot: home for home in homes if home.draft is None and (home.members or home.near)}.values():
        tx.db.execute(
            "UPDATE slot SET members = members + ?, near = near + ?, changed = ? WHERE slot = ?",
            (home.members, home.near, tx.seq, home.slot),
        )
        tx.count(namespace, f"items.{home.tier}", home.members)
    _write_items(tx, namespace, drafts, homes, olds, now)
    renumbered = _settle(tx, namespace, drafts, homes, olds)
    openers: set[int] = set()
    placed = []
    for draft, home in zip(drafts, homes, strict=True):
        fresh = home.draft is not None and home.slot not in openers
        openers.add(home.slot)
        old = olds.get(draft.id)
        slot, tier = home.slot, home.tier
        if renumbered.get(slot, slot) != slot:  # it went on with another's text, and this one may have had to leave
            slot, tier = _place_of(tx, namespace, draft.id)
        leased = home.leased and tier is Tier.QUEUED
        first = None if fresh else _first_other(tx, slot, draft.id)
        placed.append(Placed(draft.id, slot, tier, old is None or old.slot != home.slot, fresh, leased, first))
    return placed


@dataclass(frozen=True, slots=True)
class _Old:
    """An item as it was before. `near`: its text was not its slot's."""

    item: int
    slot: int
    content: str
    metadata: str
    near: bool
    lives: float | None


def _items_of(db: sqlite3.Connection, namespace: str, ids: Sequence[str]) -> dict[str, _Old]:
    """Return those ids' items that exist."""
    found: dict[str, _Old] = {}
    for part, marks in chunks(ids):
        rows = db.execute(
            f"SELECT id, item, item.slot, {OWN_TEXT}, metadata, own, lives FROM item CROSS JOIN slot ON slot.slot = item.slot"
            f" WHERE item.namespace = ? AND id IN ({marks})",
            (namespace, *part),
        )
        found.update(
            (id, _Old(item, slot, content, metadata, own is not None, lives)) for id, item, slot, content, metadata, own, lives in rows
        )
    return found


def _enrich(tx: Transaction, namespace: str, home: Home, draft: Draft, now: float) -> None:
    """Let a known text gain by being added again: a vector of the caller's, a place in the queue or a better one, a stay."""
    brings_vector = draft.vector is not None and draft.tier is Tier.PERSISTENT
    if home.draft is not None:  # opened by this very call
        if brings_vector and home.draft.vector is None:
            home.draft = replace(home.draft, tier=draft.tier, vector=draft.vector)
            home.tier = draft.tier
        return
    if draft.keep and not home.keep:
        tx.db.execute("UPDATE slot SET keep = 1 WHERE slot = ?", (home.slot,))
        home.keep = True
    if draft.worth > home.worth:
        tx.db.execute("UPDATE slot SET worth = ? WHERE slot = ?", (draft.worth, home.slot))
        home.worth = draft.worth
    if brings_vector and home.tier in (Tier.QUEUED, Tier.CACHED, Tier.TEMP):
        had_vector = home.tier is Tier.TEMP
        move(tx, home.slot, home.tier, Tier.PERSISTENT, "added again with a vector of the caller's", now)
        if draft.vector is not None and not had_vector:
            vectors.put(tx, home.slot, namespace, draft.vector, "caller", now)
        home.tier = Tier.PERSISTENT
    elif draft.vector is not None and home.tier in (Tier.QUEUED, Tier.CACHED):
        leave_sketch(tx, home.slot, namespace, draft.vector)
        tx.db.execute("UPDATE slot SET changed = ? WHERE slot = ?", (tx.seq, home.slot))
    elif draft.tier is Tier.QUEUED and home.tier is Tier.CACHED:
        move(tx, home.slot, Tier.CACHED, Tier.QUEUED, "added again, and now worth an embedding", now)
        _queue(tx, [(home.slot, draft)], now)
        avoided.take_back(tx, home.slot, namespace)
        home.tier, home.leased = Tier.QUEUED, bool(draft.lease_until)
    elif draft.tier is Tier.QUEUED and home.tier is Tier.QUEUED:
        _requeue(tx, namespace, home, draft, now)


def _requeue(tx: Transaction, namespace: str, home: Home, draft: Draft, now: float) -> None:
    """Let a waiting text move forward, a dead letter live again, and the caller have it where no worker holds it."""
    rank = draft.decision.priority.rank
    behind = handicap(rank, tx.ageing_seconds)
    if tx.db.execute(
        "UPDATE queue SET dead = 0, attempts = 0, not_before = 0, fence = 0, rank = ?, queued_at = ?, turn = ?, lease_until = ?"
        " WHERE slot = ? AND dead = 1",
        (rank, now, now + behind, draft.lease_until, home.slot),
    ).rowcount:
        tx.count(namespace, "dead", -1)
        home.leased = bool(draft.lease_until)
        return
    tx.db.execute("UPDATE queue SET rank = min(rank, ?), turn = min(turn, queued_at + ?) WHERE slot = ?", (rank, behind, home.slot))
    if draft.lease_until:
        taken = tx.db.execute(
            "UPDATE queue SET lease_until = ?, fence = 0 WHERE slot = ? AND lease_until <= ?", (draft.lease_until, home.slot, now)
        )
        home.leased = home.leased or bool(taken.rowcount)


def _open_slots(tx: Transaction, namespace: str, opened: Sequence[Home], now: float) -> None:
    pairs = [(home, home.draft) for home in opened if home.draft is not None]
    tx.db.executemany(
        "INSERT INTO slot (slot, namespace, text, exact, variant, masked, words, tier, importance, novelty, patterns, worth, tokens,"
        " members, near, keep, created_at, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (home.slot, namespace, draft.content, draft.exact, home.variant, draft.masked, draft.words, draft.tier.value,
             draft.decision.importance_score, draft.decision.novelty_score, draft.patterns, draft.worth, draft.tokens,
             home.members, home.near, int(draft.keep), now, tx.seq)
            for home, draft in pairs
        ],
    )  # fmt: skip
    tx.count(namespace, "slots", len(pairs))
    for home, draft in pairs:
        tx.count(namespace, f"items.{draft.tier}", home.members)
    queued = [(home.slot, draft) for home, draft in pairs if draft.tier is Tier.QUEUED]
    tx.count(namespace, "slots.queued", len(queued))
    _queue(tx, queued, now)
    brought = [(home.slot, draft.vector) for home, draft in pairs if draft.vector is not None and draft.tier is Tier.PERSISTENT]
    vectors.insert(tx, namespace, brought, "caller", now)
    refused = [(home.slot, draft.vector) for home, draft in pairs if draft.vector is not None and draft.tier is Tier.CACHED]
    leave_sketches(tx, [(slot, namespace, data, Precision.FLOAT32) for slot, data in refused])  # the budget holds better ones


def _queue(tx: Transaction, pairs: Iterable[tuple[int, Draft]], now: float) -> None:
    tx.db.executemany(
        "INSERT INTO queue (slot, target, ttl, rank, queued_at, turn, lease_until) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (slot, draft.target, draft.ttl, rank, now, now + handicap(rank, tx.ageing_seconds), draft.lease_until)
            for slot, draft in pairs
            for rank in (draft.decision.priority.rank,)
        ],
    )


def _write_items(
    tx: Transaction, namespace: str, drafts: Sequence[Draft], homes: Sequence[Home], olds: dict[str, _Old], now: float
) -> None:
    fresh = []
    for draft, home in zip(drafts, homes, strict=True):
        content = packed(draft.content, home.text)
        own = None if draft.exact == home.exact else draft.exact
        importance = draft.decision.importance_score
        old = olds.get(draft.id)
        if old is None:
            decision = decision_to_json(draft.decision)
            fresh.append((namespace, draft.id, home.slot, content, own, importance, draft.metadata, decision, now, now, *_time(draft, now)))
            continue
        if old.lives is not None or draft.lives is not None:
            tx.db.execute("UPDATE item SET lives = ?, delete_at = ? WHERE item = ?", (*_time(draft, now), old.item))
        if old.slot == home.slot and old.content == draft.content and old.metadata == draft.metadata:
            continue
        tx.db.execute(
            "UPDATE item SET slot = ?, content = ?, own = ?, importance = ?, metadata = ?, generation = generation + 1, updated_at = ?"
            " WHERE item = ?",
            (home.slot, content, own, importance, draft.metadata, now, old.item),
        )
        if old.slot == home.slot:
            tx.db.execute("UPDATE slot SET changed = ? WHERE slot = ?", (tx.seq, old.slot))
        else:
            tx.db.execute("UPDATE item SET decision = ? WHERE item = ?", (decision_to_json(draft.decision), old.item))
    tx.db.executemany(
        "INSERT INTO item (namespace, id, slot, content, own, importance, metadata, decision, created_at, updated_at, lives, delete_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        fresh,
    )
    tx.count(namespace, "items", len(fresh))


def _time(draft: Draft, now: float) -> tuple[float | None, float | None]:
    """Return how long an item lives, and until when; None for both where it lives for ever."""
    return draft.lives, None if draft.lives is None else now + draft.lives


def _settle(tx: Transaction, namespace: str, drafts: Sequence[Draft], homes: Sequence[Home], olds: dict[str, _Old]) -> dict[int, int]:
    """Take the items that moved out of their old slots, and have no slot keep a text that no item has; return new numbers.

    Last, so that a slot left by one item and joined by another of the same call stays.
    """
    left: dict[int, list[bool]] = {}
    reworded: set[int] = set()
    for draft, home in zip(drafts, homes, strict=True):
        old = olds.get(draft.id)
        if old is not None and old.slot != home.slot:
            left.setdefault(old.slot, []).append(old.near)
        elif old is not None and home.near > 0:
            reworded.add(old.slot)
    renumbered = leave(tx, namespace, left)
    for slot in reworded - renumbered.keys():
        renumbered[slot] = near.settle(tx, namespace, slot)
    return renumbered


def _place_of(tx: Transaction, namespace: str, id: str) -> tuple[int, Tier]:
    slot, tier = tx.db.execute(
        "SELECT slot.slot, tier FROM item CROSS JOIN slot ON slot.slot = item.slot WHERE item.namespace = ? AND id = ?", (namespace, id)
    ).fetchone()
    return int(slot), Tier(tier)


def _first_other(tx: Transaction, slot: int, id: str) -> str | None:
    row = tx.db.execute("SELECT id FROM item WHERE slot = ? AND id <> ? ORDER BY item LIMIT 1", (slot, id)).fetchone()
    return None if row is None else str(row[0])
