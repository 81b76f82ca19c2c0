"""Items and the slots they share: reading, deleting."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from ..compression import signature
from ..model import StoredItem, Tier
from . import archived, near, records, vectors
from .lifecycle import drop_sketch, drop_vector
from .transaction import Transaction
from .wording import OWN_TEXT

_CHUNK = 500  # parameters a statement
_TIERS = {tier.value: tier for tier in Tier}
_LIVING = "coalesce(delete_at, 1e99) > ?"  # the time now


def leave(tx: Transaction, namespace: str, left: Mapping[int, Sequence[bool]]) -> dict[int, int]:
    """Take items, that are deleted or elsewhere by now, out of their slots; the last ones take a slot with them.

    Args:
        tx: the transaction.
        namespace: whose items.
        left: by slot, of each item that left it, whether it had a text of its own.

    Returns:
        The numbers the slots have then: others, where they go on with the text of an item that stays.
    """
    for slot, own in left.items():  # all first: an item that finds no place in its slot may come to another of these
        (tier,) = tx.db.execute(
            "UPDATE slot SET members = members - ?, near = near - ?, changed = ? WHERE slot = ? RETURNING tier",
            (len(own), sum(own), tx.seq, slot),
        ).fetchone()
        tx.count(namespace, f"items.{tier}", -len(own))
    numbers: dict[int, int] = {}
    for slot in left:
        members, own_texts = tx.db.execute("SELECT members, near FROM slot WHERE slot = ?", (slot,)).fetchone()
        if not members:
            _close(tx, namespace, slot)
        numbers[slot] = near.settle(tx, namespace, slot) if members and own_texts else slot
    return numbers


def _close(tx: Transaction, namespace: str, slot: int) -> None:
    """Remove a slot without items, and what it holds."""
    (tier,) = tx.db.execute("SELECT tier FROM slot WHERE slot = ?", (slot,)).fetchone()
    drop_vector(tx, slot, namespace)
    drop_sketch(tx, slot, namespace)
    dead = tx.db.execute("SELECT dead FROM queue WHERE slot = ?", (slot,)).fetchone()
    if tier == Tier.QUEUED:
        tx.count(namespace, "slots.queued", -1)
    if dead is not None and dead[0]:
        tx.count(namespace, "dead", -1)
    tx.db.execute("DELETE FROM slot WHERE slot = ?", (slot,))
    tx.db.execute("INSERT INTO gone VALUES (?, ?, ?)", (slot, namespace, tx.seq))
    tx.count(namespace, "slots", -1)


def delete(tx: Transaction, namespace: str, ids: Sequence[str]) -> int:
    """Delete items; unknown ids are no error. Return how many there were."""
    gone = archived.forget(tx, namespace, ids)
    tx.db.executemany("DELETE FROM pin WHERE namespace = ? AND id = ?", [(namespace, id) for id in ids])
    return gone + take_out(tx, namespace, ids)


def take_out(tx: Transaction, namespace: str, ids: Sequence[str]) -> int:
    """Take items out of the ledger: they are deleted, or archived. Return how many there were."""
    left: dict[int, list[bool]] = {}  # slots, and of each item that left whether it had a text of its own
    for id in ids:
        row = tx.db.execute("DELETE FROM item WHERE namespace = ? AND id = ? RETURNING slot, own", (namespace, id)).fetchone()
        if row is not None:
            left.setdefault(row[0], []).append(row[1] is not None)
    leave(tx, namespace, left)
    removed = sum(map(len, left.values()))
    tx.count(namespace, "items", -removed)
    return removed


def delete_all(tx: Transaction, namespace: str) -> int:
    """Delete every item of one namespace, and what was learned of them."""
    query = "SELECT id FROM item WHERE namespace = :namespace UNION ALL SELECT id FROM archived WHERE namespace = :namespace"
    deleted = delete(tx, namespace, [id for (id,) in tx.db.execute(query, {"namespace": namespace}).fetchall()])
    records.unlearn(tx, namespace, sure=deleted > 0)
    return deleted


def chunks(values: Sequence[Any]) -> Iterator[tuple[Sequence[Any], str]]:
    """Yield the values in parts that one statement takes, each with its placeholders."""
    for start in range(0, len(values), _CHUNK):
        part = values[start : start + _CHUNK]
        yield part, ",".join("?" * len(part))


_STORED = (
    f"SELECT item.id, item.namespace, {OWN_TEXT}, metadata, tier, generation, coalesce(item.importance, slot.importance),"
    " novelty, patterns, item.created_at, updated_at, origin, made_at, promotion, data, precision, members, delete_at"
    " FROM item JOIN slot USING (slot) LEFT JOIN vector USING (slot)"
)


def _stored(row: tuple[Any, ...], with_vector: bool) -> StoredItem:
    facts = {
        "importance_score": row[6],
        "novelty_score": row[7],
        "patterns": json.loads(row[8]),
        "created_at": row[9],
        "updated_at": row[10],
    }
    if row[16] > 1:
        facts |= {"frequency": row[16], "pattern_signature": signature(Counter(dict.fromkeys(facts["patterns"], row[16])))}
    if row[17] is not None:
        facts["delete_at"] = row[17]
    if row[11] is not None:
        facts |= {"vector_origin": row[11], "vectorized_at": row[12], **json.loads(row[13] or "{}")}
    vector = vectors.from_blob(row[14], row[15]) if with_vector and row[14] else None
    return StoredItem(row[0], row[1], row[2], json.loads(row[3]), Tier(row[4]), row[5], facts, vector)


def get(db: sqlite3.Connection, namespace: str, ids: Sequence[str], now: float, *, with_vector: bool = False) -> list[StoredItem]:
    """Return the items that exist, in the order of the ids; none whose time is over."""
    found: dict[str, StoredItem] = {}
    for part, marks in chunks(ids):
        rows = db.execute(f"{_STORED} WHERE item.namespace = ? AND item.id IN ({marks}) AND {_LIVING}", (namespace, *part, now))
        found.update((row[0], _stored(row, with_vector)) for row in rows)
    return [found[id] for id in ids if id in found]


def scan(db: sqlite3.Connection, namespace: str, now: float) -> Iterator[StoredItem]:
    """Yield every item of a namespace in the order of adding."""
    for row in db.execute(f"{_STORED} WHERE item.namespace = ? AND {_LIVING} ORDER BY item", (namespace, now)):
        yield _stored(row, with_vector=False)


def latest(db: sqlite3.Connection, namespaces: Sequence[str], now: float) -> Iterator[StoredItem]:
    """Yield every item of some namespaces, what was changed last first."""
    order: list[tuple[float, int]] = []
    for part, marks in chunks(namespaces):
        order += db.execute(f"SELECT -updated_at, -item FROM item WHERE namespace IN ({marks}) AND {_LIVING}", (*part, now))
    for _, item in sorted(order):
        yield _stored(db.execute(f"{_STORED} WHERE item = ?", (-item,)).fetchone(), with_vector=False)


def begun(db: sqlite3.Connection, namespace: str, beginning: str) -> list[str]:
    """Return the ids that begin so, those of archived items among them."""
    query = "SELECT id FROM {} WHERE namespace = ? AND id >= ? ORDER BY id"
    return [id for table in ("item", "archived") for id in _begun(db.execute(query.format(table), (namespace, beginning)), beginning)]


def _begun(rows: Iterable[tuple[str]], beginning: str) -> list[str]:
    """Return the first of sorted strings, as long as they begin so."""
    return list(takewhile(lambda text: text.startswith(beginning), (text for (text,) in rows)))


def namespaces(db: sqlite3.Connection, beginning: str, now: float) -> list[str]:
    """Return the namespaces that begin so and hold items whose time isn't over, sorted."""
    query = "SELECT namespace FROM counter WHERE namespace >= ? AND name = 'items' AND value > 0 ORDER BY namespace"
    held = _begun(db.execute(query, (beginning,)), beginning)
    over = {name for (name,) in db.execute("SELECT namespace FROM item INDEXED BY item_delete_at WHERE delete_at <= ?", (now,))}
    living = f"SELECT 1 FROM item WHERE namespace = ? AND {_LIVING} LIMIT 1"
    return [name for name in held if name not in over or db.execute(living, (name, now)).fetchone()]


