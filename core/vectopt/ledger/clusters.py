"""What the slots are as clusters: read for statistics and search, and two made one."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator

from ..compression import PatternCluster, signature
from ..model import Tier
from . import near, vectors
from .items import chunks, leave
from .lifecycle import drop_sketch, drop_vector, move
from .transaction import Transaction
from .wording import OWN_TEXT, packed


def totals(db: sqlite3.Connection, namespace: str) -> tuple[int, int, int, int]:
    """Return how many items and slots a namespace has, and how many bytes the items' texts and the slots' have."""
    query = f"SELECT count(*), coalesce(sum(length(CAST({OWN_TEXT} AS BLOB))), 0) FROM item JOIN slot USING (slot) WHERE item.namespace = ?"
    items, before = db.execute(query, (namespace,)).fetchone()
    query = "SELECT count(*), coalesce(sum(length(CAST(text AS BLOB))), 0) FROM slot WHERE namespace = ?"
    slots, after = db.execute(query, (namespace,)).fetchone()
    return items, slots, before, after


def search(db: sqlite3.Connection, namespace: str, query: str, limit: int) -> list[PatternCluster]:
    """Return the clusters that have the query in a text or in the signature: by importance, then frequency, highest first."""
    asked = query.lower()
    found = [
        slot
        for slot, text, patterns, members, own in db.execute(
            "SELECT slot, text, patterns, members, near FROM slot WHERE namespace = ? ORDER BY slot", (namespace,)
        )
        if asked in text.lower() or asked in _signature(patterns, members).lower() or (own and _in_members(db, slot, asked))
    ]
    ranked: list[tuple[float, int, int]] = []
    for part, marks in chunks(found):
        ranked += db.execute(
            "SELECT -avg(coalesce(item.importance, slot.importance)), -members, slot FROM slot CROSS JOIN item USING (slot)"
            f" WHERE slot IN ({marks}) GROUP BY slot",
            part,
        )
    return [_cluster(db, slot) for _, _, slot in sorted(ranked)[:limit]]


def _in_members(db: sqlite3.Connection, slot: int, asked: str) -> bool:
    rows = db.execute(f"SELECT {OWN_TEXT} FROM item JOIN slot USING (slot) WHERE slot = ? AND own IS NOT NULL", (slot,))
    return any(asked in text.lower() for (text,) in rows)


def _signature(patterns: str, members: int) -> str:
    return signature(Counter(dict.fromkeys(json.loads(patterns), members)))


def _cluster(db: sqlite3.Connection, slot: int) -> PatternCluster:
    rows = db.execute(
        f"SELECT {OWN_TEXT}, coalesce(item.importance, slot.importance), updated_at, patterns, slot.created_at"
        " FROM item JOIN slot USING (slot) WHERE slot = ? ORDER BY item",
        (slot,),
    ).fetchall()
    texts = [row[0] for row in rows]
    best = max(range(len(rows)), key=lambda place: rows[place][1])
    return PatternCluster(
        cluster_id=f"cluster_{slot}",
        representative_content=texts[best],
        similar_contents=tuple(text for place, text in enumerate(texts) if place != best),
        pattern_signature=_signature(rows[0][3], len(rows)),
        frequency=len(rows),
        importance_score=sum(row[1] for row in rows) / len(rows),
        created_at=rows[0][4],
        last_updated=max(row[2] for row in rows),
    )


def blocks(db: sqlite3.Connection, namespace: str) -> Iterator[list[tuple[int, str]]]:
    """Yield (slot, text) of those that use the same words, where there are several, in the order of opening."""
    query = "SELECT words FROM slot WHERE namespace = ? AND words IS NOT NULL GROUP BY words HAVING count(*) > 1"
    for (words,) in db.execute(query, (namespace,)).fetchall():
        yield near.lookalikes(db, namespace, words)


def note_words(tx: Transaction, namespace: str) -> None:
    """Find the words of texts that came in while near-duplicates weren't looked for."""
    tx.db.execute("UPDATE slot SET words = words_key(text) WHERE namespace = ? AND words IS NULL", (namespace,))


def embedded(db: sqlite3.Connection, namespace: str) -> sqlite3.Cursor:
    """Return (slot, text, vector, precision) of the texts whose vectors are here, in the order of opening."""
    query = "SELECT slot, text, data, precision FROM slot JOIN vector USING (slot) WHERE namespace = ? AND length(data) > 0 ORDER BY slot"
    return db.execute(query, (namespace,))


def merge(tx: Transaction, namespace: str, slot: int, into: int, least: float, now: float) -> bool:
    """Let one slot's items share another's vector and place; False where either is gone, or callers gave vectors that differ.

    A vector is kept: the other's, or where that has none, this one's.
    """
    rows = dict(tx.db.execute("SELECT slot, tier FROM slot WHERE slot IN (?, ?) AND namespace = ?", (slot, into, namespace)).fetchall())
    if len(rows) < 2 or vectors.contradict(tx.db, slot, into, least):
        return False
    text, exact = tx.db.execute("SELECT text, exact FROM slot WHERE slot = ?", (into,)).fetchone()
    query = f"SELECT item, coalesce(own, exact), {OWN_TEXT}, own FROM item JOIN slot USING (slot) WHERE slot = ?"
    members = tx.db.execute(query, (slot,)).fetchall()
    if not all(tx.judge.same(text, content) for content in {content for _, _, content, _ in members}):
        return False  # not all that share the one place say what the other's opener says
    if Tier(rows[slot]) in (Tier.PERSISTENT, Tier.TEMP) and Tier(rows[into]) in (Tier.QUEUED, Tier.CACHED):
        _hand_over(tx, namespace, slot, into, Tier(rows[into]), Tier(rows[slot]), now)
        rows[into] = rows[slot]
    for item, digest, content, _ in members:
        own = None if digest == exact else digest
        tx.db.execute("UPDATE item SET slot = ?, own = ?, content = ? WHERE item = ?", (into, own, packed(content, text), item))
    tx.count(namespace, f"items.{rows[into]}", len(members))
    leave(tx, namespace, {slot: [own is not None for *_, own in members]})
    near.recount(tx, into)
    return True


def _hand_over(tx: Transaction, namespace: str, slot: int, into: int, source: Tier, tier: Tier, now: float) -> None:
    """Give a slot's vector, and its time to live, to one without."""
    move(tx, into, source, tier, "merged with a text that says the same and has a vector", now)
    drop_vector(tx, into, namespace)
    if tx.db.execute("SELECT 1 FROM vector WHERE slot = ? AND length(data) = 0", (slot,)).fetchone():
        drop_sketch(tx, into, namespace)
        tx.db.execute("UPDATE sketch SET slot = ? WHERE slot = ?", (into, slot))
    for table in ("vector", "temp", "finder", "outside"):
        tx.db.execute(f"UPDATE {table} SET slot = ? WHERE slot = ?", (into, slot))
