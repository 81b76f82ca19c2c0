"""Passes: what the last one took, what came of each, at which level it was; and the alerts."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict

from ..model import CapacityAction, CapacityAlert, CapacityLevel, CapacityReport
from . import records
from .transaction import Transaction

_MOST_ALERTS = 1000
_MOST_PASSES = 1000


def begin(tx: Transaction, now: float) -> int:
    """Open a pass; what the one before it took can't be undone any more. Return its number."""
    tx.db.execute("DELETE FROM taken")
    tx.db.execute("DELETE FROM pass WHERE pass <= (SELECT max(pass) FROM pass) - ?", (_MOST_PASSES,))
    row = tx.db.execute("INSERT INTO pass (at, report) VALUES (?, '{}') RETURNING pass", (now,)).fetchone()
    return int(row[0])


def note_taken(tx: Transaction, what: str, ids: Iterable[tuple[str, str]]) -> None:
    """Remember what a pass took away: of these items (namespace, id) the "vector" or the whole "item"."""
    tx.db.executemany("INSERT OR REPLACE INTO taken VALUES (?, ?, ?)", [(namespace, id, what) for namespace, id in ids])


def taken(db: sqlite3.Connection) -> list[tuple[str, str, str]]:
    """Return (namespace, id, what) of all that the last pass took."""
    return db.execute("SELECT namespace, id, what FROM taken").fetchall()


def end(tx: Transaction, number: int, report: CapacityReport) -> None:
    """Keep a pass's report."""
    tx.db.execute("UPDATE pass SET report = ? WHERE pass = ?", (json.dumps(asdict(report)), number))


def last(db: sqlite3.Connection) -> int | None:
    """Return the number of the last pass, if it was not undone."""
    row = db.execute("SELECT pass, undone FROM pass ORDER BY pass DESC LIMIT 1").fetchone()
    return None if row is None or row[1] else int(row[0])


def undone(tx: Transaction, number: int) -> None:
    """Note that a pass was undone."""
    tx.db.execute("UPDATE pass SET undone = 1 WHERE pass = ?", (number,))
    tx.db.execute("DELETE FROM taken")


def alert(tx: Transaction, one: CapacityAlert) -> None:
    """Keep an alert; of very many the oldest go."""
    tx.db.execute("INSERT INTO alert (at, body) VALUES (?, ?)", (one.created_at, json.dumps(asdict(one))))
    tx.db.execute("DELETE FROM alert WHERE alert <= (SELECT max(alert) FROM alert) - ?", (_MOST_ALERTS,))


def alerts(db: sqlite3.Connection, limit: int) -> list[CapacityAlert]:
    """Return the newest alerts, the oldest of them first."""
    rows = db.execute("SELECT body FROM (SELECT alert, body FROM alert ORDER BY alert DESC LIMIT ?) ORDER BY alert", (limit,))
    return [_alert(body) for (body,) in rows]


def _alert(body: str) -> CapacityAlert:
    fields = json.loads(body)
    actions = tuple(CapacityAction(action) for action in fields.pop("recommended_actions"))
    return CapacityAlert(**fields, recommended_actions=actions)


def level(db: sqlite3.Connection, scope: str | None) -> CapacityLevel:
    """Return the level a budget was at when it was last looked at."""
    return CapacityLevel(records.meta(db, _level_name(scope)) or CapacityLevel.NORMAL)


def note_level(tx: Transaction, scope: str | None, now_at: CapacityLevel) -> None:
    """Keep the level a budget is at."""
    records.set_meta(tx, _level_name(scope), now_at.value)


def _level_name(scope: str | None) -> str:
    return "level" if scope is None else f"level of {scope}"


def pause(tx: Transaction, paused: bool) -> None:
    """Have no pass act until further notice, or act again."""
    records.set_meta(tx, "passes_paused", int(paused))


def paused(db: sqlite3.Connection) -> bool:
    """Tell whether passes are paused."""
    return bool(records.meta(db, "passes_paused"))


def pin(tx: Transaction, namespace: str, ids: Iterable[str], pinned: bool) -> int:
    """Have items kept by every pass, or no longer; return how many of them exist."""
    count = 0
    for id in ids:
        found = "SELECT 1 FROM item WHERE namespace = :ns AND id = :id UNION ALL SELECT 1 FROM archived WHERE namespace = :ns AND id = :id"
        if not tx.db.execute(found, {"ns": namespace, "id": id}).fetchone():
            continue
        change = "INSERT OR IGNORE INTO pin VALUES (?, ?)" if pinned else "DELETE FROM pin WHERE namespace = ? AND id = ?"
        tx.db.execute(change, (namespace, id))
        count += 1
    return count
