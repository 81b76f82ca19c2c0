"""Copies of vectors in a store outside: which there are to be, where each stands, and which may go.

pending -> sent -> there -> leaving -> erased. A copy is written down before anything is sent, and its row goes last: so whatever
is outside has a row here, however a process ends. A copy whose slot let go of its vector is leaving; one that was never sent
just goes. Every step is done under a fence, and repeated until it is known to have worked.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..model import Tier, Vector
from . import queue, records, vectors
from .items import chunks
from .lifecycle import hold_outside, move
from .transaction import Transaction

_CURSOR = "outside_seen"  # the change up to which slots were looked at
_ALONE = 2  # attempts from which a copy is sent alone, so that one bad record fails by itself
_LONGEST = 3600.0  # seconds of backoff
_MANY = 10_000  # slots enlisted in one transaction


class Stage(StrEnum):
    """What may be due: to send, to look whether it came, to remove, to look whether it went."""

    PENDING = "pending"
    SENT = "sent"
    LEAVING = "leaving"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that this worker holds until its lease ends. Vector, text and metadata are those to be sent or compared."""

    number: int
    fence: int
    attempts: int
    slot: int | None = None
    vector: Vector | None = None
    text: str = ""
    metadata: Mapping[str, Any] | None = None


def enlist(tx: Transaction, *, renew: bool = False) -> bool:
    """Write down which vectors became persistent since the last call; tell whether there may be more.

    Args:
        tx: the transaction.
        renew: have copies replaced whose texts or metadata may have changed.
    """
    since = records.meta(tx.db, _CURSOR) or 0
    if renew:
        tx.db.execute(
            "UPDATE outside SET state = 'leaving', slot = NULL, attempts = 0 WHERE fence > 0 AND slot IN"
            " (SELECT slot.slot FROM slot CROSS JOIN vector ON vector.slot = slot.slot WHERE changed > ? AND length(data) > 0)",
            (since,),
        )
    found = tx.db.execute(
        "SELECT slot.slot, namespace, changed FROM slot CROSS JOIN vector ON vector.slot = slot.slot"
        " WHERE changed > ? AND tier = 'persistent' AND length(data) > 0"
        " AND NOT EXISTS (SELECT 1 FROM outside WHERE outside.slot = slot.slot) ORDER BY changed, slot.slot LIMIT ?",
        (since, _MANY),
    ).fetchall()
    tx.db.executemany("INSERT INTO outside (slot, namespace, state) VALUES (?, ?, 'pending')", [row[:2] for row in found])
    if len(found) == _MANY:  # those of the last change may not all be here
        records.set_meta(tx, _CURSOR, found[-1][2] - 1)
        return True
    records.set_meta(tx, _CURSOR, tx.seq)
    return False


def unseen(db: sqlite3.Connection) -> bool:
    """Tell whether anything changed since `enlist`."""
    return bool(records.meta(db, "change") > (records.meta(db, _CURSOR) or 0))


def recheck(tx: Transaction) -> int:
    """Have the copies looked at again whose vectors are still here too, so that these may go; return how many."""
    return tx.db.execute(
        "UPDATE outside SET state = 'sent', not_before = 0 WHERE state = 'there'"
        " AND slot IN (SELECT slot FROM vector WHERE length(data) > 0)"
    ).rowcount


def next_due(db: sqlite3.Connection, after: float) -> float | None:
    """Return when the next copy will be due, of those due after that."""
    query = "SELECT min(not_before) FROM outside WHERE state <> 'there' AND not_before > ?"
    at: float | None = db.execute(query, (after,)).fetchone()[0]
    return at


def stages_due(db: sqlite3.Connection, now: float) -> set[str]:
    """Return the stages in which copies are due."""
    query = "SELECT EXISTS (SELECT 1 FROM outside WHERE state = ? AND state <> 'there' AND not_before <= ?)"
    return {stage for stage in Stage if db.execute(query, (stage, now)).fetchone()[0]}


