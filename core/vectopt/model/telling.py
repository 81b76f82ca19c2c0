"""What the store tells of itself: of an item, of a text, of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .values import Decision, Keyed, Tier


@dataclass(frozen=True, slots=True)
class Move(Keyed):
    """A change of tier, with its reason. `at` is in seconds since the epoch."""

    at: float
    source: Tier
    target: Tier
    reason: str


@dataclass(frozen=True, slots=True)
class Explanation(Keyed):
    """Why an item is where it is."""

    id: str
    namespace: str
    tier: Tier
    decision: Decision
    patterns: tuple[str, ...]
    history: tuple[Move, ...]
    facts: dict[str, Any]
    duplicate_of: str | None = None

    def __str__(self) -> str:
        lines = [f"{self.id} is {self.tier}: {self.decision.action}, priority {self.decision.priority}"]
        lines += [f"  - {reason}" for reason in self.decision.reasoning]
        lines += [f"  {move.source} -> {move.target}: {move.reason}" for move in self.history]
        if self.duplicate_of:
            lines.append(f"  an exact copy of {self.duplicate_of}: they share one embedding and one slot")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class WhyNot(Keyed):
    """What the rules as written decide of a text now, and what it would meet. Nothing is stored."""

    decision: Decision
    patterns: tuple[str, ...]
    duplicate_of: str | None
    twins: tuple[str, ...]  # ids of texts equal but for digits


@dataclass(frozen=True, slots=True)
class Stats(Keyed):
    """The store's figures. Counts of `process_content` statuses are totals since the file was made.

    `vectors` counts those in a store outside too; `vectors_outside` are there alone. Tokens are estimates, those embedded what was paid
    where the embedder keeps account. `estimated_cost` is that of the tokens embedded, `cost_saved` that of the tokens avoided, at
    `Settings.price_per_million_tokens` or the embedder's price; None without one.
    """

    total_processed: int
    vectorized_count: int
    queued_count: int
    temp_vector_count: int
    cached_count: int
    skipped_count: int
    items: int
    items_per_tier: dict[str, int]
    texts: int
    vectors: int
    vector_bytes: int
    sketches: int
    sketch_bytes: int
    file_bytes: int
    ram_bytes: int
    embeddings_made: int
    embeddings_avoided: int
    tokens_avoided: int
    tokens_embedded: int
    tokens_today: int
    dead_letters: int
    utilisation: float
    namespaces: tuple[str, ...]
    vectors_outside: int = 0
    estimated_cost: float | None = None
    cost_saved: float | None = None
    embedder: str | None = None  # whose vectors the store holds
    dimensions: int | None = None
