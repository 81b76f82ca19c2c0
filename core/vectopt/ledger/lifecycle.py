"""The legal moves between tiers, in one table, and the only code that changes a tier."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

from ..model import Precision, Tier
from ..quantization import sketches_of
from .transaction import Transaction

LEGAL: dict[Tier, frozenset[Tier]] = {
    Tier.QUEUED: frozenset({Tier.PERSISTENT, Tier.TEMP, Tier.CACHED}),
    Tier.CACHED: frozenset({Tier.QUEUED, Tier.PERSISTENT, Tier.TEMP, Tier.ARCHIVED}),
    Tier.TEMP: frozenset({Tier.PERSISTENT, Tier.CACHED}),
    Tier.PERSISTENT: frozenset({Tier.CACHED, Tier.ARCHIVED}),
    Tier.ARCHIVED: frozenset({Tier.CACHED, Tier.QUEUED, Tier.PERSISTENT}),
}

_TOGETHER = 500  # vectors held at a time


def move(tx: Transaction, slot: int, source: Tier, target: Tier, reason: str, now: float, *, event: str | None = None) -> bool:
    """Move a slot by compare-and-set; False where it is no longer in `source`.

    What the old tier held is dropped with it: the queue place, the time to live, and in a tier without vectors the vector,
    which leaves its sketch behind. Observers are told of it as `event`, once it is committed.
    """
    if target not in LEGAL[source]:
        raise AssertionError(f"no move from {source} to {target}")
    row = tx.db.execute(
        "UPDATE slot SET tier = ?, changed = ? WHERE slot = ? AND tier = ? RETURNING namespace, members", (target, tx.seq, slot, source)
    ).fetchone()
    if row is None:
        return False
    namespace, members = row
    if event is not None:
        tx.note(event, namespace)
    tx.count(namespace, f"items.{source}", -members)
    tx.count(namespace, f"items.{target}", members)
    tx.db.execute("INSERT INTO move (slot, at, source, target, reason) VALUES (?, ?, ?, ?, ?)", (slot, now, source, target, reason))
    if source is Tier.QUEUED:
        place = tx.db.execute("DELETE FROM queue WHERE slot = ? RETURNING dead", (slot,)).fetchone()
        tx.count(namespace, "slots.queued", -1)
        tx.count(namespace, "dead", -1 if place is not None and place[0] else 0)
    if target is Tier.QUEUED:
        tx.count(namespace, "slots.queued")
    if source is Tier.TEMP:
        tx.db.execute("DELETE FROM temp WHERE slot = ?", (slot,))
        tx.db.execute("DELETE FROM finder WHERE slot = ?", (slot,))
    if target not in (Tier.PERSISTENT, Tier.TEMP):
        gone = drop_vector(tx, slot, namespace)
        if gone is not None:
            leave_sketch(tx, slot, namespace, *gone)
    return True


def drop_vector(tx: Transaction, slot: int, namespace: str) -> tuple[bytes, Precision] | None:
    """Remove a slot's vector, count it out and return it with its precision; None where there is none."""
    gone = tx.db.execute("DELETE FROM vector WHERE slot = ? RETURNING data, precision", (slot,)).fetchone()
    if gone is None:
        return None
    tx.count(namespace, "vectors", -1)
    tx.count(namespace, "vector_bytes", -len(gone[0]))
    tx.count(namespace, "outside", -1 if not gone[0] else 0)
    leave_outside(tx, slot)
    return gone[0], Precision(gone[1])


def leave_outside(tx: Transaction, slot: int) -> None:
    """Let a vector's copy in a store outside go. What was never sent just goes; what may be there is removed, after the lease of
    whoever may be sending it.
    """
    tx.db.execute("DELETE FROM outside WHERE slot = ? AND fence = 0", (slot,))
    tx.db.execute("UPDATE outside SET state = 'leaving', slot = NULL, attempts = 0 WHERE slot = ?", (slot,))


def hold_outside(tx: Transaction, slot: int, namespace: str) -> None:
    """Let go of a vector that is known to be outside; its sketch stays, and goes on answering for it."""
    data, precision = tx.db.execute("SELECT data, precision FROM vector WHERE slot = ?", (slot,)).fetchone()
    if not data:
        return
    leave_sketch(tx, slot, namespace, data, Precision(precision))
    tx.db.execute("UPDATE vector SET data = x'', digest = ? WHERE slot = ?", (digest_of(data), slot))
    tx.db.execute("UPDATE slot SET changed = ? WHERE slot = ?", (tx.seq, slot))
    tx.count(namespace, "vector_bytes", -len(data))
    tx.count(namespace, "outside")


def digest_of(data: bytes) -> bytes:
    """Return what tells a vector, as it is kept, from others."""
    return blake2b(data, digest_size=16).digest()


def leave_sketch(tx: Transaction, slot: int, namespace: str, data: bytes, precision: Precision = Precision.FLOAT32) -> None:
    """Keep the sketch of a vector that is not kept itself, unless the slot has one or the settings are against it."""
    leave_sketches(tx, [(slot, namespace, data, precision)])


def leave_sketches(tx: Transaction, given: Iterable[tuple[int, str, bytes, str]]) -> None:
    """Do the same for many vectors at once, each as (slot, namespace, data, precision)."""
    if not tx.storage.sketches:
        return
    alike: dict[tuple[str, int], list[tuple[int, str, bytes]]] = {}
    for slot, namespace, data, precision in given:
        # Of one held outside there is a sketch already.
        if data and not tx.db.execute("SELECT 1 FROM sketch WHERE slot = ?", (slot,)).fetchone():
            alike.setdefault((precision, len(data)), []).append((slot, namespace, data))
    for (precision, length), several in alike.items():
        sketches = sketches_of([data for _, _, data in several], Precision(precision))
        if len(sketches[0]) >= length:  # of so few dimensions that it says little and saves nothing
            continue
        for (slot, namespace, _), sketch in zip(several, sketches, strict=True):
            if tx.db.execute("INSERT OR IGNORE INTO sketch VALUES (?, ?)", (slot, sketch)).rowcount:
                tx.count(namespace, "sketches")
                tx.count(namespace, "sketch_bytes", len(sketch))


def leave_sketches_of(tx: Transaction, slots: Sequence[int]) -> None:
    """Keep the sketches of slots whose vectors are about to go, so that `move` needn't make them one by one."""
    query = "SELECT slot, namespace, data, precision FROM vector JOIN slot USING (slot) WHERE slot = ?"
    for start in range(0, len(slots), _TOGETHER):
        leave_sketches(tx, (row for slot in slots[start : start + _TOGETHER] for row in tx.db.execute(query, (slot,)).fetchall()))


def drop_sketch(tx: Transaction, slot: int, namespace: str) -> None:
    """Remove a slot's sketch, if it has one, and count it out."""
    gone = tx.db.execute("DELETE FROM sketch WHERE slot = ? RETURNING length(data)", (slot,)).fetchone()
    if gone is not None:
        tx.count(namespace, "sketches", -1)
        tx.count(namespace, "sketch_bytes", -gone[0])
