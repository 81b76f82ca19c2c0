"""Placing items: whole calls at a time, in a handful of statements, each text in the slot it shares with its copies."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np

from ..model import Decision, Precision, Tier
from . import vectors
from .items import chunks, leave
from .lifecycle import leave_sketch, move
from .records import decision_to_json
from .transaction import Transaction

_AGREE = 0.99999  # cosine from which two vectors of one text count as the same


@dataclass(slots=True)
class Draft:
    """An item that was judged and is ready to be placed. `tier` is where a text that is new goes.

    Never changed once made; not frozen, since one is made for every item of a call.
    """

    id: str
    content: str
    metadata: str  # JSON
    exact: bytes
    masked: bytes
    tier: Tier
    target: Tier  # of the embedding, where tier is QUEUED
    ttl: float
    lease_until: float
    patterns: str  # JSON
    worth: float
    tokens: int
    keep: bool
    decision: Decision
    vector: bytes | None = None


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


@dataclass(slots=True)
class _Slot:
    """A slot that a draft may join: one of the ledger's, or one that this call opens (`draft` is set)."""

    slot: int
    tier: Tier
    text: str
    keep: bool
    members: int = 0  # joined by this call
    draft: Draft | None = None
    variant: bytes = b""
    worth: float = 0.0
    leased: bool = False  # by this call, to be embedded by it


def place(tx: Transaction, namespace: str, drafts: Sequence[Draft], now: float) -> list[Placed]:
    """Store items under their ids, in place of any they had."""
    olds = _items_of(tx.db, namespace, [draft.id for draft in drafts])
    shared = _slots_of(tx.db, namespace, {draft.exact for draft in drafts})
    row = tx.db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'slot'").fetchone()
    newest = row[0] if row else 0
    homes: list[_Slot] = []
    for draft in drafts:
        known = shared.setdefault(draft.exact, [])
        old = olds.get(draft.id)
        home = _home(tx, known, draft, old[1] if old is not None else None)
        if home is None:
            newest += 1
            variant = _variant(draft, {one.variant for one in known})
            leased = draft.tier is Tier.QUEUED and bool(draft.lease_until)
            home = _Slot(newest, draft.tier, draft.content, draft.keep, draft=draft, variant=variant, leased=leased)
            known.append(home)
        _enrich(tx, namespace, home, draft, now)
        if old is None or old[1] != home.slot:
            home.members += 1
        homes.append(home)
    _open_slots(tx, namespace, [home for several in shared.values() for home in several if home.draft is not None], now)
    for home in {home.slot: home for home in homes if home.draft is None and home.members}.values():
        tx.db.execute("UPDATE slot SET members = members + ?, changed = ? WHERE slot = ?", (home.members, tx.seq, home.slot))
        tx.count(namespace, f"items.{home.tier}", home.members)
    _write_items(tx, namespace, drafts, homes, olds, now)
    openers: set[int] = set()
    placed = []
    for draft, home in zip(drafts, homes, strict=True):
        fresh = home.draft is not None and home.slot not in openers
        openers.add(home.slot)
        old = olds.get(draft.id)
        changed = old is None or old[1] != home.slot
        placed.append(
            Placed(
                draft.id,
                home.slot,
                home.tier,
                changed,
                fresh,
                home.leased and home.tier is Tier.QUEUED,
                None if fresh else _first_other(tx, home.slot, draft.id),
            )
        )
    return placed


def _items_of(db: sqlite3.Connection, namespace: str, ids: Sequence[str]) -> dict[str, tuple[int, int, str, str]]:
    """Return (item, slot, content, metadata) of those ids that exist."""
    found: dict[str, tuple[int, int, str, str]] = {}
    for part, marks in chunks(ids):
        rows = db.execute(
            "SELECT id, item, item.slot, coalesce(content, text), metadata FROM item CROSS JOIN slot ON slot.slot = item.slot"
            f" WHERE item.namespace = ? AND id IN ({marks})",
            (namespace, *part),
        )
        found.update((id, (item, slot, content, metadata)) for id, item, slot, content, metadata in rows)
    return found


def _slots_of(db: sqlite3.Connection, namespace: str, digests: Iterable[bytes]) -> dict[bytes, list[_Slot]]:
    """Return the slots that hold texts with these digests, each text's in the order of opening."""
    found: dict[bytes, list[_Slot]] = {}
    for part, marks in chunks(list(digests)):
        rows = db.execute(
            f"SELECT exact, slot, tier, text, keep, variant, worth FROM slot WHERE namespace = ? AND exact IN ({marks})", (namespace, *part)
        )
        for exact, slot, tier, text, keep, variant, worth in sorted(rows, key=lambda row: row[1]):
            found.setdefault(exact, []).append(_Slot(slot, Tier(tier), text, bool(keep), variant=variant, worth=worth))
    return found


def _home(tx: Transaction, known: Sequence[_Slot], draft: Draft, old_slot: int | None) -> _Slot | None:
    """Return the slot that the draft shares: of the same text, and of the same vector where it brings its own.

    An item that brings no vector stays where it is, if its text is the same.
    """
    if draft.vector is None:
        return next((home for home in known if home.slot == old_slot), known[0] if known else None)
    for home in known:
        if home.draft is not None:
            row = None if home.draft.vector is None else (home.draft.vector, Precision.FLOAT32)
        else:
            row = tx.db.execute("SELECT data, precision FROM vector WHERE slot = ?", (home.slot,)).fetchone()
        if row is None or _agree(*row, draft.vector):
            return home
    return None


