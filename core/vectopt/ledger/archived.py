"""Archived items: what leaves the ledger with them, and where it is then."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..model import Move, Precision, StoredItem, Tier, Vector
from . import vectors
from .transaction import Transaction
from .wording import OWN_TEXT

Record = dict[str, Any]  # a text with its items, as JSON has it

_ITEM = ("id", "content", "metadata", "decision", "importance", "generation", "created_at", "updated_at")
_TEXT = ("tier", "importance", "novelty", "patterns", "worth", "keep", "created_at", "used_at")
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Spot:
    """Where an archived item's record is."""

    namespace: str
    id: str
    segment: int
    name: str  # of the object
    start: int
    length: int


def records(db: sqlite3.Connection, slots: Sequence[int]) -> Iterator[tuple[int, int, Record]]:
    """Yield (slot, the change it was read at, its record) of those texts that exist, in whatever tier.

    Texts with items that delete themselves are passed over: they go anyway. A record whose vector is held outside alone names its
    `copy`, until it is given the vector.
    """
    space = space_of(db)
    for slot in slots:
        row = db.execute(
            "SELECT changed, namespace, tier, importance, novelty, patterns, worth, keep OR tier = 'queued', created_at, used_at FROM slot"
            " WHERE slot = ?",
            (slot,),
        ).fetchone()
        if row is None or _deletes_itself(db, slot):
            continue
        items = db.execute(
            f"SELECT id, {OWN_TEXT}, metadata, decision, item.importance, generation, item.created_at, updated_at"
            " FROM item JOIN slot USING (slot) WHERE slot = ? ORDER BY item",
            (slot,),
        )
        record: Record = {"namespace": row[1], "text": dict(zip(_TEXT, row[2:], strict=True))}
        record["items"] = [dict(zip(_ITEM, item, strict=True)) for item in items]
        vector = db.execute("SELECT data, precision, origin, made_at, promotion FROM vector WHERE slot = ?", (slot,)).fetchone()
        if vector is not None:
            facts = dict(zip(("precision", "origin", "made_at", "promotion"), vector[1:], strict=True))
            record |= {"space": space, "vector": {"data": _text(vector[0]), **facts}}
            if not vector[0]:
                (record["copy"],) = db.execute("SELECT copy FROM outside WHERE slot = ?", (slot,)).fetchone()
        sketch = db.execute("SELECT data FROM sketch WHERE slot = ?", (slot,)).fetchone()
        if sketch is not None:
            record |= {"space": space, "sketch": _text(sketch[0])}
        moves = db.execute("SELECT at, source, target, reason FROM move WHERE slot = ? ORDER BY move", (slot,)).fetchall()
        if moves:
            record["moves"] = moves
        yield slot, row[0], record


def give_vector(record: Record, vector: Vector) -> None:
    """Give a record the vector that was held outside."""
    record["vector"] |= {"data": _text(vectors.to_blob(vector)), "precision": Precision.FLOAT32.value}


def space_of(db: sqlite3.Connection) -> list[Any]:
    """Return the space that the store's vectors lie in: the embedder's name, the dimensions."""
    facts = dict(db.execute("SELECT name, value FROM meta WHERE name IN ('embedder', 'dimensions')").fetchall())
    return [facts.get("embedder"), facts.get("dimensions")]


def fits(record: Mapping[str, Any], space: Sequence[Any]) -> bool:
    """Tell whether a record's vector lies in a space (embedder's name, dimensions); a name that isn't known yet fits any."""
    name, dimensions = record.get("space", space)
    return bool(dimensions == space[1] and (name == space[0] or None in (name, space[0])))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def data_of(text: str) -> bytes:
    """Return the bytes that a record holds as text."""
    return base64.b64decode(text, validate=True)


def put(tx: Transaction, segment: int, namespace: str, places: Iterable[tuple[str, int, int]]) -> None:
    """Note where items (id, start, length) are."""
    rows = [(namespace, id, segment, start, length) for id, start, length in places]
    tx.db.executemany("INSERT INTO archived VALUES (?, ?, ?, ?, ?)", rows)
    tx.db.execute("UPDATE segment SET live = live + ? WHERE segment = ?", (len(rows), segment))
    tx.count(namespace, f"items.{Tier.ARCHIVED}", len(rows))


def unchanged(tx: Transaction, slot: int, changed: int) -> bool:
    """Tell whether a text and its items are still as they were read."""
    row = tx.db.execute("SELECT changed FROM slot WHERE slot = ?", (slot,)).fetchone()
    return row is not None and row[0] == changed and not _deletes_itself(tx.db, slot)


def _deletes_itself(db: sqlite3.Connection, slot: int) -> bool:
    return db.execute("SELECT 1 FROM item WHERE slot = ? AND lives IS NOT NULL LIMIT 1", (slot,)).fetchone() is not None


