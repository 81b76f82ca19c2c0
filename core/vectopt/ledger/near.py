"""Near-duplicates: items whose text says what their slot's text says, in other words.

A slot's text is the one that opened it, and every other text in it was compared with that one. So when the last item with
that text goes, the next one's text opens the slot anew, and those that aren't like it find another place.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from hashlib import blake2b

from ..analysis import estimated_tokens, fingerprint
from ..compression import MOST_COMPARED, words_key
from ..model import Tier
from .lifecycle import leave_sketch
from .transaction import Transaction
from .wording import OWN_TEXT, packed

AGREE = 0.95  # cosine from which two vectors, given for texts that say the same by the same words, are near enough

_MOVED = ("vector", "sketch", "remade", "queue", "temp", "finder", "asked", "move", "item", "outside")
_KEPT = "namespace, tier, importance, novelty, patterns, worth, members, near, keep, created_at"


def lookalikes(db: sqlite3.Connection, namespace: str, words: bytes, limit: int = MOST_COMPARED) -> list[tuple[int, str]]:
    """Return (slot, text) of those with texts of the same words, in the order of opening."""
    query = "SELECT slot, text FROM slot WHERE namespace = ? AND words = ? ORDER BY slot LIMIT ?"
    return db.execute(query, (namespace, words, limit)).fetchall()


def find(tx: Transaction, namespace: str, words: bytes, text: str) -> int | None:
    """Return the first slot that the text may share, if there is one."""
    return next((slot for slot, other in lookalikes(tx.db, namespace, words) if tx.judge.one(other, text)), None)


def settle(tx: Transaction, namespace: str, slot: int) -> int:
    """See to it that some item has the slot's text; return the number that the slot has then."""
    if tx.db.execute("SELECT 1 FROM item WHERE slot = ? AND own IS NULL AND content IS NULL LIMIT 1", (slot,)).fetchone():
        return slot
    query = f"SELECT item, coalesce(own, exact), {OWN_TEXT} FROM item JOIN slot USING (slot) WHERE slot = ? ORDER BY item"
    members = tx.db.execute(query, (slot,)).fetchall()
    _, exact, text = members[0]
    new = _reopened(tx, namespace, slot, text)
    verdicts = {text: True}
    gone: dict[str, list[tuple[int, str]]] = {}
    for item, digest, content in members:
        if content not in verdicts:  # a copy need be no likelier than it is: it may be all white space
            verdicts[content] = tx.judge.same(text, content) if digest == exact else tx.judge.one(text, content)
        if verdicts[content]:
            own = None if digest == exact else digest
            tx.db.execute("UPDATE item SET own = ?, content = ? WHERE item = ?", (own, packed(content, text), item))
        else:
            gone.setdefault(content, []).append((item, content))
    for several in gone.values():
        _rehouse(tx, namespace, new, several)
    recount(tx, new)
    return new


def _reopened(tx: Transaction, namespace: str, slot: int, text: str) -> int:
    """Give a slot another text, and with it another number: an index knows a number's text for good."""
    new = _copied(tx, namespace, slot, text)
    for table in _MOVED:
        tx.db.execute(f"UPDATE {table} SET slot = ? WHERE slot = ?", (new, slot))
    tx.db.execute("DELETE FROM slot WHERE slot = ?", (slot,))
    tx.db.execute("INSERT INTO gone VALUES (?, ?, ?)", (slot, namespace, tx.seq))
    return new


def _copied(tx: Transaction, namespace: str, slot: int, text: str) -> int:
    """Open a slot for a text, with all else as another slot has it; return its number."""
    one = fingerprint(text)
    taken = tx.db.execute("SELECT 1 FROM slot WHERE namespace = ? AND exact = ? AND variant = x''", (namespace, one.exact)).fetchone()
    variant = blake2b(str(slot).encode(), digest_size=16).digest() if taken else b""
    row = tx.db.execute(
        f"INSERT INTO slot (text, exact, masked, variant, words, tokens, changed, {_KEPT}) SELECT ?, ?, ?, ?, ?, ?, ?, {_KEPT} FROM slot"
        " WHERE slot = ? RETURNING slot",
        (text, one.exact, one.masked, variant, words_key(text), estimated_tokens(text), tx.seq, slot),
    ).fetchone()
    return int(row[0])


def _rehouse(tx: Transaction, namespace: str, source: int, several: Iterable[tuple[int, str]]) -> None:
    """Take the items of one text out of a slot, into one that they may share or one of their own."""
    several = list(several)
    text = several[0][1]
    (tier,) = tx.db.execute("SELECT tier FROM slot WHERE slot = ?", (source,)).fetchone()
    home = find(tx, namespace, words_key(text), text)
    exact = fingerprint(text).exact
    if home is None:
        home = _copied(tx, namespace, source, text)
        # Without a vector, but for the sketch of the one it shared; one is made for it when there is room.
        tx.db.execute("UPDATE slot SET tier = ?, members = 0, near = 0 WHERE slot = ?", (Tier.CACHED, home))
        tx.count(namespace, "slots")
        shared = tx.db.execute("SELECT data, precision FROM vector WHERE slot = ?", (source,)).fetchone()
        if shared is not None:
            leave_sketch(tx, home, namespace, *shared)
            _share_sketch(tx, home, namespace, source)
    opener, opener_exact, to = tx.db.execute("SELECT text, exact, tier FROM slot WHERE slot = ?", (home,)).fetchone()
    for item, content in several:
        own = None if exact == opener_exact else exact
        tx.db.execute("UPDATE item SET slot = ?, own = ?, content = ? WHERE item = ?", (home, own, packed(content, opener), item))
    tx.count(namespace, f"items.{tier}", -len(several))
    tx.count(namespace, f"items.{to}", len(several))
    recount(tx, home)


def _share_sketch(tx: Transaction, slot: int, namespace: str, source: int) -> None:
    """Give a slot without a sketch another's: of a vector that is held outside, it is all there is."""
    shared = tx.db.execute("SELECT length(data) FROM sketch WHERE slot = ?", (source,)).fetchone()
    if shared and tx.db.execute("INSERT OR IGNORE INTO sketch SELECT ?, data FROM sketch WHERE slot = ?", (slot, source)).rowcount:
        tx.count(namespace, "sketches")
        tx.count(namespace, "sketch_bytes", shared[0])


def recount(tx: Transaction, slot: int) -> None:
    """Count a slot's items anew, and let the indexes look at it again."""
    tx.db.execute(
        "UPDATE slot SET changed = :seq, members = (SELECT count(*) FROM item WHERE slot = :slot),"
        " near = (SELECT count(own) FROM item WHERE slot = :slot) WHERE slot = :slot",
        {"seq": tx.seq, "slot": slot},
    )
