"""Items and the slots they share: placing, reading, deleting."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from ..model import Decision, StoredItem, Tier
from . import vectors
from .lifecycle import drop_vector, move
from .records import decision_to_json
from .transaction import Transaction

_CHUNK = 500  # parameters a statement
_AGREE = 0.99999  # cosine from which two vectors of one text count as the same


@dataclass(frozen=True, slots=True)
class Draft:
    """An item that was judged and is ready to be placed. `tier` is where a text that is new goes."""

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
    """Where an item came to be. `fresh`: its text was new. `duplicate_of`: the id of the text's first item."""

    id: str
    slot: int
    tier: Tier
    fresh: bool
    duplicate_of: str | None = None


def place(tx: Transaction, namespace: str, draft: Draft, now: float) -> Placed:
    """Store an item under its id, in place of any it had."""
    old = tx.db.execute(
        "SELECT item, item.slot, coalesce(content, text), metadata FROM item JOIN slot USING (slot) WHERE item.namespace = ? AND id = ?",
        (namespace, draft.id),
    ).fetchone()
    slot, tier, text, variant = _find_slot(tx, namespace, draft)
    fresh = slot is None
    if slot is None:
        slot, tier, text = _insert_slot(tx, namespace, draft, variant, now), draft.tier, draft.content
    else:
        tier = _raise_tier(tx, namespace, slot, tier, draft, now)
    content = None if text == draft.content else draft.content
    if old is None:
        _count_member(tx, namespace, slot, tier, fresh)
        tx.db.execute(
            "INSERT INTO item (namespace, id, slot, content, metadata, decision, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (namespace, draft.id, slot, content, draft.metadata, decision_to_json(draft.decision), now, now),
        )
        tx.count(namespace, "items")
    elif old[1] != slot or old[2] != draft.content or old[3] != draft.metadata:
        tx.db.execute(
            "UPDATE item SET slot = ?, content = ?, metadata = ?, generation = generation + 1, updated_at = ? WHERE item = ?",
            (slot, content, draft.metadata, now, old[0]),
        )
        if old[1] != slot:
            tx.db.execute("UPDATE item SET decision = ? WHERE item = ?", (decision_to_json(draft.decision), old[0]))
            _count_member(tx, namespace, slot, tier, fresh)
            _leave(tx, namespace, old[1])
    return Placed(draft.id, slot, tier, fresh, None if fresh else _first_other(tx, slot, draft.id))


def _find_slot(tx: Transaction, namespace: str, draft: Draft) -> tuple[int | None, Tier, str, bytes]:
    """Return the slot whose text, and vector where the caller brought one, is this draft's; else the variant to open."""
    rows = tx.db.execute(
        "SELECT slot, tier, text, data FROM slot LEFT JOIN vector USING (slot) WHERE namespace = ? AND exact = ?",
        (namespace, draft.exact),
    ).fetchall()
    rows.sort(key=lambda row: row[0])  # by SQL this would cost a walk through the namespace
    if not rows:
        return None, draft.tier, "", b""
    if draft.vector is None:
        slot, tier, text, _ = rows[0]
        return slot, Tier(tier), text, b""
    for slot, tier, text, data in rows:
        if data is None or _agree(data, draft.vector):
            return slot, Tier(tier), text, b""
    return None, draft.tier, "", blake2b(draft.vector, digest_size=16).digest()


def _agree(left: bytes, right: bytes) -> bool:
    if left == right:
        return True
    a, b = vectors.from_blob(left), vectors.from_blob(right)
    scale = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return len(a) == len(b) and scale > 0 and float(a @ b) >= _AGREE * scale


def _insert_slot(tx: Transaction, namespace: str, draft: Draft, variant: bytes, now: float) -> int:
    cursor = tx.db.execute(
        "INSERT INTO slot (namespace, text, exact, variant, masked, tier, importance, novelty, patterns, worth, tokens, members, keep,"
        " created_at, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?)",
        (namespace, draft.content, draft.exact, variant, draft.masked, draft.tier, draft.decision.importance_score,
         draft.decision.novelty_score, draft.patterns, draft.worth, draft.tokens, draft.keep, now, tx.seq),
    )  # fmt: skip
    slot = int(cursor.lastrowid or 0)
    tx.count(namespace, "slots")
    if draft.tier is Tier.QUEUED:
        _insert_queue(tx, slot, draft, now)
        tx.count(namespace, "slots.queued")
    elif draft.vector is not None and draft.tier in (Tier.PERSISTENT, Tier.TEMP):
        vectors.put(tx, slot, namespace, draft.vector, "caller", now)
        if draft.tier is Tier.TEMP:
            tx.db.execute("INSERT INTO temp (slot, expires_at) VALUES (?, ?)", (slot, now + draft.ttl))
    return slot


