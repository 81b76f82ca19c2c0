"""Budget and settings: frozen, checked at birth, units in their names."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Literal

from .errors import InvalidSettings
from .model import Precision

if TYPE_CHECKING:
    from .protocols import Observer

Policy = Literal["keep_text", "archive", "delete"]


def _positive(owner: object, *names: str, whole: bool = False) -> None:
    """Refuse fields that are set but not positive, finite numbers."""
    for name in names:
        value = getattr(owner, name)
        if value is None:
            continue
        kind = int if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kind) or not _finite(value) or value <= 0:
            wanted = "a whole number" if whole else "a number"
            raise InvalidSettings(f"{type(owner).__name__}.{name} must be {wanted} above 0, or left out; got {value!r}")


def _finite(value: float) -> bool:
    return isinstance(value, int) or math.isfinite(value)


def _share(owner: object, *names: str) -> None:
    """Refuse fields that are not in 0..1."""
    for name in names:
        value = getattr(owner, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise InvalidSettings(f"{type(owner).__name__}.{name} must be in 0..1; got {value!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What the caller allows; None is no limit. The utilisation is that of the fullest limit.

    Args:
        max_vectors: float vectors, persistent and temp.
        max_vector_bytes: bytes of the vectors, and of the sketches that dropped ones leave behind.
        max_bytes: bytes of the store's file.
        max_ram_bytes: bytes of the indexes in memory.
        max_items: items; an add beyond it raises CapacityExceeded.
        max_tokens_per_day: tokens sent to the embedder between one midnight UTC and the next.
        max_cost_per_day: the same in money, at `Settings.price_per_million_tokens`.
    """

    max_vectors: int | None = None
    max_vector_bytes: int | None = None
    max_bytes: int | None = None
    max_ram_bytes: int | None = None
    max_items: int | None = None
    max_tokens_per_day: int | None = None
    max_cost_per_day: float | None = None

    def __post_init__(self) -> None:
        names = [f.name for f in fields(self)]
        names.remove("max_cost_per_day")
        _positive(self, *names, whole=True)
        _positive(self, "max_cost_per_day")

    @property
    def empty(self) -> bool:
        """Whether there is no limit at all."""
        return self.unlimited and self.max_items is None

    @property
    def unlimited(self) -> bool:
        """Whether nothing limits what may be embedded and kept."""
        return all(getattr(self, f.name) is None for f in fields(self) if f.name != "max_items")


