"""Vectors: rows of the file, one a slot at the most; and the sketches that dropped ones leave behind."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..model import Precision, Tier, Vector
from ..quantization import encoding, kept_as
from .lifecycle import digest_of, drop_sketch, drop_vector, leave_sketches_of, move
from .transaction import Transaction

_CHUNK = 500  # slots in one statement


def to_blob(vector: Vector) -> bytes:
    """Return the row's bytes: little-endian float32."""
    return vector.astype("<f4", copy=False).tobytes()


def from_blob(data: bytes, precision: str = Precision.FLOAT32) -> Vector:
    """Return the vector, shape (dimensions,)."""
    if precision == Precision.FLOAT32:
        return np.frombuffer(data, "<f4")
    vector: Vector = kept_as(precision, len(data)).given([data])[0]
    return vector


def at_precision(blobs: Sequence[bytes], precision: str) -> list[bytes]:
    """Return vectors, given as `to_blob` does, as they are kept at a precision."""
    if precision == Precision.FLOAT32 or not blobs:
        return list(blobs)
    rows = np.frombuffer(b"".join(blobs), "<f4").reshape(len(blobs), -1)
    return encoding(Precision(precision), rows.shape[1]).to_bytes(rows)


def agree(held: bytes, precision: str, digest: bytes | None, given: bytes, least: float) -> bool:
    """Tell whether the cosine of a vector the ledger keeps and one given as `to_blob` does, as it would be kept, is at least so much.

    Of a vector that is held outside, `held` is empty; by its digest it is known whether they are the same.
    """
    as_kept = at_precision([given], precision)[0]
    if not held:
        return digest == digest_of(as_kept)
    return held == as_kept or (len(held) == len(as_kept) and _cosine(from_blob(held, precision), from_blob(as_kept, precision)) >= least)


def contradict(db: sqlite3.Connection, one: int, other: int, least: float) -> bool:
    """Tell whether callers gave two slots vectors whose cosine is less than so much."""
    query = "SELECT data, precision FROM vector WHERE slot IN (?, ?) AND origin = 'caller' AND length(data) > 0"
    given = [from_blob(*row) for row in db.execute(query, (one, other))]
    return len(given) == 2 and _cosine(*given) < least


def _cosine(a: Vector, b: Vector) -> float:
    x, y = a.astype(np.float64), b.astype(np.float64)
    scale = float(np.linalg.norm(x)) * float(np.linalg.norm(y))
    return float(x @ y) / scale if scale > 0 else -1.0


def put(tx: Transaction, slot: int, namespace: str, data: bytes, origin: str, now: float) -> None:
    """Give a slot its vector, in place of any it had."""
    drop_vector(tx, slot, namespace)
    drop_sketch(tx, slot, namespace)
    insert(tx, namespace, [(slot, data)], origin, now)


def put_first(tx: Transaction, namespace: str, pairs: Sequence[tuple[int, bytes]], origin: str, now: float) -> None:
    """Give slots that have no vector theirs, in place of any sketch."""
    for start in range(0, len(pairs), _CHUNK):
        part = [slot for slot, _ in pairs[start : start + _CHUNK]]
        for (slot,) in tx.db.execute(f"SELECT slot FROM sketch WHERE slot IN ({','.join('?' * len(part))})", part).fetchall():
            drop_sketch(tx, slot, namespace)
    insert(tx, namespace, pairs, origin, now)


def insert(tx: Transaction, namespace: str, pairs: Sequence[tuple[int, bytes]], origin: str, now: float) -> None:
    """Give slots that have none their vectors."""
    precision = tx.storage.precision
    held = at_precision([data for _, data in pairs], precision)
    tx.db.executemany(
        "INSERT INTO vector (slot, data, origin, made_at, precision) VALUES (?, ?, ?, ?, ?)",
        [(slot, data, origin, now, precision) for (slot, _), data in zip(pairs, held, strict=True)],
    )
    tx.count(namespace, "vectors", len(pairs))
    tx.count(namespace, "vector_bytes", sum(map(len, held)))


def put_as_kept(tx: Transaction, slot: int, namespace: str, data: bytes, facts: Mapping[str, Any]) -> None:
    """Give a slot that has none a vector as it was kept before, with its precision, origin, time and promotion."""
    drop_sketch(tx, slot, namespace)
    tx.db.execute(
        "INSERT INTO vector (slot, data, origin, made_at, precision, promotion) VALUES (?, ?, ?, ?, ?, ?)",
        (slot, data, facts["origin"], facts["made_at"], facts["precision"], facts["promotion"]),
    )
    tx.count(namespace, "vectors")
    tx.count(namespace, "vector_bytes", len(data))


def put_sketch(tx: Transaction, slot: int, namespace: str, data: bytes) -> None:
    """Give a slot a sketch as it was kept before, unless it has one."""
    if tx.db.execute("INSERT OR IGNORE INTO sketch VALUES (?, ?)", (slot, data)).rowcount:
        tx.count(namespace, "sketches")
        tx.count(namespace, "sketch_bytes", len(data))


def note_promotion(tx: Transaction, slot: int, facts: dict[str, Any]) -> None:
    """Keep where a persistent vector came from."""
    tx.db.execute("UPDATE vector SET promotion = ? WHERE slot = ?", (json.dumps(facts), slot))


def lowest(db: sqlite3.Connection, namespace: str | None, count: int, *, here: bool = False) -> list[tuple[int, Tier, float]]:
    """Return the slots whose vectors are worth least as (slot, tier, worth), ascending; of all namespaces for None.

    Args:
        db: to read from.
        namespace: whose.
        count: how many.
        here: leave out those that are held outside: to drop them frees no bytes.
    """
    where = "" if namespace is None else "AND namespace = :namespace"
    if here:
        where += " AND EXISTS (SELECT 1 FROM vector WHERE vector.slot = slot.slot AND length(data) > 0)"
    rows = db.execute(
        f"SELECT slot, tier, worth FROM slot WHERE tier IN ('persistent', 'temp') {where} ORDER BY worth, slot LIMIT :count",
        {"namespace": namespace, "count": count},
    )
    return [(slot, Tier(tier), worth) for slot, tier, worth in rows]


def lowest_sketches(db: sqlite3.Connection, namespace: str | None, count: int) -> list[tuple[int, str]]:
    """Return the slots whose sketches are worth least, with their namespaces; of all namespaces for None."""
    where = "" if namespace is None else "WHERE namespace = :namespace"
    return db.execute(
        f"SELECT slot, namespace FROM sketch JOIN slot USING (slot) {where} ORDER BY worth, slot LIMIT :count",
        {"namespace": namespace, "count": count},
    ).fetchall()


def displace(tx: Transaction, namespace: str | None, count: int, now: float, *, here: bool = False) -> int:
    """Move the `count` lowest vectors' slots to the cache tier; their texts stay. Return how many left. `here` is as in `lowest`."""
    victims = lowest(tx.db, namespace, count, here=here) if count > 0 else []
    leave_sketches_of(tx, [slot for slot, _, _ in victims])
    reason = "displaced by a vector worth more; the text stays"
    return sum(move(tx, slot, tier, Tier.CACHED, reason, now, event="displaced") for slot, tier, _ in victims)


def drop_sketches(tx: Transaction, namespace: str | None, count: int) -> int:
    """Drop the `count` lowest sketches; their texts stay. Return how many there were."""
    victims = lowest_sketches(tx.db, namespace, count) if count > 0 else []
    for slot, home in victims:
        drop_sketch(tx, slot, home)
        tx.db.execute("UPDATE slot SET changed = ? WHERE slot = ?", (tx.seq, slot))
    return len(victims)
