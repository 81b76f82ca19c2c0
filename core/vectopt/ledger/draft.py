"""An item on its way into the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from ..model import Decision, Tier


@dataclass(slots=True)
class Draft:
    """An item that was judged and is ready to be placed. `tier` is where a text that is new goes.

    Never changed once made; not frozen, since one is made for every item of a call.
    """

    id: str
    content: str
    metadata: str  # JSON
    exact: bytes
    masked: bytes
    tier: Tier
    target: Tier  # of the embedding, where tier is QUEUED
    ttl: float
    lease_until: float
    patterns: str  # JSON
    worth: float
    tokens: int
    keep: bool
    decision: Decision
    words: bytes | None = None  # what texts that say the same have in common; None: it is to be compared with none
    vector: bytes | None = None
    lives: float | None = None  # seconds, where the item deletes itself