def claim(tx: Transaction, stage: Stage, limit: int, now: float, until: float) -> tuple[str, list[Copy]]:
    """Hold copies of one namespace that are due in a stage, until then; return them with their namespace.

    Those to be sent are `sent` from now on: they may arrive, whatever becomes of this process.
    """
    where = f"state = '{stage}' AND not_before <= ?"
    first = tx.db.execute(f"SELECT namespace, attempts FROM outside WHERE {where} ORDER BY not_before, copy LIMIT 1", (now,)).fetchone()
    if first is None:
        return "", []
    namespace, attempts = first
    due = tx.db.execute(
        f"SELECT copy FROM outside WHERE {where} AND namespace = ? ORDER BY not_before, copy LIMIT ?",
        (now, namespace, 1 if attempts >= _ALONE else limit),
    ).fetchall()
    state = Stage.SENT if stage is Stage.PENDING else stage
    tx.db.executemany(
        "UPDATE outside SET state = ?, fence = fence + 1, not_before = ? WHERE copy = ?", [(state, until, one) for (one,) in due]
    )
    return namespace, list(_copies(tx.db, [one for (one,) in due], whole=stage is Stage.PENDING))


def _copies(db: sqlite3.Connection, numbers: Sequence[int], *, whole: bool) -> Iterator[Copy]:
    for part, marks in chunks(numbers):
        rows = db.execute(
            "SELECT copy, fence, attempts, outside.slot, data, precision, text FROM outside LEFT JOIN vector ON vector.slot = outside.slot"
            f" LEFT JOIN slot ON slot.slot = outside.slot WHERE copy IN ({marks}) ORDER BY copy",
            part,
        ).fetchall()
        for copy, fence, attempts, slot, data, precision, text in rows:
            vector = vectors.from_blob(data, precision) if data else None
            metadata = None
            if whole and slot is not None:
                first = "SELECT metadata FROM item WHERE slot = ? ORDER BY item LIMIT 1"
                metadata = json.loads(db.execute(first, (slot,)).fetchone()[0])
            yield Copy(copy, fence, attempts, slot, vector, text or "", metadata)


def _settle(tx: Transaction, copy: Copy, state: str, not_before: float, error: str | None = None) -> bool:
    """Move a held copy on; False where it is no longer held, or is to go by now.

    One that is to go need not wait for the lease any more: whoever may have been sending it is done.
    """
    attempts = copy.attempts + 1 if error else 0 if state == "there" else copy.attempts
    query = "UPDATE outside SET state = ?, not_before = ?, error = ?, attempts = ? WHERE copy = ? AND fence = ? AND slot IS NOT NULL"
    if tx.db.execute(query, (state, not_before, error, attempts, copy.number, copy.fence)).rowcount:
        return True
    tx.db.execute("UPDATE outside SET not_before = 0 WHERE copy = ? AND fence = ? AND state = 'leaving'", (copy.number, copy.fence))
    return False


def sent(tx: Transaction, copies: Sequence[Copy], refused: Collection[int], now: float, settled: float, backoff: float) -> None:
    """Note that copies were sent, to be looked at once they must be seen; those that were refused are sent again."""
    for copy in copies:
        if copy.number in refused:
            _settle(tx, copy, "pending", now + later(copy, backoff), "the store did not take it")
        else:
            _settle(tx, copy, "sent", settled)


def failed(tx: Transaction, copies: Sequence[Copy], stage: Stage, error: str, now: float, backoff: float) -> None:
    """Note that a call failed: what it did is unknown, so it is repeated."""
    for copy in copies:
        if stage in (Stage.PENDING, Stage.SENT):
            _settle(tx, copy, stage, now + later(copy, backoff), error)
        else:
            tx.db.execute(
                "UPDATE outside SET not_before = ?, attempts = attempts + 1, error = ? WHERE copy = ? AND fence = ?",
                (now + later(copy, backoff), error, copy.number, copy.fence),
            )


def later(copy: Copy, backoff: float) -> float:
    """Return the seconds until a copy is tried again."""
    return float(min(_LONGEST, backoff * 2 ** min(copy.attempts, 20)))


def arrived(tx: Transaction, copy: Copy, *, drop: bool) -> bool:
    """Note that a copy is there; drop the vector here, if that is wanted. False where the copy is to go by now."""
    if not _settle(tx, copy, "there", 0):
        return False
    if drop and copy.slot is not None:
        (slot, namespace) = tx.db.execute("SELECT slot, namespace FROM outside WHERE copy = ?", (copy.number,)).fetchone()
        hold_outside(tx, slot, namespace)
    return True


def missed(tx: Transaction, copy: Copy, now: float, backoff: float) -> None:
    """Note that a copy did not come: it is sent again, or the text embedded again where its vector is here no more."""
    if copy.vector is not None:
        _settle(tx, copy, "pending", now + later(copy, backoff), "it was sent, but is not there as sent")
    else:
        lost(tx, copy.number, now)


