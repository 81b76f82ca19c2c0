"""The archive's objects as the ledger knows them: which there are, which are being written, which are to go."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from .transaction import Transaction


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """An object in the archive. `dead` of its items were deleted, replaced or restored."""

    segment: int
    name: str
    size: int
    digest: str
    items: int
    live: int

    @property
    def dead(self) -> int:
        """Items in it that are its own no more."""
        return self.items - self.live


def begin(tx: Transaction, name: str, now: float) -> int:
    """Note, before anything is written, that an object is about to be; return its number."""
    row = tx.db.execute("INSERT INTO segment (name, state, made_at) VALUES (?, 'writing', ?) RETURNING segment", (name, now)).fetchone()
    return int(row[0])


def seal(tx: Transaction, segment: int, size: int, digest: str, items: int) -> bool:
    """Take an object that was written and verified into use, if it isn't yet; False where it was given up meanwhile."""
    return bool(
        tx.db.execute(
            "UPDATE segment SET state = 'sealed', size = ?, digest = ?, items = ? WHERE segment = ? AND state <> 'leaving'",
            (size, digest, items, segment),
        ).rowcount
    )


def let_go(tx: Transaction, segments: list[int]) -> None:
    """Have objects removed that nothing needs."""
    tx.db.executemany("UPDATE segment SET state = 'leaving' WHERE segment = ?", [(one,) for one in segments])


def give_up_unfinished(tx: Transaction) -> int:
    """Have removed what was being written when somebody died; only for who alone may write now. Return how many there were."""
    return tx.db.execute("UPDATE segment SET state = 'leaving' WHERE state = 'writing'").rowcount


def empty_ones(db: sqlite3.Connection) -> list[int]:
    """Return the objects in use of which no item is left."""
    return [segment for (segment,) in db.execute("SELECT segment FROM segment WHERE state = 'sealed' AND live = 0")]


def leaving(db: sqlite3.Connection) -> list[tuple[int, str]]:
    """Return (number, name) of the objects that are to be removed."""
    return db.execute("SELECT segment, name FROM segment WHERE state = 'leaving'").fetchall()


def forget(tx: Transaction, segment: int) -> None:
    """Forget an object that was removed."""
    tx.db.execute("DELETE FROM segment WHERE segment = ? AND state = 'leaving'", (segment,))


def sealed(db: sqlite3.Connection) -> list[SegmentRow]:
    """Return the objects in use, in the order of their making."""
    rows = db.execute("SELECT segment, name, size, digest, items, live FROM segment WHERE state = 'sealed' ORDER BY segment")
    return [SegmentRow(*row) for row in rows]


def unfinished(db: sqlite3.Connection) -> bool:
    """Tell whether any object is being written, or is to be removed."""
    return db.execute("SELECT 1 FROM segment WHERE state <> 'sealed' LIMIT 1").fetchone() is not None


def names(db: sqlite3.Connection) -> set[str]:
    """Return the names of all objects that have a row, whatever their state."""
    return {name for (name,) in db.execute("SELECT name FROM segment")}
