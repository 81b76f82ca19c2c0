"""The queue: rows with a lease and a fence, claimed in bounded batches."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from ..analysis import estimated_tokens
from ..model import DeadLetter, Priority, Tier
from ..strategy import handicap
from . import asked, avoided, temp
from .lifecycle import leave_sketch, move
from .transaction import Transaction


@dataclass(frozen=True, slots=True)
class Claim:
    """A queued text that this worker holds until its lease ends."""

    slot: int
    namespace: str
    text: str
    tokens: int
    worth: float
    attempts: int
    target: Tier
    ttl: float
    fence: int
    rank: int


def candidates(
    tx: Transaction,
    now: float,
    limit: int,
    *,
    slots: Sequence[int] | None = None,
    due_only: bool = False,
    text_of: Callable[[str, Mapping[str, Any]], str] | None = None,
) -> list[Claim]:
    """Return up to `limit` texts that may be claimed, in the order of their turns: priority, and the time they wait.

    Args:
        tx: the transaction.
        now: seconds since the epoch.
        limit: how many at the most.
        slots: these only; the caller that queued them holds their lease already.
        due_only: leave out those that wait after a failure.
        text_of: what is to be embedded for a text, with the metadata of its first item.
    """
    where, values = "lease_until <= ?", [now]
    if slots is not None:
        # Its own lease is one that no worker has renewed yet.
        where, values = f"(lease_until <= ? OR fence = 0) AND slot IN ({','.join('?' * len(slots))})", [now, *slots]
    elif due_only:
        where, values = f"{where} AND not_before <= ?", [now, now]
    rows = tx.db.execute(
        "SELECT slot, namespace, text, tokens, worth, attempts, target, ttl, fence + 1, rank FROM queue JOIN slot USING (slot)"
        f" WHERE dead = 0 AND {where} ORDER BY turn, slot LIMIT ?",
        (*values, limit),
    )
    claims = [
        Claim(slot, namespace, text, tokens, worth, attempts, Tier(target), ttl, fence, rank)
        for slot, namespace, text, tokens, worth, attempts, target, ttl, fence, rank in rows.fetchall()
    ]
    return claims if text_of is None else [worded(tx, claim, text_of) for claim in claims]


def worded(tx: Transaction, claim: Claim, text_of: Callable[[str, Mapping[str, Any]], str]) -> Claim:
    """Return a claim with the text that is to be embedded, and what that costs more."""
    first = "SELECT metadata FROM item INDEXED BY item_slot WHERE slot = ? AND own IS NULL ORDER BY item LIMIT 1"
    row = tx.db.execute(first, (claim.slot,)).fetchone()
    text = claim.text
    with suppress(Exception):  # it is the caller's own and may raise anything: nobody's text may wait for ever for that
        text = text if row is None else text_of(text, json.loads(row[0]))
    if text == claim.text:
        return claim
    return replace(claim, text=text, tokens=claim.tokens + max(0, estimated_tokens(text) - estimated_tokens(claim.text)))


def lease(tx: Transaction, claims: Sequence[Claim], until: float, *, table: str = "queue") -> None:
    """Hold the claims until then; whoever held them before has lost them."""
    tx.db.executemany(f"UPDATE {table} SET lease_until = ?, fence = ? WHERE slot = ?", [(until, c.fence, c.slot) for c in claims])


def charge(tx: Transaction, claims: Sequence[Claim], day: int) -> None:
    """Reserve the claims' tokens from the day's budget before the call is made, so that none can overspend it."""
    for claim in claims:
        tx.count(claim.namespace, f"tokens@{day}", claim.tokens)


def refund(tx: Transaction, claims: Sequence[Claim], day: int) -> None:
    """Give back what `charge` reserved."""
    for claim in claims:
        tx.count(claim.namespace, f"tokens@{day}", -claim.tokens)


def correct(tx: Transaction, namespace: str, day: int, paid: int, *, counted: int = 0) -> None:
    """Count the tokens that were paid, instead of those counted as embedded by estimates; nothing of the day's is reserved any more."""
    tx.count(namespace, f"tokens@{day}", paid)
    tx.count(namespace, "tokens", paid - counted)