def _count_member(tx: Transaction, namespace: str, slot: int, tier: Tier, fresh: bool) -> None:
    if not fresh:
        tx.db.execute("UPDATE slot SET members = members + 1 WHERE slot = ?", (slot,))
    tx.count(namespace, f"items.{tier}")


def _leave(tx: Transaction, namespace: str, slot: int) -> None:
    """Take one item out of a slot; the last one takes the slot with it."""
    members, tier = tx.db.execute("UPDATE slot SET members = members - 1 WHERE slot = ? RETURNING members, tier", (slot,)).fetchone()
    tx.count(namespace, f"items.{tier}", -1)
    if members:
        return
    drop_vector(tx, slot, namespace)
    dead = tx.db.execute("SELECT dead FROM queue WHERE slot = ?", (slot,)).fetchone()
    if tier == Tier.QUEUED:
        tx.count(namespace, "slots.queued", -1)
    if dead is not None and dead[0]:
        tx.count(namespace, "dead", -1)
    tx.db.execute("DELETE FROM slot WHERE slot = ?", (slot,))
    tx.db.execute("INSERT INTO gone (slot, changed) VALUES (?, ?)", (slot, tx.seq))
    tx.count(namespace, "slots", -1)


def _raise_tier(tx: Transaction, namespace: str, slot: int, tier: Tier, draft: Draft, now: float) -> Tier:
    """Let a known text that has no vector gain by being added again: a vector of the caller's, or a place in the queue."""
    if tier in (Tier.QUEUED, Tier.CACHED) and draft.tier is Tier.PERSISTENT and draft.vector is not None:
        move(tx, slot, tier, Tier.PERSISTENT, "added again with a vector of the caller's", now)
        vectors.put(tx, slot, namespace, draft.vector, "caller", now)
        return Tier.PERSISTENT
    if tier is Tier.CACHED and draft.tier is Tier.QUEUED:
        move(tx, slot, Tier.CACHED, Tier.QUEUED, "added again, and now worth an embedding", now)
        _insert_queue(tx, slot, draft, now)
        return Tier.QUEUED
    return tier


def _insert_queue(tx: Transaction, slot: int, draft: Draft, now: float) -> None:
    tx.db.execute(
        "INSERT INTO queue (slot, target, ttl, rank, queued_at, lease_until) VALUES (?, ?, ?, ?, ?, ?)",
        (slot, draft.target, draft.ttl, draft.decision.priority.rank, now, draft.lease_until),
    )


def _first_other(tx: Transaction, slot: int, id: str) -> str | None:
    row = tx.db.execute("SELECT id FROM item WHERE slot = ? AND id <> ? ORDER BY item LIMIT 1", (slot, id)).fetchone()
    return None if row is None else str(row[0])


def delete(tx: Transaction, namespace: str, ids: Sequence[str]) -> int:
    """Delete items; unknown ids are no error. Return how many there were."""
    removed = 0
    for id in ids:
        row = tx.db.execute("DELETE FROM item WHERE namespace = ? AND id = ? RETURNING slot", (namespace, id)).fetchone()
        if row is not None:
            _leave(tx, namespace, row[0])
            removed += 1
    tx.count(namespace, "items", -removed)
    return removed


def delete_all(tx: Transaction, namespace: str) -> int:
    """Delete every item of one namespace."""
    return delete(tx, namespace, [id for (id,) in tx.db.execute("SELECT id FROM item WHERE namespace = ?", (namespace,)).fetchall()])


_STORED = (
    "SELECT item.id, item.namespace, coalesce(content, text), metadata, tier, generation, importance, novelty, patterns,"
    " item.created_at, updated_at, origin, made_at, promotion, data, item.slot"
    " FROM item JOIN slot USING (slot) LEFT JOIN vector USING (slot)"
)