def erased(tx: Transaction, copies: Sequence[Copy], settled: float) -> None:
    """Note that copies were removed, to be looked at once that must be seen."""
    for copy in copies:
        tx.db.execute(
            "UPDATE outside SET state = 'erased', not_before = ?, error = NULL WHERE copy = ? AND fence = ? AND state = 'leaving'",
            (settled, copy.number, copy.fence),
        )


def gone(tx: Transaction, copies: Sequence[Copy], still_there: Collection[int], now: float) -> None:
    """Forget copies that are known to be gone; have those removed again that are there."""
    for copy in copies:
        if copy.number in still_there:
            query = "UPDATE outside SET state = 'leaving', not_before = ? WHERE copy = ? AND fence = ?"
            tx.db.execute(query, (now, copy.number, copy.fence))
        else:
            tx.db.execute("DELETE FROM outside WHERE copy = ? AND fence = ? AND state = 'erased'", (copy.number, copy.fence))


def lost(tx: Transaction, number: int, now: float) -> bool:
    """Send a copy again that should be there and isn't; where its vector is gone with it, queue its text to be embedded again."""
    row = tx.db.execute(
        "SELECT outside.slot, outside.namespace, length(data), slot.tier FROM outside JOIN vector USING (slot) JOIN slot USING (slot)"
        " WHERE copy = ? AND state IN ('there', 'sent')",
        (number,),
    ).fetchone()
    if row is None:
        return False
    slot, namespace, size, tier = row
    if size:
        tx.db.execute("UPDATE outside SET state = 'pending', not_before = ? WHERE copy = ?", (now, number))
        return True
    if not move(tx, slot, Tier(tier), Tier.CACHED, "its vector was in a store outside, and is gone from there; the text stays", now):
        return False
    return queue.requeue(tx, slot, namespace, 0.0, now, "its vector was lost in a store outside")


def numbers_of(db: sqlite3.Connection, slots: Sequence[int]) -> dict[int, int]:
    """Return the copies of those slots whose vectors are held outside alone, by slot."""
    found: dict[int, int] = {}
    for part, marks in chunks(slots):
        found.update(
            db.execute(
                "SELECT slot, copy FROM outside CROSS JOIN vector USING (slot)"
                f" WHERE slot IN ({marks}) AND state = 'there' AND length(data) = 0",
                part,
            )
        )
    return found


def numbers_of_ids(db: sqlite3.Connection, namespace: str, ids: Sequence[str]) -> dict[str, int]:
    """Return the copies of those items whose vectors are held outside alone, by id."""
    found: dict[str, int] = {}
    for part, marks in chunks(ids):
        found.update(
            db.execute(
                "SELECT id, copy FROM item CROSS JOIN outside ON outside.slot = item.slot CROSS JOIN vector ON vector.slot = item.slot"
                f" WHERE item.namespace = ? AND id IN ({marks}) AND state = 'there' AND length(data) = 0",
                (namespace, *part),
            )
        )
    return found


def slots_of(db: sqlite3.Connection, copies: Sequence[int]) -> dict[int, int]:
    """Return the slots whose vectors are these copies, by copy."""
    found: dict[int, int] = {}
    for part, marks in chunks(copies):
        found.update(db.execute(f"SELECT copy, slot FROM outside WHERE copy IN ({marks}) AND state = 'there'", part))
    return found


def held(db: sqlite3.Connection, namespace: str) -> int:
    """Return how many vectors of a namespace are held outside alone."""
    return records.counters(db, namespace).get("outside", 0)


def states(db: sqlite3.Connection, namespace: str) -> dict[int, str]:
    """Return where each copy of a namespace stands."""
    return dict(db.execute("SELECT copy, state FROM outside WHERE namespace = ?", (namespace,)))


def errors(db: sqlite3.Connection) -> list[tuple[int, str]]:
    """Return what went wrong with copies when they were last tried."""
    return db.execute("SELECT copy, error FROM outside WHERE error IS NOT NULL AND attempts > 1 ORDER BY copy").fetchall()


def namespaces(db: sqlite3.Connection) -> list[str]:
    """Return every namespace there ever was."""
    return [name for (name,) in db.execute("SELECT DISTINCT namespace FROM counter UNION SELECT namespace FROM outside ORDER BY 1")]


def held_anywhere(db: sqlite3.Connection) -> bool:
    """Tell whether any copy is, or may be, outside."""
    return bool(db.execute("SELECT EXISTS (SELECT 1 FROM outside WHERE fence > 0)").fetchone()[0])