@dataclass(frozen=True, kw_only=True, slots=True)
class StrategySettings:
    """The thresholds of the admission rules; defaults are the specification's.

    `echo_guard`: whether a text that a search returned lately, and that comes back in, earns no vector of its own.
    """

    immediate_importance: float = 0.8
    immediate_novelty: float = 0.7
    queue_importance: float = 0.7
    temp_novelty: float = 0.8
    long_session_minutes: float = 120
    full_utilisation: float = 0.90
    drain_utilisation: float = 0.95
    room_utilisation: float = 0.80
    echo_guard: bool = True

    def __post_init__(self) -> None:
        _positive(self, "long_session_minutes")
        _share(self, *(f.name for f in fields(self) if f.name not in ("long_session_minutes", "echo_guard")))
        if not isinstance(self.echo_guard, bool):
            raise InvalidSettings(f"StrategySettings.echo_guard must be true or false; got {self.echo_guard!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class TempSettings:
    """How long temp vectors live, what earns them promotion, and the cosine cut of `search_temp_vectors`."""

    ttl_seconds: float = 24 * 3600
    promotion_queries: int = 3
    similarity: float = 0.7

    def __post_init__(self) -> None:
        _positive(self, "ttl_seconds")
        _positive(self, "promotion_queries", whole=True)
        _share(self, "similarity")


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueSettings:
    """How the queue is worked: batches bounded by texts and tokens, leases, attempts, backoff, the pace of the upkeep.

    Nothing starves: for every `ageing_seconds` that a text waits it rises by one priority class, but never above CRITICAL. Every
    distinct query that finds a waiting text counts as one such step, up to three.
    """

    ageing_seconds: float = 600
    max_attempts: int = 3
    lease_seconds: float = 60
    batch_texts: int = 256
    batch_tokens: int = 100_000
    backoff_seconds: float = 2
    upkeep_seconds: float = 5

    def __post_init__(self) -> None:
        _positive(self, "max_attempts", "batch_texts", "batch_tokens", whole=True)
        _positive(self, "ageing_seconds", "lease_seconds", "backoff_seconds", "upkeep_seconds")


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchSettings:
    """How ranked lists are fused: the lexical weight before queries and feedback tell more, and the depth of the z-scores."""

    lexical_weight: float = 0.35
    depth: int = 300

    def __post_init__(self) -> None:
        _share(self, "lexical_weight")
        _positive(self, "depth", whole=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class StorageSettings:
    """How vectors are kept. What is changed holds for vectors stored from then on; those that are there stay as they are.

    Args:
        precision: "float32" as given, "float16" in half the bytes, "int8" in a quarter.
        sketches: whether a vector that is dropped leaves two bits a dimension behind, which go on answering for it.
        sidecar: whether the index of a large store is kept in a file beside it, so that it opens at once.
    """

    precision: Precision = Precision.FLOAT32
    sketches: bool = True
    sidecar: bool = True

    def __post_init__(self) -> None:
        known = [Precision.FLOAT32, Precision.FLOAT16, Precision.INT8]
        if self.precision not in known:
            raise InvalidSettings(f"StorageSettings.precision must be one of {', '.join(known)}; got {self.precision!r}")
        object.__setattr__(self, "precision", Precision(self.precision))
        for name in ("sketches", "sidecar"):
            if not isinstance(getattr(self, name), bool):
                raise InvalidSettings(f"StorageSettings.{name} must be true or false; got {getattr(self, name)!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class DemandSettings:
    """Embedding on demand, for budgets of tokens: a query's best texts without a vector are embedded before it is answered.

    Args:
        texts: how many for one query at the most; 0 turns it off.
        left_share: how much of what is left of the day's tokens one query may spend; one text it may spend in any case.
        held_back: how much of a day's tokens is not for texts as they come, but for queries; less as the day goes by.
    """

    texts: int = 0
    left_share: float = 0.01
    held_back: float = 0.5

    def __post_init__(self) -> None:
        if isinstance(self.texts, bool) or not isinstance(self.texts, int) or self.texts < 0:
            raise InvalidSettings(f"DemandSettings.texts must be a whole number of 0 or more; got {self.texts!r}")
        _share(self, "left_share", "held_back")


@dataclass(frozen=True, kw_only=True, slots=True)
class MergingSettings:
    """Whether near-duplicates share an embedding and a place in results, and from which likeness on (as `PatternCompressor`'s).

    Texts are merged only where they say the same: nothing differs but letter case, punctuation, white space, words that carry
    nothing, or the place of an adverbial. Each item keeps its id, metadata and text.
    """

    near_duplicates: bool = True
    similarity: float = 0.85

    def __post_init__(self) -> None:
        _share(self, "similarity")
        if not isinstance(self.near_duplicates, bool):
            raise InvalidSettings(f"MergingSettings.near_duplicates must be true or false; got {self.near_duplicates!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class OutsideSettings:
    """How a store outside is worked with.

    Args:
        keep_vectors: whether persistent vectors stay here too once they are known to be there. Otherwise a sketch stays, which
            answers for them beside the store; only where the store is durable and hands vectors back.
        patience_seconds: how long a search waits for the store before it answers without.
        rest_seconds: how long searches leave a store alone that failed them.
        lease_seconds: how long a batch may take; after that it is sent again.
        backoff_seconds: until a failed batch is sent again, twice as long after each failure, an hour at the most.
    """

    keep_vectors: bool = False
    patience_seconds: float = 2
    rest_seconds: float = 30
    lease_seconds: float = 60
    backoff_seconds: float = 2

    def __post_init__(self) -> None:
        if not isinstance(self.keep_vectors, bool):
            raise InvalidSettings(f"OutsideSettings.keep_vectors must be true or false; got {self.keep_vectors!r}")
        _positive(self, "patience_seconds", "rest_seconds", "lease_seconds", "backoff_seconds")


@dataclass(frozen=True, kw_only=True, slots=True)
class CapacitySettings:
    """What is done as a budget fills up; the thresholds are the specification's.

    Args:
        warning_threshold: utilisation from which maintenance is done.
        critical_threshold: utilisation from which similar texts are merged, and temp vectors judged.
        emergency_threshold: utilisation from which texts of little worth leave, as the policy says.
        hysteresis: how far below its threshold the utilisation must fall for a level to be over.
        policy: what leaves in an emergency. "keep_text": vectors; their texts stay findable, and adds are refused once none are
            left. "archive": items, into the archive, from which they can be restored. "delete": items, for good. None for
            "archive" where there is an archive, else "keep_text".
        most_a_pass: the largest share of the texts in scope that one pass may touch.
        archive_after_seconds: how long a text must have been there, unused, for a pass to archive it.
        grace_seconds: how long a new text is left alone.
        interval_seconds: between two looks at the usage, when it is monitored.
        auto_cleanup: whether a pass acts; otherwise it gives alerts alone.
    """

    warning_threshold: float = 0.80
    critical_threshold: float = 0.90
    emergency_threshold: float = 0.95
    hysteresis: float = 0.05
    policy: Policy | None = None
    most_a_pass: float = 0.20
    archive_after_seconds: float = 7 * 24 * 3600
    grace_seconds: float = 3600
    interval_seconds: float = 300
    auto_cleanup: bool = True

    def __post_init__(self) -> None:
        _share(self, "warning_threshold", "critical_threshold", "emergency_threshold", "hysteresis", "most_a_pass")
        _positive(self, "interval_seconds")
        if not self.hysteresis < self.warning_threshold <= self.critical_threshold <= self.emergency_threshold:
            raise InvalidSettings("CapacitySettings: hysteresis, warning_, critical_ and emergency_threshold must ascend")
        for name in ("archive_after_seconds", "grace_seconds"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not _finite(value) or value < 0:
                raise InvalidSettings(f"CapacitySettings.{name} must be a number of 0 or more; got {value!r}")
        if self.policy not in (None, "keep_text", "archive", "delete"):
            raise InvalidSettings(f'CapacitySettings.policy must be "keep_text", "archive", "delete" or None; got {self.policy!r}')
        if not isinstance(self.auto_cleanup, bool):
            raise InvalidSettings(f"CapacitySettings.auto_cleanup must be true or false; got {self.auto_cleanup!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything that can be set besides the budget.

    Args:
        max_content_bytes: the largest text accepted, in UTF-8 bytes.
        max_id_chars: the longest id or namespace accepted.
        busy_seconds: how long a write waits for other processes before StoreBusy.
        price_per_million_tokens: what the embedder costs, for `Budget.max_cost_per_day`; by default what it says itself.
        observer: told of what happens; logging by default.
    """

    strategy: StrategySettings = field(default_factory=StrategySettings)
    temp: TempSettings = field(default_factory=TempSettings)
    queue: QueueSettings = field(default_factory=QueueSettings)
    search: SearchSettings = field(default_factory=SearchSettings)
    storage: StorageSettings = field(default_factory=StorageSettings)
    merging: MergingSettings = field(default_factory=MergingSettings)
    demand: DemandSettings = field(default_factory=DemandSettings)
    outside: OutsideSettings = field(default_factory=OutsideSettings)
    capacity: CapacitySettings = field(default_factory=CapacitySettings)
    max_content_bytes: int = 16 * 2**20
    max_id_chars: int = 4096
    busy_seconds: float = 30
    price_per_million_tokens: float | None = None
    observer: Observer | None = None

    def __post_init__(self) -> None:
        _positive(self, "max_content_bytes", "max_id_chars", whole=True)
        _positive(self, "busy_seconds", "price_per_million_tokens")