def _held(tx: Transaction, claim: Claim) -> bool:
    """Whether the claim still holds: not taken over, not deleted."""
    return tx.db.execute("SELECT 1 FROM queue WHERE slot = ? AND fence = ?", (claim.slot, claim.fence)).fetchone() is not None


def finish(tx: Transaction, claim: Claim, tier: Tier, reason: str, now: float) -> bool:
    """Move a claim's slot out of the queue; its vector is to be stored in the same transaction. False where the claim no longer holds."""
    if not _held(tx, claim) or not move(tx, claim.slot, Tier.QUEUED, tier, reason, now):
        return False
    if tier is Tier.TEMP:
        temp.open_slot(tx, claim.slot, claim.ttl, now)
    tx.count(claim.namespace, "embeddings_made")
    tx.count(claim.namespace, "tokens", claim.tokens)
    return True


def finish_as_sketch(tx: Transaction, claim: Claim, data: bytes, reason: str, now: float) -> bool:
    """Keep the sketch of a claim's vector alone; False where the claim no longer holds."""
    if not _held(tx, claim) or not move(tx, claim.slot, Tier.QUEUED, Tier.CACHED, reason, now):
        return False
    leave_sketch(tx, claim.slot, claim.namespace, data)
    tx.count(claim.namespace, "embeddings_made")
    tx.count(claim.namespace, "tokens", claim.tokens)
    return True


def decline(tx: Transaction, claim: Claim, reason: str, now: float) -> bool:
    """Leave a claimed text without a vector, findable by its words."""
    if not _held(tx, claim) or not move(tx, claim.slot, Tier.QUEUED, Tier.CACHED, reason, now, event="declined"):
        return False
    avoided.note(tx, claim.namespace, claim.tokens)
    return True


def release(tx: Transaction, claims: Sequence[Claim], *, table: str = "queue") -> None:
    """Give claims back unharmed: nobody's fault, no attempt charged."""
    tx.db.executemany(f"UPDATE {table} SET lease_until = 0 WHERE slot = ? AND fence = ?", [(c.slot, c.fence) for c in claims])


def renew(tx: Transaction, claims: Sequence[Claim], until: float, *, table: str = "queue") -> None:
    """Hold claims for longer, those that still hold."""
    tx.db.executemany(f"UPDATE {table} SET lease_until = ? WHERE slot = ? AND fence = ?", [(until, c.slot, c.fence) for c in claims])


def let_go(tx: Transaction, slots: Sequence[int]) -> None:
    """Give up the places that a call held for texts it added, and did not claim."""
    tx.db.executemany("UPDATE queue SET lease_until = 0 WHERE slot = ? AND fence = 0", [(slot,) for slot in slots])


def bury(tx: Transaction, claim: Claim, error: str) -> bool:
    """Make a claim's text a dead letter at once: another try would come to the same. False where the claim no longer holds."""
    buried = tx.db.execute(
        "UPDATE queue SET attempts = attempts + 1, lease_until = 0, error = ?, dead = 1 WHERE slot = ? AND fence = ? AND dead = 0",
        (error, claim.slot, claim.fence),
    ).rowcount
    if buried:
        tx.count(claim.namespace, "dead")
        tx.note("dead_letters", claim.namespace)
    return bool(buried)


def fail(tx: Transaction, claims: Sequence[Claim], error: str, now: float, *, max_attempts: int, backoff: float) -> int:
    """Charge the claims an attempt and send them back at LOW, or to the dead letters after the last one. Return the dead."""
    dead = 0
    rank = Priority.LOW.rank
    turn = now + handicap(rank, tx.ageing_seconds)
    for claim in claims:
        attempts = claim.attempts + 1
        last = attempts >= max_attempts
        changed = tx.db.execute(
            "UPDATE queue SET attempts = ?, rank = ?, queued_at = ?, turn = ?, not_before = ?, lease_until = 0, error = ?, dead = ?"
            " WHERE slot = ? AND fence = ?",
            (attempts, rank, now, turn, now + backoff * 2 ** (attempts - 1), error, last, claim.slot, claim.fence),
        ).rowcount
        if changed and last:
            tx.count(claim.namespace, "dead")
            tx.note("dead_letters", claim.namespace)
            dead += 1
    return dead