def _variant(draft: Draft, taken: set[bytes]) -> bytes:
    """Return what tells a new slot from the others of its text; nothing for the first one."""
    if not taken:
        return b""
    variant = blake2b(draft.vector or b"", digest_size=16).digest()
    while variant in taken:  # of a slot that had this vector once
        variant = blake2b(variant, digest_size=16).digest()
    return variant


def _agree(held: bytes, precision: str, given: bytes) -> bool:
    """Tell whether a vector the ledger keeps is the one that is given, as it would be kept."""
    as_kept = vectors.at_precision([given], precision)[0]
    if held == as_kept:
        return True
    if len(held) != len(as_kept):
        return False
    a, b = (vectors.from_blob(data, precision).astype(np.float64) for data in (held, as_kept))
    scale = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return scale > 0 and float(a @ b) >= _AGREE * scale


def _enrich(tx: Transaction, namespace: str, home: _Slot, draft: Draft, now: float) -> None:
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
        tx.count(namespace, "embeddings_avoided", -1)
        home.tier, home.leased = Tier.QUEUED, bool(draft.lease_until)
    elif draft.tier is Tier.QUEUED and home.tier is Tier.QUEUED:
        _requeue(tx, namespace, home, draft, now)


def _requeue(tx: Transaction, namespace: str, home: _Slot, draft: Draft, now: float) -> None:
    """Let a waiting text move forward, a dead letter live again, and the caller have it where no worker holds it."""
    rank = draft.decision.priority.rank
    if tx.db.execute(
        "UPDATE queue SET dead = 0, attempts = 0, not_before = 0, fence = 0, rank = ?, lease_until = ? WHERE slot = ? AND dead = 1",
        (rank, draft.lease_until, home.slot),
    ).rowcount:
        tx.count(namespace, "dead", -1)
        home.leased = bool(draft.lease_until)
        return
    tx.db.execute("UPDATE queue SET rank = min(rank, ?) WHERE slot = ?", (rank, home.slot))
    if draft.lease_until:
        taken = tx.db.execute(
            "UPDATE queue SET lease_until = ?, fence = 0 WHERE slot = ? AND lease_until <= ?", (draft.lease_until, home.slot, now)
        )
        home.leased = home.leased or bool(taken.rowcount)


def _open_slots(tx: Transaction, namespace: str, opened: Sequence[_Slot], now: float) -> None:
    pairs = [(home, home.draft) for home in opened if home.draft is not None]
    tx.db.executemany(
        "INSERT INTO slot (slot, namespace, text, exact, variant, masked, tier, importance, novelty, patterns, worth, tokens, members,"
        " keep, created_at, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (home.slot, namespace, draft.content, draft.exact, home.variant, draft.masked, draft.tier.value,
             draft.decision.importance_score, draft.decision.novelty_score, draft.patterns, draft.worth, draft.tokens,
             home.members, int(draft.keep), now, tx.seq)
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
    for home, draft in pairs:
        if draft.vector is not None and draft.tier is Tier.CACHED:  # the budget holds better ones
            leave_sketch(tx, home.slot, namespace, draft.vector)


def _queue(tx: Transaction, pairs: Iterable[tuple[int, Draft]], now: float) -> None:
    tx.db.executemany(
        "INSERT INTO queue (slot, target, ttl, rank, queued_at, lease_until) VALUES (?, ?, ?, ?, ?, ?)",
        [(slot, draft.target, draft.ttl, draft.decision.priority.rank, now, draft.lease_until) for slot, draft in pairs],
    )


def _write_items(
    tx: Transaction,
    namespace: str,
    drafts: Sequence[Draft],
    homes: Sequence[_Slot],
    olds: dict[str, tuple[int, int, str, str]],
    now: float,
) -> None:
    fresh = []
    for draft, home in zip(drafts, homes, strict=True):
        content = None if home.text == draft.content else draft.content
        old = olds.get(draft.id)
        if old is None:
            fresh.append((namespace, draft.id, home.slot, content, draft.metadata, decision_to_json(draft.decision), now, now))
            continue
        item, slot, old_content, old_metadata = old
        if slot == home.slot and old_content == draft.content and old_metadata == draft.metadata:
            continue
        tx.db.execute(
            "UPDATE item SET slot = ?, content = ?, metadata = ?, generation = generation + 1, updated_at = ? WHERE item = ?",
            (home.slot, content, draft.metadata, now, item),
        )
        if slot == home.slot:
            tx.db.execute("UPDATE slot SET changed = ? WHERE slot = ?", (tx.seq, slot))
        else:
            tx.db.execute("UPDATE item SET decision = ? WHERE item = ?", (decision_to_json(draft.decision), item))
    tx.db.executemany(
        "INSERT INTO item (namespace, id, slot, content, metadata, decision, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", fresh
    )
    tx.count(namespace, "items", len(fresh))
    # Last, so that a slot left by one item and joined by another of the same call stays.
    for draft, home in zip(drafts, homes, strict=True):
        old = olds.get(draft.id)
        if old is not None and old[1] != home.slot:
            leave(tx, namespace, old[1])


def _first_other(tx: Transaction, slot: int, id: str) -> str | None:
    row = tx.db.execute("SELECT id FROM item WHERE slot = ? AND id <> ? ORDER BY item LIMIT 1", (slot, id)).fetchone()
    return None if row is None else str(row[0])
