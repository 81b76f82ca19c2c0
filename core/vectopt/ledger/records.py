"""What is kept beside the items: counters, learned state, the change feed, the history of a slot."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..model import Action, Decision, Move, Priority, Tier
from .transaction import Transaction

_KEEP_GONE = 100_000  # deletions remembered for other processes' indexes; one that lags more reloads
_KEEP_DAYS = 7


def counters(db: sqlite3.Connection, namespace: str | None = None) -> dict[str, int]:
    """Return a namespace's counters, or their sums over all of them."""
    if namespace is not None:
        return dict(db.execute("SELECT name, value FROM counter WHERE namespace = ?", (namespace,)).fetchall())
    return dict(db.execute("SELECT name, sum(value) FROM counter GROUP BY name").fetchall())


def recount(db: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """Count again, from the rows themselves, what the counters of use must say: an audit."""
    totals: dict[tuple[str, str], int] = {}
    queries = {
        "items": "SELECT namespace, count(*) FROM item GROUP BY 1",
        "slots": "SELECT namespace, count(*) FROM slot GROUP BY 1",
        "slots.queued": "SELECT namespace, count(*) FROM slot WHERE tier = 'queued' GROUP BY 1",
        "vectors": "SELECT namespace, count(*) FROM vector JOIN slot USING (slot) GROUP BY 1",
        "vector_bytes": "SELECT namespace, sum(length(data)) FROM vector JOIN slot USING (slot) GROUP BY 1",
        "outside": "SELECT namespace, count(*) FROM vector JOIN slot USING (slot) WHERE length(data) = 0 GROUP BY 1",
        "sketches": "SELECT namespace, count(*) FROM sketch JOIN slot USING (slot) GROUP BY 1",
        "sketch_bytes": "SELECT namespace, sum(length(data)) FROM sketch JOIN slot USING (slot) GROUP BY 1",
        "dead": "SELECT namespace, count(*) FROM queue JOIN slot USING (slot) WHERE dead = 1 GROUP BY 1",
    }
    for name, query in queries.items():
        totals.update(((namespace, name), value) for namespace, value in db.execute(query))
    for namespace, tier, value in db.execute("SELECT item.namespace, tier, count(*) FROM item JOIN slot USING (slot) GROUP BY 1, 2"):
        totals[namespace, f"items.{tier}"] = value
    for namespace, value in db.execute("SELECT namespace, count(*) FROM archived GROUP BY 1"):
        totals[namespace, f"items.{Tier.ARCHIVED}"] = value
    return totals


_OF_USE = frozenset(("items", "slots", "slots.queued", "vectors", "vector_bytes", "sketches", "sketch_bytes", "outside", "dead"))


def is_of_use(name: str) -> bool:
    """Tell whether a counter says what is held, rather than what was done."""
    return name in _OF_USE or name.startswith("items.")


def correct(tx: Transaction) -> list[str]:
    """Set the counters of use to what a recount says; return which ones said something else."""
    tx.flush()
    totals = recount(tx.db)
    rows = tx.db.execute("SELECT namespace, name, value FROM counter").fetchall()
    held = {(namespace, name): value for namespace, name, value in rows if is_of_use(name)}
    wrong = sorted(key for key in held.keys() | totals.keys() if held.get(key, 0) != totals.get(key, 0))
    for namespace, name in wrong:
        tx.count(namespace, name, totals.get((namespace, name), 0) - held.get((namespace, name), 0))
    return [f"{name} of {namespace!r}" for namespace, name in wrong]


def namespaces(db: sqlite3.Connection) -> tuple[str, ...]:
    """Return the namespaces that hold items, sorted."""
    query = "SELECT DISTINCT namespace FROM counter WHERE name IN ('items', 'items.archived') AND value > 0 ORDER BY 1"
    return tuple(name for (name,) in db.execute(query))


def learn(tx: Transaction, namespace: str, name: str, value: bytes) -> None:
    """Keep a piece of learned state."""
    tx.db.execute("INSERT INTO learned VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", (namespace, name, value))


def learned(db: sqlite3.Connection, namespace: str, name: str) -> bytes | None:
    """Return a piece of learned state."""
    row = db.execute("SELECT value FROM learned WHERE namespace = ? AND name = ?", (namespace, name)).fetchone()
    return None if row is None else bytes(row[0])


_ERA = "era"


def unlearn(tx: Transaction, namespace: str, *, sure: bool) -> None:
    """Forget all that was learned of a namespace: a new era begins, and what anybody still knows of an older one is nothing.

    Args:
        tx: the transaction.
        namespace: of which to forget everything.
        sure: begin a new era also where nothing is written down; somebody may know something that isn't yet.
    """
    if tx.db.execute("DELETE FROM learned WHERE namespace = ? AND name <> ?", (namespace, _ERA)).rowcount or sure:
        learn(tx, namespace, _ERA, tx.seq.to_bytes(8, "little"))


def era(db: sqlite3.Connection, namespace: str) -> bytes:
    """Return what tells whether something that was learned of a namespace still counts: it does as long as this is the same."""
    return learned(db, namespace, _ERA) or b""


def space(db: sqlite3.Connection) -> str:
    """Return where the store's vectors lie: the embedder's name and their dimensions; empty where no embedder made any."""
    name = meta(db, "embedder")
    return "" if name is None else f"{name}/{meta(db, 'dimensions')}"


def of_space(name: str, space: str) -> str:
    """Return a name for learned state that is true of the vectors of one space only."""
    return f"{name}@{space}" if space else name


def meta(db: sqlite3.Connection, name: str) -> Any:
    """Return a fact about the file, or None."""
    row = db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return None if row is None else row[0]


def set_meta(tx: Transaction, name: str, value: str | int | None) -> None:
    """Keep a fact about the file."""
    tx.db.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", (name, value))


@dataclass(frozen=True, slots=True)
class Changes:
    """What an index must take in to be at `seq`. `reload`: it lags too far behind and must start anew."""

    seq: int
    reload: bool
    slots: sqlite3.Cursor  # of (namespace, slot, masked, tier, precision, vector or sketch), in the order of slots
    gone: dict[str, list[int]]  # slots, by namespace


_CHANGED = (
    "SELECT namespace, slot.slot, masked, tier,"
    " iif(length(vector.data) > 0, precision, iif(sketch.data IS NULL, NULL, 'sketch')), coalesce(nullif(vector.data, x''), sketch.data)"
    " FROM slot LEFT JOIN vector ON vector.slot = slot.slot LEFT JOIN sketch ON sketch.slot = slot.slot"
)


def changes(db: sqlite3.Connection, since: int) -> Changes | None:
    """Return what changed after the change sequence number `since`; None where nothing did. Read it in one transaction."""
    seq = int(meta(db, "change"))
    if seq <= since:  # nothing new, or the reader's view is older than the index already is
        return None
    reload = 0 < since < int(meta(db, "forgotten"))
    gone: dict[str, list[int]] = {}
    if reload or not since:
        slots = db.execute(f"{_CHANGED} ORDER BY slot.slot")
    else:
        slots = db.execute(f"{_CHANGED} WHERE slot.slot IN (SELECT slot FROM slot WHERE changed > ?) ORDER BY slot.slot", (since,))
        for namespace, slot in db.execute("SELECT namespace, slot FROM gone WHERE changed > ?", (since,)):
            gone.setdefault(namespace, []).append(slot)
    return Changes(seq, reload, slots, gone)


def texts(db: sqlite3.Connection, namespace: str, after: int) -> sqlite3.Cursor:
    """Return (slot, text) of a namespace's slots with numbers above `after`, ascending."""
    return db.execute("SELECT slot, text FROM slot WHERE namespace = ? AND slot > ? ORDER BY slot", (namespace, after))


def judged(db: sqlite3.Connection, namespace: str, slots: Sequence[int]) -> Iterator[tuple[int, str, float]]:
    """Yield (slot, text, novelty when it came) of those of some slots that exist in a namespace."""
    for slot in slots:
        yield from db.execute("SELECT slot, text, novelty FROM slot WHERE slot = ? AND namespace = ?", (slot, namespace))


def last_slot(db: sqlite3.Connection, namespace: str) -> int:
    """Return the number of the namespace's newest slot, 0 without any."""
    return int(db.execute("SELECT coalesce(max(slot), 0) FROM slot WHERE namespace = ?", (namespace,)).fetchone()[0])


def newest_gone(db: sqlite3.Connection) -> int:
    """Return the change at which the newest of the slots that are gone went; 0 if none is known."""
    return int(db.execute("SELECT coalesce(max(changed), 0) FROM gone").fetchone()[0])


def untidy(db: sqlite3.Connection, today: int) -> bool:
    """Tell whether there is something to tidy."""
    if db.execute("SELECT 1 FROM gone LIMIT 1 OFFSET ?", (_KEEP_GONE,)).fetchone():
        return True
    oldest = f"tokens@{today - _KEEP_DAYS}"
    row = db.execute("SELECT 1 FROM counter WHERE name LIKE 'tokens@%' AND length(name) <= ? AND name < ?", (len(oldest), oldest))
    return row.fetchone() is not None


def tidy(tx: Transaction, today: int) -> None:
    """Forget old deletions and old days' token counts."""
    row = tx.db.execute("SELECT changed FROM gone ORDER BY changed DESC LIMIT 1 OFFSET ?", (_KEEP_GONE,)).fetchone()
    if row is not None:
        tx.db.execute("DELETE FROM gone WHERE changed <= ?", row)
        set_meta(tx, "forgotten", max(row[0], int(meta(tx.db, "forgotten"))))
    oldest = f"tokens@{today - _KEEP_DAYS}"
    tx.db.execute("DELETE FROM counter WHERE name LIKE 'tokens@%' AND length(name) <= ? AND name < ?", (len(oldest), oldest))


@dataclass(frozen=True, slots=True)
class History:
    """What `explain` tells of an item."""

    decision: Decision
    moves: tuple[Move, ...]
    first: str
    facts: dict[str, Any]


def history(db: sqlite3.Connection, namespace: str, id: str) -> History | None:
    """Return an item's decision, its text's moves, the id of the text's first item, and its queue and temp facts."""
    row = db.execute("SELECT slot, decision FROM item WHERE namespace = ? AND id = ?", (namespace, id)).fetchone()
    if row is None:
        return None
    slot, decision = row[0], decision_from_json(row[1])
    moves = db.execute("SELECT at, source, target, reason FROM move WHERE slot = ? ORDER BY move", (slot,))
    first = db.execute("SELECT id FROM item WHERE slot = ? ORDER BY item LIMIT 1", (slot,)).fetchone()[0]
    facts: dict[str, Any] = {}
    queue = db.execute("SELECT attempts, error, dead FROM queue WHERE slot = ?", (slot,)).fetchone()
    if queue is not None:
        facts |= {"attempts": queue[0], "last_error": queue[1], "dead_letter": bool(queue[2])}
    temp = db.execute(
        "SELECT expires_at, access_count, (SELECT count(*) FROM finder WHERE finder.slot = temp.slot) FROM temp WHERE slot = ?", (slot,)
    ).fetchone()
    if temp is not None:
        facts |= {"expires_at": temp[0], "access_count": temp[1], "distinct_queries": temp[2]}
    outside = db.execute("SELECT state FROM outside WHERE slot = ?", (slot,)).fetchone()
    if outside is not None:
        facts |= {"outside": outside[0]}
    return History(decision, tuple(Move(at, Tier(source), Tier(target), reason) for at, source, target, reason in moves), first, facts)


def decision_to_json(decision: Decision) -> str:
    """Return a decision as the ledger keeps it."""
    return json.dumps(
        [decision.action, decision.priority, decision.reasoning, decision.importance_score, decision.novelty_score, decision.utilisation]
    )


def decision_from_json(text: str) -> Decision:
    """Read what `decision_to_json` gave."""
    action, priority, reasoning, importance, novelty, utilisation = json.loads(text)
    return Decision(Action(action), Priority(priority), tuple(reasoning), importance, novelty, utilisation)
