"""Who may leave, and the leaving."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from ..model import Tier
from ..strategy import Candidate
from . import items, queue, vectors
from .lifecycle import leave_sketches_of, move
from .transaction import Transaction

_HOUR = 3600

# Of texts that equal each other but for digits, the worthiest one with a vector stays uncovered: the others borrow from it.
_CANDIDATES = (
    "WITH best AS (SELECT namespace, masked, slot AS lender, max(worth) FROM slot WHERE tier = 'persistent' GROUP BY namespace, masked)"
    " SELECT slot.slot, worth, created_at, used_at, lender IS NOT NULL AND lender <> slot.slot"
    " FROM slot LEFT JOIN best USING (namespace, masked) WHERE {held}{unpinned}"
)
_UNPINNED = " AND NOT EXISTS (SELECT 1 FROM item JOIN pin USING (namespace, id) WHERE item.slot = slot.slot)"


def candidates(db: sqlite3.Connection, namespace: str | None, *, with_vectors: bool) -> list[Candidate]:
    """Return the texts that may leave, but for pinned ones: those with vectors, or all; of all namespaces for None.

    Texts with items that delete themselves leave by that alone, whole; their vectors may go before.
    """
    pins = db.execute("SELECT 1 FROM pin LIMIT 1").fetchone()
    query = _CANDIDATES.format(held="tier IN ('persistent', 'temp')" if with_vectors else "TRUE", unpinned=_UNPINNED if pins else "")
    if not with_vectors:
        query += " AND slot.slot NOT IN (SELECT slot FROM item INDEXED BY item_delete_at WHERE delete_at IS NOT NULL)"
    rows = db.execute(query if namespace is None else f"{query} AND slot.namespace = ?", () if namespace is None else (namespace,))
    return [Candidate(slot, worth, made, used, bool(covered)) for slot, worth, made, used, covered in rows]


def ids_of(db: sqlite3.Connection, slots: Sequence[int]) -> list[tuple[str, str]]:
    """Return (namespace, id) of the items of some texts, in the order of the texts."""
    found: list[tuple[str, str]] = []
    for slot in slots:
        found += db.execute("SELECT namespace, id FROM item WHERE slot = ? ORDER BY item", (slot,)).fetchall()
    return found


def pinned(db: sqlite3.Connection, slot: int) -> bool:
    """Tell whether any item of a text is pinned."""
    return db.execute("SELECT 1 FROM item JOIN pin USING (namespace, id) WHERE item.slot = ? LIMIT 1", (slot,)).fetchone() is not None


def drop(tx: Transaction, slots: Sequence[int], now: float, reason: str) -> list[int]:
    """Let texts' vectors go, but for pinned ones; the texts stay findable. Return those that had one."""
    leave_sketches_of(tx, slots)
    dropped: list[int] = []
    for slot in slots:
        if pinned(tx.db, slot):  # since it was looked at
            continue
        row = tx.db.execute("SELECT tier FROM slot WHERE slot = ?", (slot,)).fetchone()
        tier = None if row is None else Tier(row[0])
        if tier in (Tier.PERSISTENT, Tier.TEMP) and move(tx, slot, tier, Tier.CACHED, reason, now, event="evicted"):
            tx.db.execute("UPDATE slot SET keep = 0 WHERE slot = ?", (slot,))  # else it would be embedded again at the next room
            dropped.append(slot)
    return dropped


def queue_again(tx: Transaction, pairs: Iterable[tuple[str, str]], ttl: float, now: float) -> int:
    """Queue texts (by namespace and id of an item) whose vectors were let go, and let them be kept; return how many."""
    count = 0
    for namespace, id in pairs:
        slot = items.slot_of(tx.db, namespace, id)
        if slot is not None and queue.requeue(tx, slot, namespace, ttl, now, "that its vector left was undone"):
            tx.db.execute("UPDATE slot SET keep = 1 WHERE slot = ?", (slot,))
            count += 1
    return count


def delete(tx: Transaction, slots: Iterable[int], seen: int) -> int:
    """Delete texts with all their items, but for those that were pinned or changed after the change `seen`; return how many items."""
    gone = 0
    for slot in slots:
        if pinned(tx.db, slot) or not tx.db.execute("SELECT 1 FROM slot WHERE slot = ? AND changed <= ?", (slot, seen)).fetchone():
            continue
        rows = tx.db.execute("SELECT namespace, id FROM item WHERE slot = ?", (slot,)).fetchall()
        for namespace, id in rows:
            gone += items.delete(tx, namespace, [id])
            tx.note("deleted_by_policy", namespace)
    return gone


def drop_sketches(tx: Transaction, count: int) -> int:
    """Drop the sketches of least worth in the whole store; return how many there were."""
    return vectors.drop_sketches(tx, None, count)


def note_used(tx: Transaction, slots: Iterable[int], now: float) -> None:
    """Note that queries found texts; to the hour, so that reading seldom writes."""
    tx.db.executemany("UPDATE slot SET used_at = ? WHERE slot = ? AND used_at < ?", [(now, slot, now - _HOUR) for slot in slots])


def stale(db: sqlite3.Connection, slots: Iterable[int], now: float) -> list[int]:
    """Return those of the texts whose last use was noted more than an hour ago."""
    query = "SELECT 1 FROM slot WHERE slot = ? AND used_at < ?"
    return [slot for slot in slots if db.execute(query, (slot, now - _HOUR)).fetchone()]
