"""What goes to a store outside, what it can do, and what a reconciliation finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .values import Keyed, Vector


@dataclass(frozen=True, slots=True)
class Record:
    """A vector on its way to a store outside.

    Attributes:
        key: ASCII, in the form of a UUID; the same vector always comes under the same key.
        vector: shape (dimensions,).
        text: what was embedded, for a store that takes texts; otherwise empty.
        metadata: of the text's first item, likewise.
    """

    key: str
    vector: Vector
    text: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a store outside can do. Nothing is assumed of it that isn't declared here.

    Attributes:
        durable: what it holds outlives this process. Only then may a vector be held there alone.
        takes_vectors: it stores the vectors it is given; otherwise it embeds the texts itself.
        takes_texts: it is given texts and metadata too. Vectors then stay here as well, so that what changed can be sent anew.
        fetches: `fetch` tells which keys are there.
        hands_back: `fetch` and `query` hand back the vectors themselves.
        queries: `query` finds the nearest.
        lists: `keys` lists what is there.
        settle_seconds: how long a write may take to be seen by every read.
        batch: how many records one call takes at the most.
    """

    durable: bool = False
    takes_vectors: bool = True
    takes_texts: bool = False
    fetches: bool = True
    hands_back: bool = True
    queries: bool = True
    lists: bool = True
    settle_seconds: float = 0.0
    batch: int = 100


@dataclass(frozen=True, slots=True)
class ReconcileReport(Keyed):
    """What a store outside holds, against what the ledger says it holds.

    Attributes:
        there: copies that the ledger says are there, and that were found.
        pending: copies that are on their way.
        leaving: copies that are to go.
        missing: keys that the ledger says are there, and the store says aren't.
        orphans: keys that carry this store's sign and that no copy has; empty where the store can't list.
        listed: whether the store could be asked what it holds.
        failing: what the store said of copies that it refused, by key.
        repaired: how many were sent again or removed.
    """

    there: int = 0
    pending: int = 0
    leaving: int = 0
    missing: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()
    listed: bool = True
    failing: Mapping[str, str] = field(default_factory=dict)
    repaired: int = 0

    @property
    def clean(self) -> bool:
        """Whether store and ledger agree, but for what is on its way."""
        return not (self.missing or self.orphans or self.failing)
