"""What is asked for: texts that searches found, by distinct queries."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from ..model import Tier
from ..strategy import ASKED_STEPS, QUERIES_COUNTED, query_bonus
from .transaction import Transaction

_COUNTED = {Tier.QUEUED: ASKED_STEPS, Tier.CACHED: QUERIES_COUNTED, Tier.PERSISTENT: QUERIES_COUNTED}  # distinct queries, at the most

_STATE = "SELECT tier, keep, (SELECT count(*) FROM asked WHERE asked.slot = slot.slot) FROM slot WHERE slot = ?"


def fresh(db: sqlite3.Connection, found: Iterable[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Return those (slot, digest of a query) that count: of texts that may have a vector, not counted before and not too many."""
    return [(slot, query) for slot, query in found if _counted(db, slot, query) is not None]


def note(tx: Transaction, found: Iterable[tuple[int, bytes]]) -> None:
    """Let texts that were asked for come sooner: each distinct query moves a queued text forward as if it had waited one step of
    ageing, and makes others worth more: a cached one is taken first when there is room, one with a vector leaves last when there is none.
    """
    for slot, query in found:
        state = _counted(tx.db, slot, query)
        if state is None:
            continue
        tier, before = state
        tx.db.execute("INSERT INTO asked VALUES (?, ?)", (slot, query))
        if tier is Tier.QUEUED:
            tx.db.execute("UPDATE queue SET turn = turn - ? WHERE slot = ?", (tx.ageing_seconds, slot))
        else:
            gain = query_bonus(before + 1) - query_bonus(before)
            tx.db.execute("UPDATE slot SET worth = worth + ? WHERE slot = ?", (gain, slot))


def _counted(db: sqlite3.Connection, slot: int, query: bytes) -> tuple[Tier, int] | None:
    """Return the text's tier and how many queries were counted before, or None where this one doesn't count."""
    row = db.execute(_STATE, (slot,)).fetchone()
    if row is None:
        return None
    tier, keep, before = Tier(row[0]), bool(row[1]), int(row[2])
    if tier not in _COUNTED or (tier is Tier.CACHED and not keep) or before >= _COUNTED[tier]:
        return None
    if before and db.execute("SELECT 1 FROM asked WHERE slot = ? AND query = ?", (slot, query)).fetchone():
        return None
    return tier, before


def lead(db: sqlite3.Connection, slot: int, ageing_seconds: float) -> float:
    """Return how many seconds a text that is queued now stands ahead, by the queries that found it before."""
    count = db.execute("SELECT count(*) FROM asked WHERE slot = ?", (slot,)).fetchone()[0]
    return min(int(count), ASKED_STEPS) * ageing_seconds