def dead_letters(db: sqlite3.Connection, namespace: str | None) -> list[DeadLetter]:
    """Return the texts whose embedding failed for good, oldest first."""
    where = "" if namespace is None else "AND slot.namespace = ?"
    rows = db.execute(
        "SELECT queue.slot, slot.namespace, attempts, error, id FROM queue JOIN slot USING (slot) JOIN item USING (slot)"
        f" WHERE dead = 1 {where} ORDER BY queue.slot, item",
        () if namespace is None else (namespace,),
    )
    letters: dict[int, DeadLetter] = {}
    for slot, owner, attempts, error, id in rows:
        ids = letters[slot].ids if slot in letters else ()
        letters[slot] = DeadLetter((*ids, id), owner, attempts, error or "")
    return list(letters.values())


def next_retry(db: sqlite3.Connection, after: float) -> float | None:
    """Return when the next text that failed may be tried again, of those whose time comes after that."""
    query = "SELECT min(not_before) FROM queue WHERE dead = 0 AND attempts > 0 AND not_before > ?"
    at: float | None = db.execute(query, (after,)).fetchone()[0]
    return at


def retry_dead(tx: Transaction, namespace: str | None) -> int:
    """Put the dead letters back into the queue with their attempts forgotten; return how many."""
    where = "" if namespace is None else "AND namespace = ?"
    rows = tx.db.execute(
        f"SELECT slot, namespace FROM queue JOIN slot USING (slot) WHERE dead = 1 {where}",
        () if namespace is None else (namespace,),
    ).fetchall()
    for slot, owner in rows:
        tx.db.execute("UPDATE queue SET dead = 0, attempts = 0, not_before = 0, lease_until = 0 WHERE slot = ?", (slot,))
        tx.count(owner, "dead", -1)
    return len(rows)


def spare(db: sqlite3.Connection, namespace: str, limit: int) -> list[tuple[int, int]]:
    """Return cached texts that may have a vector while there is room, as (slot, tokens), the worthiest first."""
    rows = db.execute(
        "SELECT slot, tokens FROM slot INDEXED BY slot_spare WHERE namespace = ? AND tier = 'cached' AND keep = 1"
        " ORDER BY worth DESC, slot LIMIT ?",
        (namespace, limit),
    )
    return rows.fetchall()


def with_spare(db: sqlite3.Connection) -> list[str]:
    """Return the namespaces that have such texts."""
    rows = db.execute(
        "SELECT namespace FROM counter WHERE name = 'items.cached' AND value > 0 AND EXISTS (SELECT 1 FROM slot INDEXED BY slot_spare"
        " WHERE slot.namespace = counter.namespace AND tier = 'cached' AND keep = 1)"
    )
    return [namespace for (namespace,) in rows]


def askable(db: sqlite3.Connection, slots: Sequence[int], now: float) -> list[tuple[int, int]]:
    """Return those of the slots that nothing keeps from being embedded now, as (slot, tokens), in their order."""
    rows = db.execute(
        "SELECT slot, tokens FROM slot LEFT JOIN queue USING (slot) WHERE tier IN ('queued', 'cached')"
        f" AND coalesce(dead, 0) = 0 AND (coalesce(lease_until, 0) <= ? OR fence = 0) AND slot IN ({','.join('?' * len(slots))})",
        (now, *slots),
    )
    tokens = dict(rows.fetchall())
    return [(slot, tokens[slot]) for slot in slots if slot in tokens]


def requeue(tx: Transaction, slot: int, namespace: str, ttl: float, now: float, reason: str = "there is room again") -> bool:
    """Queue a cached text again, at LOW; one that was asked for stands ahead by that."""
    if not move(tx, slot, Tier.CACHED, Tier.QUEUED, reason, now):
        return False
    rank = Priority.LOW.rank
    turn = now + handicap(rank, tx.ageing_seconds) - asked.lead(tx.db, slot, tx.ageing_seconds)
    tx.db.execute(
        "INSERT INTO queue (slot, target, ttl, rank, queued_at, turn) VALUES (?, 'persistent', ?, ?, ?, ?)", (slot, ttl, rank, now, turn)
    )
    avoided.take_back(tx, slot, namespace)
    return True
