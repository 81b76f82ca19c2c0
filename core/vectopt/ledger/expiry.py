"""Items that delete themselves: hidden once their time is over, removed in bounded steps, kept alive by a touch."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from . import items
from .transaction import Transaction


def due(db: sqlite3.Connection, now: float) -> bool:
    """Tell whether any item's time is over."""
    return db.execute("SELECT 1 FROM item WHERE delete_at <= ? LIMIT 1", (now,)).fetchone() is not None


def next_due(db: sqlite3.Connection, after: float) -> float | None:
    """Return when the next item's time is over, of those whose time is over after that."""
    at: float | None = db.execute("SELECT min(delete_at) FROM item WHERE delete_at > ?", (after,)).fetchone()[0]
    return at


def remove(tx: Transaction, now: float, limit: int) -> list[tuple[str, str]]:
    """Delete items whose time is over, the longest overdue first; return (namespace, id) of each."""
    query = "SELECT namespace, id FROM item WHERE delete_at <= ? ORDER BY delete_at LIMIT ?"
    gone: list[tuple[str, str]] = tx.db.execute(query, (now, limit)).fetchall()
    by_namespace: dict[str, list[str]] = {}
    for namespace, id in gone:
        by_namespace.setdefault(namespace, []).append(id)
    for namespace, ids in by_namespace.items():
        items.delete(tx, namespace, ids)
    return gone


def remove_these(tx: Transaction, namespace: str, ids: Sequence[str], now: float) -> None:
    """Delete those of the ids whose time is over, so that what comes under them is new."""
    if due(tx.db, now):
        over = []
        for part, marks in items.chunks(ids):
            query = f"SELECT id FROM item WHERE namespace = ? AND id IN ({marks}) AND delete_at <= ?"
            over += [id for (id,) in tx.db.execute(query, (namespace, *part, now))]
        items.delete(tx, namespace, over)


def touch(tx: Transaction, namespace: str, ids: Sequence[str], now: float) -> int:
    """Let items live for their whole time again; return how many there were. One whose time is over stays so."""
    touched = 0
    for part, marks in items.chunks(ids):
        query = f"UPDATE item SET delete_at = ? + lives WHERE namespace = ? AND id IN ({marks}) AND delete_at > ?"
        touched += tx.db.execute(query, (now, namespace, *part, now)).rowcount
    return touched