def forget(tx: Transaction, namespace: str, ids: Iterable[str]) -> int:
    """Forget archived items: they were deleted, replaced or restored. Return how many there were."""
    gone = 0
    if not tx.db.execute("SELECT 1 FROM archived WHERE namespace = ? LIMIT 1", (namespace,)).fetchone():
        return 0
    for id in ids:
        row = tx.db.execute("DELETE FROM archived WHERE namespace = ? AND id = ? RETURNING segment", (namespace, id)).fetchone()
        if row is not None:
            tx.db.execute("UPDATE segment SET live = live - 1 WHERE segment = ?", row)
            gone += 1
    tx.count(namespace, f"items.{Tier.ARCHIVED}", -gone)
    return gone


def spots(db: sqlite3.Connection, namespace: str, ids: Sequence[str] | None = None) -> list[Spot]:
    """Return where archived items are: those of some ids that are archived, or for None all of a namespace."""
    query = "SELECT namespace, id, segment, name, start, length FROM archived JOIN segment USING (segment) WHERE namespace = ?"
    if ids is None:
        return [Spot(*row) for row in db.execute(query, (namespace,))]
    found: list[Spot] = []
    for begin in range(0, len(ids), _CHUNK):
        part = ids[begin : begin + _CHUNK]
        found += [Spot(*row) for row in db.execute(f"{query} AND id IN ({','.join('?' * len(part))})", (namespace, *part))]
    return found


def spots_in(db: sqlite3.Connection, segment: int) -> list[Spot]:
    """Return where the items of one object are."""
    rows = db.execute(
        "SELECT namespace, id, segment, name, start, length FROM archived JOIN segment USING (segment) WHERE segment = ?", (segment,)
    )
    return [Spot(*row) for row in rows]


def point(tx: Transaction, spot: Spot, segment: int, start: int, length: int) -> bool:
    """Let an archived item's record be found elsewhere; False where the item is no longer where it was."""
    moved = tx.db.execute(
        "UPDATE archived SET segment = ?, start = ?, length = ? WHERE namespace = ? AND id = ? AND segment = ? AND start = ?",
        (segment, start, length, spot.namespace, spot.id, spot.segment, spot.start),
    ).rowcount
    if moved:
        tx.db.execute("UPDATE segment SET live = live - 1 WHERE segment = ?", (spot.segment,))
        tx.db.execute("UPDATE segment SET live = live + 1 WHERE segment = ?", (segment,))
    return bool(moved)


def still(tx: Transaction, spot: Spot) -> bool:
    """Tell whether an archived item is still where it was found."""
    row = tx.db.execute(
        "SELECT 1 FROM archived WHERE namespace = ? AND id = ? AND segment = ? AND start = ?",
        (spot.namespace, spot.id, spot.segment, spot.start),
    ).fetchone()
    return row is not None


def holds(db: sqlite3.Connection, record: Record) -> bool:
    """Tell whether every item of a record is held, as it is there or newer."""
    query = (
        "SELECT 1 FROM item WHERE namespace = :ns AND id = :id AND updated_at >= :at"
        " UNION ALL SELECT 1 FROM archived JOIN segment USING (segment) WHERE namespace = :ns AND id = :id AND made_at >= :at"
    )
    found = ({"ns": record["namespace"], "id": item["id"], "at": item["updated_at"]} for item in record["items"])
    return all(db.execute(query, one).fetchone() for one in found)


def stored(record: Mapping[str, Any], id: str, *, with_vector: bool = False) -> StoredItem:
    """Return an archived item as `get` does."""
    text, item = record["text"], item_of(record, id)
    importance = text["importance"] if item["importance"] is None else item["importance"]
    facts = {
        "importance_score": importance,
        "novelty_score": text["novelty"],
        "patterns": json.loads(text["patterns"]),
        "created_at": item["created_at"],
        "updated_at": item["updated_at"],
    }
    vector = record.get("vector")
    if vector is not None:
        facts |= {"vector_origin": vector["origin"], "vectorized_at": vector["made_at"], **json.loads(vector["promotion"] or "{}")}
    row = vectors.from_blob(data_of(vector["data"]), vector["precision"]) if with_vector and vector is not None else None
    return StoredItem(id, record["namespace"], item["content"], json.loads(item["metadata"]), Tier.ARCHIVED, item["generation"], facts, row)


def belongs(record: Mapping[str, Any], spot: Spot) -> bool:
    """Tell whether a record is of the item that is said to be there."""
    return bool(record.get("namespace") == spot.namespace and any(item["id"] == spot.id for item in record.get("items", ())))


def item_of(record: Mapping[str, Any], id: str) -> Mapping[str, Any]:
    """Return one of a record's items."""
    item: Mapping[str, Any] = next(one for one in record["items"] if one["id"] == id)
    return item


def moves_of(record: Mapping[str, Any]) -> tuple[Move, ...]:
    """Return the moves that a record's text made."""
    return tuple(Move(at, Tier(source), Tier(target), reason) for at, source, target, reason in record.get("moves", ()))
