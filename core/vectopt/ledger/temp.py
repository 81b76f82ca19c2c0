"""The temp tier: time to live, who found what, promotion and expiry."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from ..model import Tier
from ..strategy import query_bonus
from . import vectors
from .lifecycle import move
from .transaction import Transaction

_MOST_LIVES = 7  # times its time to live, that use can make a temp vector live in all


@dataclass(frozen=True, slots=True)
class Expired:
    """A temp vector whose time is over, with what it earned."""

    slot: int
    namespace: str
    queries: int
    keep: bool


def open_slot(tx: Transaction, slot: int, ttl: float, now: float) -> None:
    """Give a slot that became a temp vector its time to live."""
    tx.db.execute("INSERT INTO temp (slot, expires_at, ttl, latest) VALUES (?, ?, ?, ?)", (slot, now + ttl, ttl, now + _MOST_LIVES * ttl))


def note_found(tx: Transaction, found: Iterable[tuple[int, bytes, int, float]]) -> None:
    """Take note of which queries (by digest) found which temp slots how often and when first; slots that moved on are passed over.

    A query that is new to the slot makes it live for half its time to live from then on, if it wouldn't live as long anyway.
    """
    for slot, query, times, at in found:
        changed = tx.db.execute("UPDATE temp SET access_count = access_count + ? WHERE slot = ?", (times, slot)).rowcount
        if changed and tx.db.execute("INSERT OR IGNORE INTO finder VALUES (?, ?)", (slot, query)).rowcount:
            tx.db.execute("UPDATE temp SET expires_at = max(expires_at, min(latest, ? + ttl / 2)) WHERE slot = ?", (at, slot))


def next_expiry(db: sqlite3.Connection, after: float) -> float | None:
    """Return when the next temp vector's time is over, of those whose time is over after that."""
    at: float | None = db.execute("SELECT min(expires_at) FROM temp WHERE expires_at > ?", (after,)).fetchone()[0]
    return at


def due(db: sqlite3.Connection, now: float, queries: int) -> bool:
    """Tell whether any temp vector's time is over, or any has earned promotion."""
    row = db.execute(
        "SELECT EXISTS (SELECT 1 FROM temp WHERE expires_at <= ?) OR EXISTS (SELECT 1 FROM finder GROUP BY slot HAVING count(*) >= ?)",
        (now, queries),
    ).fetchone()
    return bool(row[0])


def expired(tx: Transaction, now: float, limit: int) -> list[Expired]:
    """Return temp vectors whose time is over, the longest overdue first."""
    rows = tx.db.execute(
        "SELECT slot, namespace, (SELECT count(*) FROM finder WHERE finder.slot = temp.slot), keep"
        " FROM temp JOIN slot USING (slot) WHERE expires_at <= ? ORDER BY expires_at LIMIT ?",
        (now, limit),
    )
    return [Expired(slot, namespace, queries, bool(keep)) for slot, namespace, queries, keep in rows.fetchall()]


def earned(tx: Transaction, queries: int, limit: int) -> list[Expired]:
    """Return temp vectors that at least `queries` distinct queries found."""
    rows = tx.db.execute(
        "SELECT slot, namespace, found, keep FROM"
        " (SELECT slot, count(*) AS found FROM finder GROUP BY slot HAVING found >= ?)"
        " JOIN temp USING (slot) JOIN slot USING (slot) LIMIT ?",
        (queries, limit),
    )
    return [Expired(slot, namespace, found, bool(keep)) for slot, namespace, found, keep in rows.fetchall()]


def promote(tx: Transaction, slot: int, reason: str, now: float) -> bool:
    """Make a temp vector persistent, and worth more by the queries that found it; False where it is none any more."""
    row = tx.db.execute(
        "SELECT access_count, (SELECT count(*) FROM finder WHERE finder.slot = temp.slot) FROM temp WHERE slot = ?", (slot,)
    ).fetchone()
    if row is None or not move(tx, slot, Tier.TEMP, Tier.PERSISTENT, reason, now, event="promoted"):
        return False
    vectors.note_promotion(tx, slot, {"promoted_from_temp": True, "temp_access_count": row[0], "promoted_at": now})
    tx.db.execute("UPDATE slot SET worth = worth + ? WHERE slot = ?", (query_bonus(row[1]), slot))
    return True


def expire(tx: Transaction, slot: int, now: float) -> bool:
    """Let a temp vector go; its text stays in the cache tier."""
    return move(tx, slot, Tier.TEMP, Tier.CACHED, "its time to live was over; the text stays", now, event="expired")
