"""The frozen values everything else speaks in. No behaviour beyond reading them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]


class Tier(StrEnum):
    """Where an item answers from."""

    PERSISTENT = "persistent"  # a vector, for good
    TEMP = "temp"  # a vector with a time to live
    QUEUED = "queued"  # waiting for its embedding
    CACHED = "cached"  # text only
    ARCHIVED = "archived"  # compressed away, restorable


class Precision(StrEnum):
    """In how many bytes a vector is kept."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"
    SKETCH = "sketch"  # two bits a dimension: what a dropped vector leaves behind


class Status(StrEnum):
    """What `process_content` did."""

    VECTORIZED = "vectorized"
    QUEUED = "queued"
    TEMP_VECTORIZED = "temp_vectorized"
    CACHED_ONLY = "cached_only"
    ERROR = "error"


class Action(StrEnum):
    """What the strategy decided."""

    IMMEDIATE_VECTORIZE = "immediate_vectorize"
    QUEUE_VECTORIZE = "queue_vectorize"
    TEMP_VECTORIZE = "temp_vectorize"
    CACHE_ONLY = "cache_only"


class Priority(StrEnum):
    """How soon a queued item is embedded. CRITICAL is the caller's to give."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """0 for CRITICAL to 3 for LOW: the order in which the queue is worked."""
        return list(Priority).index(self)


class PatternType(StrEnum):
    """What kind of text a pattern recognises."""

    ERROR = "error"
    USER_WORKFLOW = "user_workflow"
    DECISION = "decision"
    PREFERENCE = "preference"
    FACT = "fact"
    QUESTION = "question"
    CODE = "code"
    TOOL_CALL = "tool_call"
    LOG_LINE = "log_line"
    BOILERPLATE = "boilerplate"
    GREETING = "greeting"


class Keyed:
    """Lets a frozen value be read by key too: `result["status"]` is `result.status`."""

    def __getitem__(self, key: str) -> Any:
        """Return the field called `key`; raises KeyError if there is none."""
        if key not in self.keys():
            raise KeyError(key)
        return getattr(self, key)

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def keys(self) -> tuple[str, ...]:
        """Return the names of the fields."""
        return tuple(f.name for f in fields(self))  # type: ignore[arg-type]  # every Keyed is a dataclass

    def get(self, key: str, default: Any = None) -> Any:
        """Return the field called `key`, or `default` if there is none."""
        return self[key] if key in self else default


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern found in a text."""

    pattern_name: str
    pattern_type: PatternType


@dataclass(frozen=True, slots=True)
class ContentAnalysis:
    """What a text is: its patterns, and its importance and novelty in 0..1."""

    patterns: tuple[Pattern, ...]
    importance_score: float
    novelty_score: float
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def has(self, kind: PatternType) -> bool:
        """Tell whether any pattern is of this type."""
        return any(pattern.pattern_type is kind for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class Decision(Keyed):
    """What the strategy decided for a text, and every rule that had a say."""

    action: Action
    priority: Priority = Priority.LOW
    reasoning: tuple[str, ...] = ()
    importance_score: float = 0.0
    novelty_score: float = 0.0
    utilisation: float = 0.0


@dataclass(frozen=True, slots=True)
class Item:
    """What a caller adds.

    Args:
        content: the text.
        metadata: JSON values under string keys; returned exactly as given.
        id: the caller's id, or None for a new one. An existing id is replaced.
        vector: the caller's own embedding, shape (dimensions,); taken as it is, and not paid for again.
        priority: how soon to embed it, over the strategy's own judgement.
        ttl_seconds: how long a temp vector of it lives, instead of the default.
        delete_after_seconds: the item deletes itself so long after it was stored, or touched last; None: never.
    """

    content: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    id: str | None = None
    vector: Sequence[float] | Vector | None = None
    priority: Priority | None = None
    ttl_seconds: float | None = None
    delete_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class StoredItem(Keyed):
    """An item as the ledger holds it. `facts` is what vectopt knows of it; `metadata` is the caller's alone."""

    id: str
    namespace: str
    content: str
    metadata: dict[str, Any]
    tier: Tier
    generation: int
    facts: dict[str, Any]
    vector: Vector | None = None


@dataclass(frozen=True, slots=True)
class Hit(Keyed):
    """A search result.

    Attributes:
        score: 0..1, relative to this query; results come in non-increasing order of it.
        similarity: cosine to the query, -1..1; where `predicted`, an estimate for a text that has no vector of its
            own. None in lexical mode.
        tier: where the item answered from.
        reasons: where the score comes from.
    """

    id: str
    content: str
    metadata: dict[str, Any]
    score: float
    similarity: float | None
    tier: Tier
    reasons: tuple[str, ...] = ()
    predicted: bool = False


@dataclass(frozen=True, slots=True)
class ProcessResult(Keyed):
    """What `process_content` did with a text."""

    status: Status
    id: str | None = None
    cache_key: str | None = None
    vector_id: str | None = None
    temp_vector_id: str | None = None
    priority: Priority | None = None
    strategy: Decision | None = None
    duplicate_of: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, for an Observer. `fields` never holds content or secrets."""

    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)
