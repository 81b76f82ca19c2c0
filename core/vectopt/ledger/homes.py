"""Which slot an item comes to: of the same text, of one that says the same, or a new one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from ..compression import MOST_COMPARED
from ..model import Precision, Tier
from . import near, vectors
from .draft import Draft
from .items import chunks
from .transaction import Transaction

_AGREE = 0.99999  # cosine from which two vectors of one text count as the same
_COLUMNS = "slot, tier, text, keep, exact, variant, worth"


@dataclass(slots=True)
class Home:
    """A slot that a draft may join: one of the ledger's, or one that this call opens (`draft` is set)."""

    slot: int
    tier: Tier
    text: str
    keep: bool
    exact: bytes
    variant: bytes = b""
    worth: float = 0.0
    members: int = 0  # joined by this call
    near: int = 0  # of its items with texts of their own, more or fewer by this call
    draft: Draft | None = None
    leased: bool = False  # by this call, to be embedded by it


class Homes:
    """The slots that the drafts of one call may come to."""

    def __init__(self, tx: Transaction, namespace: str, drafts: Sequence[Draft]) -> None:
        self._tx = tx
        self._namespace = namespace
        self._known: dict[int, Home] = {}
        self._copies = self._of_texts({draft.exact for draft in drafts})
        self._lookalikes: dict[bytes, list[Home]] = {}
        row = tx.db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'slot'").fetchone()
        self._newest = row[0] if row else 0

    @property
    def opened(self) -> list[Home]:
        """The slots that this call opens."""
        return [home for home in self._known.values() if home.draft is not None]

    def of(self, draft: Draft, old_slot: int | None) -> Home:
        """Return the draft's slot. An item that brings no vector stays where it is, if its text says the same."""
        copies = self._copies.setdefault(draft.exact, [])
        home = self._copy(copies, draft, old_slot) or (self._near(draft, old_slot) if not copies else None)
        return home or self._open(draft, copies)

    def _of_texts(self, digests: Iterable[bytes]) -> dict[bytes, list[Home]]:
        """Return the slots that hold texts with these digests, each text's in the order of opening."""
        found: dict[bytes, list[Home]] = {}
        for part, marks in chunks(list(digests)):
            rows = self._tx.db.execute(f"SELECT {_COLUMNS} FROM slot WHERE namespace = ? AND exact IN ({marks})", (self._namespace, *part))
            for row in sorted(rows):
                found.setdefault(row[4], []).append(self._home(row))
        return found

    def _home(self, row: tuple[Any, ...]) -> Home:
        slot, tier, text, keep, exact, variant, worth = row
        return self._known.setdefault(slot, Home(slot, Tier(tier), text, bool(keep), exact, variant, worth))

    def _copy(self, copies: Sequence[Home], draft: Draft, old_slot: int | None) -> Home | None:
        """Return the slot of the same text, and of the same vector where the draft brings its own."""
        same = [home for home in copies if home.text == draft.content or self._tx.judge.same(home.text, draft.content)]
        if draft.vector is None:
            return next((home for home in same if home.slot == old_slot), same[0] if same else None)
        return next((home for home in same if self._vectors_agree(home, draft, _AGREE)), None)

    def _near(self, draft: Draft, old_slot: int | None) -> Home | None:
        """Return the first slot whose text says the same, and whose vector is near enough where the draft brings its own."""
        if draft.words is None:
            return None
        alike = self._lookalikes.get(draft.words)
        if alike is None:
            query = f"SELECT {_COLUMNS} FROM slot WHERE namespace = ? AND words = ? ORDER BY slot LIMIT {MOST_COMPARED:d}"
            alike = [self._home(row) for row in self._tx.db.execute(query, (self._namespace, draft.words)).fetchall()]
            self._lookalikes[draft.words] = alike
        for home in sorted(alike, key=lambda home: home.slot != old_slot):
            if self._tx.judge.one(home.text, draft.content) and self._vectors_agree(home, draft, near.AGREE):
                return home
        return None

    def _open(self, draft: Draft, copies: list[Home]) -> Home:
        self._newest += 1
        leased = draft.tier is Tier.QUEUED and bool(draft.lease_until)
        variant = _variant(draft, {home.variant for home in copies})
        home = Home(self._newest, draft.tier, draft.content, draft.keep, draft.exact, variant, draft=draft, leased=leased)
        self._known[home.slot] = home
        copies.append(home)
        if draft.words in self._lookalikes:
            self._lookalikes[draft.words].append(home)
        return home

    def _vectors_agree(self, home: Home, draft: Draft, least: float) -> bool:
        """Tell whether the draft brings no vector that the slot's own contradicts."""
        if draft.vector is None:
            return True
        row: tuple[bytes, str, bytes | None] | None
        if home.draft is not None:
            row = None if home.draft.vector is None else (home.draft.vector, Precision.FLOAT32, None)
        else:
            row = self._tx.db.execute("SELECT data, precision, digest FROM vector WHERE slot = ?", (home.slot,)).fetchone()
        return row is None or vectors.agree(*row, draft.vector, least)


def _variant(draft: Draft, taken: set[bytes]) -> bytes:
    """Return what tells a new slot from the others of its text; nothing for the first one."""
    if not taken:
        return b""
    variant = blake2b(draft.vector or b"", digest_size=16).digest()
    while variant in taken:  # of a slot that had this vector once
        variant = blake2b(variant, digest_size=16).digest()
    return variant
