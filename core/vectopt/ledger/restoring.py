"""Bringing archived items back: placed as if they were added, then given what only they had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..analysis import estimated_tokens, fingerprint
from ..compression import words_key
from ..model import Decision, Precision, Tier
from . import archived, placing, vectors
from .draft import Draft
from .lifecycle import drop_vector, leave_sketch, move
from .records import decision_from_json
from .transaction import Transaction


def restore(
    tx: Transaction, read: Sequence[tuple[archived.Spot, archived.Record]], room: int | None, now: float, *, near_duplicates: bool
) -> int:
    """Bring items back whose records were read; those that were deleted, replaced or restored meanwhile are passed over.

    Args:
        tx: the transaction.
        read: where the items were, all of one namespace, and their records.
        room: how many of the vectors may come back; None for all. Of the others a sketch does.
        now: the time.
        near_duplicates: whether they may share the place of a text that says the same.

    Returns:
        How many items came back.
    """
    pairs = [(spot, record) for spot, record in read if archived.still(tx, spot)]
    if not pairs:
        return 0
    namespace = pairs[0][0].namespace
    left = len(pairs) if room is None else max(0, room)
    space = archived.space_of(tx.db)
    drafts: list[Draft] = []
    for spot, record in pairs:
        if not archived.fits(record, space):  # the text comes back, and is embedded anew where there is room
            record.pop("vector", None)
            record.pop("sketch", None)
        draft = _draft(record, spot.id)
        if not near_duplicates:
            draft.words = None
        if draft.vector is not None:
            draft, left = (draft, left - 1) if left > 0 else (_without_place(draft), left)
        drafts.append(draft)
    archived.forget(tx, namespace, [spot.id for spot, _ in pairs])
    placed = placing.place(tx, namespace, drafts, now)
    for one, draft, (spot, record) in zip(placed, drafts, pairs, strict=True):
        item = archived.item_of(record, spot.id)
        tx.db.execute(
            "UPDATE item SET generation = ?, created_at = ?, updated_at = ? WHERE namespace = ? AND id = ?",
            (item["generation"], item["created_at"], item["updated_at"], namespace, spot.id),
        )
        (tier,) = tx.db.execute("SELECT tier FROM slot WHERE slot = ?", (one.slot,)).fetchone()
        if one.fresh and draft.vector is not None and tier == Tier.PERSISTENT:  # a vector of the caller's: to the bit as it was
            drop_vector(tx, one.slot, namespace)
            vectors.put_as_kept(tx, one.slot, namespace, archived.data_of(record["vector"]["data"]), record["vector"])
        left -= _give_vector(tx, namespace, one.slot, Tier(tier), record, left, now)
        if one.fresh:
            _give_history(tx, one.slot, record, now)
    return len(pairs)


def _draft(record: Mapping[str, Any], id: str) -> Draft:
    item, text, vector = archived.item_of(record, id), record["text"], record.get("vector")
    decision: Decision = decision_from_json(item["decision"])
    one = fingerprint(item["content"])
    given = None
    if vector is not None and vector["origin"] == "caller":
        given = vectors.to_blob(vectors.from_blob(archived.data_of(vector["data"]), vector["precision"]))
    return Draft(
        id=id,
        content=item["content"],
        metadata=item["metadata"],
        exact=one.exact,
        masked=one.masked,
        tier=Tier.CACHED if given is None else Tier.PERSISTENT,
        target=Tier.PERSISTENT,
        ttl=0.0,
        lease_until=0.0,
        patterns=text["patterns"],
        worth=text["worth"],
        tokens=estimated_tokens(item["content"]),
        keep=bool(text["keep"]),
        decision=decision,
        words=words_key(item["content"]),
        vector=given,
    )


def _without_place(draft: Draft) -> Draft:
    draft.tier = Tier.CACHED
    return draft


def _give_vector(tx: Transaction, namespace: str, slot: int, tier: Tier, record: Mapping[str, Any], room: int, now: float) -> int:
    """Give a text its vector back to the bit, or its sketch; return how many places for vectors that took."""
    vector, sketch = record.get("vector"), record.get("sketch")
    if tier is not Tier.CACHED:
        return 0
    if vector is not None and room > 0:
        data = archived.data_of(vector["data"])
        move(tx, slot, Tier.CACHED, Tier.PERSISTENT, "restored from the archive with its vector", now)
        vectors.put_as_kept(tx, slot, namespace, data, vector)
        return 1
    if vector is not None:
        leave_sketch(tx, slot, namespace, archived.data_of(vector["data"]), Precision(vector["precision"]))
    elif sketch is not None:
        vectors.put_sketch(tx, slot, namespace, archived.data_of(sketch))
    tx.db.execute("UPDATE slot SET changed = ? WHERE slot = ?", (tx.seq, slot))
    return 0


def _give_history(tx: Transaction, slot: int, record: Mapping[str, Any], now: float) -> None:
    text = record["text"]
    tx.db.execute(
        "UPDATE slot SET novelty = ?, created_at = ?, used_at = ? WHERE slot = ?", (text["novelty"], text["created_at"], now, slot)
    )
    moves = [tuple(one) for one in record.get("moves", ())]
    moves.append((now, Tier.ARCHIVED.value, Tier.CACHED.value, "restored from the archive"))
    tx.db.executemany(f"INSERT INTO move (slot, at, source, target, reason) VALUES ({slot:d}, ?, ?, ?, ?)", moves)