def archived_ids(db: sqlite3.Connection, namespace: str) -> list[str]:
    """Return the ids of a namespace's archived items, sorted."""
    return [id for (id,) in db.execute("SELECT id FROM archived WHERE namespace = ? ORDER BY id", (namespace,))]


def metadata(db: sqlite3.Connection, namespace: str, slots: Sequence[int] | None) -> Iterator[tuple[int, str]]:
    """Yield (slot, metadata as JSON) of the items of some slots, or for None of all of the namespace."""
    if slots is None:
        yield from db.execute("SELECT slot, metadata FROM item WHERE namespace = ?", (namespace,))
        return
    for part, marks in chunks(slots):
        yield from db.execute(f"SELECT slot, metadata FROM item WHERE slot IN ({marks})", part)


@dataclass(slots=True)
class Member:
    """An item of a slot, as a search needs it."""

    id: str
    content: str
    metadata: dict[str, Any]
    item: int  # its number, which grows with the time of adding
    importance: float
    own: bool  # its text is not the slot's


def members(db: sqlite3.Connection, namespace: str, slots: Sequence[int], now: float) -> dict[int, tuple[Tier, list[Member]]]:
    """Return the tier and the items of each slot that still exists in the namespace.

    Copies are in the order of adding; of near-duplicates the most important comes first.
    """
    found: dict[int, tuple[Tier, list[Member]]] = {}
    for part, marks in chunks(slots):
        # CROSS JOIN fixes the order of the tables: the planner would rather walk all items.
        rows = db.execute(
            f"SELECT slot.slot, tier, item, id, {OWN_TEXT}, metadata, coalesce(item.importance, slot.importance), own IS NOT NULL"
            " FROM slot CROSS JOIN item ON item.slot = slot.slot"
            f" WHERE slot.slot IN ({marks}) AND slot.namespace = ? AND {_LIVING}",
            (*part, namespace, now),
        )
        for slot, tier, item, id, content, metadata, importance, own in rows:
            if slot not in found:
                found[slot] = _TIERS[tier], []
            found[slot][1].append(Member(id, content, json.loads(metadata), item, importance, bool(own)))
    for _, several in found.values():
        if len(several) > 1:
            several.sort(key=lambda member: member.item)
            if any(member.own for member in several):
                several.sort(key=lambda member: -member.importance)
    return found


