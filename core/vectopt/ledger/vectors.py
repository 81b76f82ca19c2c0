"""Float vectors: rows of the file, one a slot at the most."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import numpy as np

from ..model import Tier, Vector
from .lifecycle import drop_vector, move
from .transaction import Transaction


def to_blob(vector: Vector) -> bytes:
    """Return the row's bytes: little-endian float32."""
    return vector.astype("<f4", copy=False).tobytes()


def from_blob(data: bytes) -> Vector:
    """Return the vector, shape (dimensions,); read-only."""
    return np.frombuffer(data, "<f4")


def put(tx: Transaction, slot: int, namespace: str, data: bytes, origin: str, now: float) -> None:
    """Give a slot its vector, in place of any it had."""
    drop_vector(tx, slot, namespace)
    tx.db.execute("INSERT INTO vector (slot, data, origin, made_at) VALUES (?, ?, ?, ?)", (slot, data, origin, now))
    tx.count(namespace, "vectors")
    tx.count(namespace, "vector_bytes", len(data))


def note_promotion(tx: Transaction, slot: int, facts: dict[str, Any]) -> None:
    """Keep where a persistent vector came from."""
    tx.db.execute("UPDATE vector SET promotion = ? WHERE slot = ?", (json.dumps(facts), slot))


def lowest(db: sqlite3.Connection, namespace: str | None, count: int) -> list[tuple[int, Tier, float]]:
    """Return the slots whose vectors are worth least as (slot, tier, worth), ascending; of all namespaces for None."""
    where = "" if namespace is None else "AND namespace = :namespace"
    rows = db.execute(
        f"SELECT slot, tier, worth FROM slot WHERE tier IN ('persistent', 'temp') {where} ORDER BY worth, slot LIMIT :count",
        {"namespace": namespace, "count": count},
    )
    return [(slot, Tier(tier), worth) for slot, tier, worth in rows]


def displace(tx: Transaction, namespace: str | None, count: int, now: float) -> int:
    """Move the `count` lowest vectors' slots to the cache tier; their texts stay. Return how many left."""
    victims = lowest(tx.db, namespace, count) if count > 0 else []
    return sum(move(tx, slot, tier, Tier.CACHED, "displaced by a vector worth more; the text stays", now) for slot, tier, _ in victims)