def _stored(row: tuple[Any, ...], with_vector: bool) -> StoredItem:
    facts = {
        "importance_score": row[6],
        "novelty_score": row[7],
        "patterns": json.loads(row[8]),
        "created_at": row[9],
        "updated_at": row[10],
    }
    if row[11] is not None:
        facts |= {"vector_origin": row[11], "vectorized_at": row[12], **json.loads(row[13] or "{}")}
    vector = vectors.from_blob(row[14]) if with_vector and row[14] is not None else None
    return StoredItem(row[0], row[1], row[2], json.loads(row[3]), Tier(row[4]), row[5], facts, vector)


def get(db: sqlite3.Connection, namespace: str, ids: Sequence[str], *, with_vector: bool = False) -> list[StoredItem]:
    """Return the items that exist, in the order of the ids."""
    found: dict[str, StoredItem] = {}
    for start in range(0, len(ids), _CHUNK):
        part = ids[start : start + _CHUNK]
        marks = ",".join("?" * len(part))
        rows = db.execute(f"{_STORED} WHERE item.namespace = ? AND item.id IN ({marks})", (namespace, *part))
        found.update((row[0], _stored(row, with_vector)) for row in rows)
    return [found[id] for id in ids if id in found]


def scan(db: sqlite3.Connection, namespace: str) -> Iterator[StoredItem]:
    """Yield every item of a namespace in the order of adding."""
    for row in db.execute(f"{_STORED} WHERE item.namespace = ? ORDER BY item", (namespace,)):
        yield _stored(row, with_vector=False)


@dataclass(frozen=True, slots=True)
class Member:
    """An item of a slot, as a search needs it."""

    id: str
    content: str
    metadata: dict[str, Any]


def members(db: sqlite3.Connection, namespace: str, slots: Sequence[int]) -> dict[int, tuple[Tier, list[Member]]]:
    """Return the tier and the items of each slot that still exists in the namespace, items in the order of adding."""
    found: dict[int, tuple[Tier, list[tuple[int, Member]]]] = {}
    for start in range(0, len(slots), _CHUNK):
        part = slots[start : start + _CHUNK]
        marks = ",".join("?" * len(part))
        # CROSS JOIN fixes the order of the tables: the planner would rather walk all items.
        rows = db.execute(
            "SELECT slot.slot, tier, item, id, coalesce(content, text), metadata FROM slot CROSS JOIN item ON item.slot = slot.slot"
            f" WHERE slot.slot IN ({marks}) AND slot.namespace = ?",
            (*part, namespace),
        )
        for slot, tier, item, id, content, metadata in rows:
            if slot not in found:
                found[slot] = Tier(tier), []
            found[slot][1].append((item, Member(id, content, json.loads(metadata))))
    return {slot: (tier, [member for _, member in sorted(several, key=lambda pair: pair[0])]) for slot, (tier, several) in found.items()}


def slot_of(db: sqlite3.Connection, namespace: str, id: str) -> int | None:
    """Return the slot of an item, or None if there is no such item."""
    row = db.execute("SELECT slot FROM item WHERE namespace = ? AND id = ?", (namespace, id)).fetchone()
    return None if row is None else int(row[0])


def find_text(db: sqlite3.Connection, namespace: str, exact: bytes, masked: bytes, limit: int = 5) -> tuple[str | None, list[str]]:
    """Return the id of the first item with this very text, and ids of texts equal but for digits."""
    row = db.execute(
        "SELECT id FROM item JOIN slot USING (slot) WHERE slot.namespace = ? AND exact = ? ORDER BY item LIMIT 1", (namespace, exact)
    ).fetchone()
    twins = db.execute(
        "SELECT id FROM item JOIN slot USING (slot) WHERE slot.namespace = ? AND masked = ? AND exact <> ? ORDER BY item LIMIT ?",
        (namespace, masked, exact, limit),
    )
    return (row[0] if row else None), [id for (id,) in twins]


def known_masks(db: sqlite3.Connection, namespace: str, masks: Sequence[bytes]) -> set[bytes]:
    """Return those of the masked digests that some text of the namespace already has."""
    known: set[bytes] = set()
    for start in range(0, len(masks), _CHUNK):
        part = masks[start : start + _CHUNK]
        marks = ",".join("?" * len(part))
        known.update(
            row[0]
            for row in db.execute(f"SELECT DISTINCT masked FROM slot WHERE namespace = ? AND masked IN ({marks})", (namespace, *part))
        )
    return known