def tiers(db: sqlite3.Connection, namespace: str, ids: Sequence[str]) -> dict[str, Tier]:
    """Return the tiers of those ids that exist."""
    found: dict[str, Tier] = {}
    for part, marks in chunks(ids):
        rows = db.execute(
            f"SELECT id, tier FROM item CROSS JOIN slot ON slot.slot = item.slot WHERE item.namespace = ? AND id IN ({marks})",
            (namespace, *part),
        )
        found.update((id, Tier(tier)) for id, tier in rows)
    return found


def vectors_alone(db: sqlite3.Connection, namespace: str, ids: Sequence[str]) -> int:
    """Return how many of these ids hold a vector that no other item shares."""
    total = 0
    for part, marks in chunks(ids):
        total += db.execute(
            "SELECT count(*) FROM item CROSS JOIN slot ON slot.slot = item.slot"
            f" WHERE item.namespace = ? AND id IN ({marks}) AND members = 1 AND tier IN ('persistent', 'temp')",
            (namespace, *part),
        ).fetchone()[0]
    return total


def slots_of(db: sqlite3.Connection, namespace: str, ids: Sequence[str]) -> list[int]:
    """Return the slots of those ids that exist."""
    found: set[int] = set()
    for part, marks in chunks(ids):
        rows = db.execute(f"SELECT slot FROM item WHERE namespace = ? AND id IN ({marks})", (namespace, *part))
        found.update(slot for (slot,) in rows)
    return sorted(found)


def slot_of(db: sqlite3.Connection, namespace: str, id: str) -> int | None:
    """Return the slot of an item, or None if there is no such item."""
    row = db.execute("SELECT slot FROM item WHERE namespace = ? AND id = ?", (namespace, id)).fetchone()
    return None if row is None else int(row[0])


def silent(db: sqlite3.Connection, namespace: str, id: str) -> bytes | None:
    """Return the digest that an item without text has for itself; None where there is no such item."""
    row = db.execute(
        "SELECT exact FROM item CROSS JOIN slot ON slot.slot = item.slot"
        " WHERE item.namespace = ? AND id = ? AND exact = masked AND trim(text, ' ' || char(9, 10, 13)) = ''",
        (namespace, id),
    ).fetchone()
    return None if row is None else bytes(row[0])


def first_of(db: sqlite3.Connection, slot: int) -> str:
    """Return the id of a slot's first item."""
    return str(db.execute("SELECT id FROM item WHERE slot = ? ORDER BY item LIMIT 1", (slot,)).fetchone()[0])


def find_text(db: sqlite3.Connection, namespace: str, exact: bytes, masked: bytes, limit: int = 5) -> tuple[str | None, list[str]]:
    """Return the id of the first item with this very text, and ids of texts equal but for digits."""
    row = db.execute(
        "SELECT id FROM item JOIN slot USING (slot) WHERE slot.namespace = ? AND exact = ? ORDER BY item LIMIT 1", (namespace, exact)
    ).fetchone()
    twins = db.execute(
        "SELECT id FROM item JOIN slot USING (slot) WHERE slot.namespace = ? AND masked = ? AND exact <> ? ORDER BY item LIMIT ?",
        (namespace, masked, exact, limit),
    )
    return (row[0] if row else None), [id for (id,) in twins]


def known_masks(db: sqlite3.Connection, namespace: str, masks: Iterable[bytes]) -> dict[bytes, set[bytes]]:
    """Return those of the masked digests that some text of the namespace has, each with two of its exact digests, or its one."""
    known: dict[bytes, set[bytes]] = {}
    for mask in masks:  # one by one: of a template's many texts, two are enough to know
        first = db.execute("SELECT exact FROM slot WHERE namespace = ? AND masked = ? LIMIT 1", (namespace, mask)).fetchone()
        if first is not None:
            second = "SELECT exact FROM slot WHERE namespace = ? AND masked = ? AND exact <> ? LIMIT 1"
            known[mask] = {first[0], *(exact for (exact,) in db.execute(second, (namespace, mask, first[0])))}
    return known
