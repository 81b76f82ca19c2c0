"""What a look at the capacity says: how full, what is to be done about it, what was done."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from .values import Keyed


class CapacityLevel(StrEnum):
    """How pressing it is."""

    NORMAL = "normal"
    WARNING = "warning"
    CRITICAL = "critical"
    EMERGENCY = "emergency"

    @property
    def rank(self) -> int:
        """0 for NORMAL to 3 for EMERGENCY."""
        return list(CapacityLevel).index(self)


class CapacityAction(StrEnum):
    """What can be done to stay within the budget."""

    MAINTAIN = "maintain"  # expire, recount, forget what need not be remembered
    COMPRESS_SIMILAR = "compress_similar"
    PROMOTE_TEMP = "promote_temp"
    DELETE_LOW_PRIORITY = "delete_low_priority"  # the vector goes and the text stays; with policy="delete" the item goes
    ARCHIVE_OLD = "archive_old"
    OPTIMIZE_INDEX = "optimize_index"


class Limit(StrEnum):
    """Which part of a budget."""

    VECTORS = "max_vectors"
    VECTOR_BYTES = "max_vector_bytes"
    FILE_BYTES = "max_bytes"
    RAM_BYTES = "max_ram_bytes"
    ITEMS = "max_items"


@dataclass(frozen=True, slots=True)
class CapacityAlert(Keyed):
    """That a level was reached.

    Attributes:
        alert_type: the level, or what went wrong: "archive_unavailable", "archive_damaged", "brake", "counters".
        current_usage: the utilisation then, 0..1 and above.
        threshold: that was reached.
        recommended_actions: what would help.
        created_at: seconds since the epoch.
        namespace: whose budget; None for the store's.
        message: one sentence for people.
    """

    alert_type: str
    current_usage: float
    threshold: float
    recommended_actions: tuple[CapacityAction, ...]
    created_at: float
    namespace: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class PlannedStep(Keyed):
    """One action of a plan, and the reason for it.

    Attributes:
        action: what would be done.
        count: to how many texts; 0 where that shows only in doing it.
        bytes: how many bytes of the fullest limit it should free, estimated.
        reason: why.
        namespace: whose texts; None for the whole store's.
        ids: of the items concerned, the first to leave first; at the most a hundred of them.
    """

    action: CapacityAction
    count: int
    bytes: int
    reason: str
    namespace: str | None = None
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CapacityPlan(Keyed):
    """What a pass would do now. `utilisation` and `limit` are of the fullest budget, `namespace` says whose."""

    level: CapacityLevel
    utilisation: float
    limit: Limit | None = None
    namespace: str | None = None
    steps: tuple[PlannedStep, ...] = ()
    held: str | None = None  # why nothing would be done at all

    def __str__(self) -> str:
        whose = "the store" if self.namespace is None else f"namespace {self.namespace!r}"
        lines = [f"{self.level}: {whose} uses {self.utilisation:.1%} of {self.limit}" if self.limit else f"{self.level}: no budget is set"]
        if self.held:
            lines.append(f"  nothing is done: {self.held}")
        for step in self.steps:
            many = f" {step.count:,} texts" if step.count else ""
            lines.append(f"  {step.action}{many}: {step.reason}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class CapacityReport(Keyed):
    """What a pass did.

    Attributes:
        number: of the pass, for `undo`; None where none was made.
        level: the one that was acted on.
        before, after: the utilisation.
        bytes_before, bytes_after: of the file.
        expired, promoted: temp vectors.
        merged: texts that now share another's place.
        dropped: vectors that left; their texts stay.
        archived, deleted: items.
        problems: what could not be done, one sentence each.
        held: why nothing was done at all.
    """

    level: CapacityLevel
    before: float
    after: float
    number: int | None = None
    bytes_before: int = 0
    bytes_after: int = 0
    expired: int = 0
    promoted: int = 0
    merged: int = 0
    dropped: int = 0
    archived: int = 0
    deleted: int = 0
    problems: tuple[str, ...] = ()
    held: str | None = None


@dataclass(frozen=True, slots=True)
class RestoreReport(Keyed):
    """What came back from the archive, and the ids whose records are damaged; these stay in the archive."""

    restored: int = 0
    damaged: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Finding(Keyed):
    """Something an examination found. `repaired` says whether it was put right."""

    what: str
    detail: str
    repaired: bool = False
