"""Vectors for another embedder: made one by one beside those in use, put in their place all at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import EmbedderMismatch
from ..model import Precision, Tier
from ..quantization import sketches_of
from . import records
from .lifecycle import drop_sketch, drop_vector, leave_outside, move
from .queue import Claim, worded
from .transaction import Transaction
from .vectors import at_precision

_CHUNK = 2000  # slots at a time

_MEASURED = "(EXISTS (SELECT 1 FROM vector WHERE vector.slot = slot.slot) OR EXISTS (SELECT 1 FROM sketch WHERE sketch.slot = slot.slot))"


def begin(tx: Transaction, name: str, dimensions: int | None) -> None:
    """Begin to make vectors for an embedder, or go on; what was made for another space is dropped.

    Args:
        tx: the transaction.
        name: of the embedder.
        dimensions: of its vectors, None where the first ones will tell.
    """
    known = records.meta(tx.db, "remaking_dimensions")
    if records.meta(tx.db, "remaking") != name or (None not in (known, dimensions) and known != dimensions):
        tx.db.execute("DELETE FROM remade")
        records.set_meta(tx, "remaking", name)
        records.set_meta(tx, "remaking_dimensions", dimensions)


def enlist(tx: Transaction) -> None:
    """Give every text that has a vector or a sketch, and no place yet, its place."""
    tx.db.execute(f"INSERT INTO remade (slot) SELECT slot FROM slot WHERE {_MEASURED} AND slot NOT IN (SELECT slot FROM remade)")


def candidates(tx: Transaction, now: float, limit: int, text_of: Callable[[str, Mapping[str, Any]], str] | None = None) -> list[Claim]:
    """Return up to `limit` texts that may be claimed; `text_of` says what is to be embedded for one."""
    rows = tx.db.execute(
        "SELECT slot, namespace, text, tokens, worth, attempts, fence + 1 FROM remade JOIN slot USING (slot)"
        " WHERE data IS NULL AND dead = 0 AND lease_until <= ? LIMIT ?",
        (now, limit),
    )
    claims = [
        Claim(slot, namespace, text, tokens, worth, attempts, Tier.PERSISTENT, 0.0, fence, 0)
        for slot, namespace, text, tokens, worth, attempts, fence in rows.fetchall()
    ]
    return claims if text_of is None else [worded(tx, claim, text_of) for claim in claims]


def keep(tx: Transaction, claims: Sequence[Claim], blobs: Sequence[bytes]) -> int:
    """Keep the vectors of claims that still hold; return how many.

    Raises:
        EmbedderMismatch: they have other dimensions than those before.
    """
    known = records.meta(tx.db, "remaking_dimensions")
    dimensions = len(blobs[0]) // 4
    if known not in (None, dimensions):
        raise EmbedderMismatch(f"the embedder's vectors have {dimensions} dimensions; those made before have {known}")
    records.set_meta(tx, "remaking_dimensions", dimensions)
    return sum(
        tx.db.execute("UPDATE remade SET data = ?, error = NULL WHERE slot = ? AND fence = ?", (blob, claim.slot, claim.fence)).rowcount
        for claim, blob in zip(claims, blobs, strict=True)
    )


def fail(tx: Transaction, claims: Sequence[Claim], error: str, max_attempts: int) -> int:
    """Charge claims an attempt; after the last one they are given up. Return how many are."""
    dead = 0
    for claim in claims:
        last = claim.attempts + 1 >= max_attempts
        changed = tx.db.execute(
            "UPDATE remade SET attempts = attempts + 1, lease_until = 0, error = ?, dead = ? WHERE slot = ? AND fence = ?",
            (error, last, claim.slot, claim.fence),
        ).rowcount
        dead += changed if last else 0
    return dead


def left(db: sqlite3.Connection) -> int:
    """Return how many texts have neither a vector for the new embedder nor been given up."""
    query = f"SELECT count(*) FROM slot LEFT JOIN remade USING (slot) WHERE {_MEASURED} AND remade.data IS NULL AND coalesce(dead, 0) = 0"
    return int(db.execute(query).fetchone()[0])


def flip(tx: Transaction, name: str, now: float) -> bool:
    """Put the new vectors in the place of the old ones; False, and nothing is done, where some are missing.

    Texts that were given up lose their vectors and stay. Every index begins anew.
    """
    if records.meta(tx.db, "remaking") != name or left(tx.db):
        return False
    _give_up(tx, now)
    _replace_vectors(tx, now)
    _replace_sketches(tx)
    tx.db.execute("DELETE FROM remade")
    dimensions = records.meta(tx.db, "remaking_dimensions")
    records.set_meta(tx, "embedder", name)
    records.set_meta(tx, "dimensions", dimensions)
    records.set_meta(tx, "remaking", None)
    records.set_meta(tx, "forgotten", tx.seq)
    return True


def _give_up(tx: Transaction, now: float) -> None:
    rows = tx.db.execute("SELECT slot, namespace, tier, error FROM remade JOIN slot USING (slot) WHERE dead = 1").fetchall()
    for slot, namespace, tier, error in rows:
        drop_vector(tx, slot, namespace)  # before the move, which would leave a sketch of it
        drop_sketch(tx, slot, namespace)
        if Tier(tier) in (Tier.PERSISTENT, Tier.TEMP):
            move(tx, slot, Tier(tier), Tier.CACHED, f"the new embedder has no vector for it: {error}; the text stays", now)


def _replace_vectors(tx: Transaction, now: float) -> None:
    precision = tx.storage.precision
    after = 0
    while rows := tx.db.execute(
        "SELECT vector.slot, namespace, length(vector.data), remade.data FROM vector JOIN remade ON remade.slot = vector.slot"
        " JOIN slot ON slot.slot = vector.slot WHERE vector.slot > ? ORDER BY vector.slot LIMIT ?",
        (after, _CHUNK),
    ).fetchall():
        held = at_precision([data for *_, data in rows], precision)
        tx.db.executemany(
            "UPDATE vector SET data = ?, precision = ?, origin = 'embedder', made_at = ? WHERE slot = ?",
            [(data, precision, now, row[0]) for data, row in zip(held, rows, strict=True)],
        )
        for data, (slot, namespace, before, _) in zip(held, rows, strict=True):
            tx.count(namespace, "vector_bytes", len(data) - before)
            leave_outside(tx, slot)  # the copy is of the old space; the new vector is sent as any that is new
            tx.db.execute("UPDATE slot SET changed = ? WHERE slot = ?", (tx.seq, slot))
            if not before:  # it was outside alone, and a sketch stood for it
                tx.count(namespace, "outside", -1)
                drop_sketch(tx, slot, namespace)
        after = rows[-1][0]


def _replace_sketches(tx: Transaction) -> None:
    after = 0
    while rows := tx.db.execute(
        "SELECT sketch.slot, namespace, length(sketch.data), remade.data FROM sketch JOIN remade ON remade.slot = sketch.slot"
        " JOIN slot ON slot.slot = sketch.slot WHERE sketch.slot > ? ORDER BY sketch.slot LIMIT ?",
        (after, _CHUNK),
    ).fetchall():
        sketches = sketches_of([data for *_, data in rows], Precision.FLOAT32)
        for (slot, namespace, before, data), made in zip(rows, sketches, strict=True):
            if not tx.storage.sketches or len(made) >= len(data):
                drop_sketch(tx, slot, namespace)
                continue
            tx.db.execute("UPDATE sketch SET data = ? WHERE slot = ?", (made, slot))
            tx.count(namespace, "sketch_bytes", len(made) - before)
        after = rows[-1][0]
