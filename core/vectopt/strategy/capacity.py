"""PURE. How pressing it is, and how much is to leave."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ..model import CapacityAction, CapacityLevel, Limit
from ..settings import Budget, CapacitySettings
from .usage import Usage

_HELD_BY_DISPLACEMENT = frozenset({Limit.VECTORS, Limit.VECTOR_BYTES})

ACTIONS: Mapping[CapacityLevel, tuple[CapacityAction, ...]] = {
    CapacityLevel.NORMAL: (),
    CapacityLevel.WARNING: (CapacityAction.MAINTAIN,),
    CapacityLevel.CRITICAL: (CapacityAction.MAINTAIN, CapacityAction.COMPRESS_SIMILAR, CapacityAction.PROMOTE_TEMP),
    CapacityLevel.EMERGENCY: (
        CapacityAction.MAINTAIN,
        CapacityAction.COMPRESS_SIMILAR,
        CapacityAction.PROMOTE_TEMP,
        CapacityAction.DELETE_LOW_PRIORITY,
        CapacityAction.ARCHIVE_OLD,
        CapacityAction.OPTIMIZE_INDEX,
    ),
}


@dataclass(frozen=True, slots=True)
class Fullest:
    """The fullest limit of a budget, and how much of it is used."""

    limit: Limit
    used: int
    allowed: int

    @property
    def utilisation(self) -> float:
        """0..1, and above."""
        return self.used / self.allowed


def shares(usage: Usage, budget: Budget) -> list[Fullest]:
    """Return how much of each limit of a budget is used, the fullest first."""
    pairs = (
        (Limit.ITEMS, usage.items, budget.max_items),
        (Limit.VECTORS, usage.vectors, budget.max_vectors),
        (Limit.VECTOR_BYTES, usage.vector_bytes, budget.max_vector_bytes),
        (Limit.FILE_BYTES, usage.file_bytes, budget.max_bytes),
        (Limit.RAM_BYTES, usage.ram_bytes, budget.max_ram_bytes),
    )
    found = [Fullest(limit, used, allowed) for limit, used, allowed in pairs if allowed is not None]
    return sorted(found, key=lambda one: -one.utilisation)


def level_of(fullest: Fullest | None, settings: CapacitySettings, before: CapacityLevel = CapacityLevel.NORMAL) -> CapacityLevel:
    """Return the level of a limit.

    A level that was reached is left only when the utilisation is `hysteresis` below its threshold, so that it does not flap.
    Limits on vectors hold themselves: at a full budget a vector enters only by displacing the lowest one. So they are never
    worse than a warning.
    """
    if fullest is None:
        return CapacityLevel.NORMAL
    found = CapacityLevel.NORMAL
    for level, threshold in thresholds(settings).items():
        if fullest.utilisation >= threshold - (settings.hysteresis if before.rank >= level.rank else 0.0):
            found = level
    if fullest.limit in _HELD_BY_DISPLACEMENT and found is not CapacityLevel.NORMAL:
        return CapacityLevel.WARNING
    return found


def thresholds(settings: CapacitySettings) -> dict[CapacityLevel, float]:
    """Return from which utilisation on a level is reached, ascending."""
    return {
        CapacityLevel.WARNING: settings.warning_threshold,
        CapacityLevel.CRITICAL: settings.critical_threshold,
        CapacityLevel.EMERGENCY: settings.emergency_threshold,
    }


def excess(fullest: Fullest, settings: CapacitySettings) -> int:
    """Return by how much the use of a limit must fall for the emergency to be over for a while: to below the warning."""
    target = fullest.allowed * (settings.warning_threshold - settings.hysteresis)
    return max(0, math.ceil(fullest.used - target))


def brake(texts: int, settings: CapacitySettings) -> int:
    """Return how many of so many texts in scope one pass may touch; at least one of several, none of one."""
    return max(1, math.floor(texts * settings.most_a_pass)) if texts > 1 else 0


def nonsense(usage: Usage) -> str | None:
    """Tell what is impossible about a usage figure, or None: on such a figure nothing may be removed."""
    for name in ("items", "vectors", "vector_bytes", "file_bytes", "ram_bytes", "tokens_today"):
        value = getattr(usage, name)
        if not math.isfinite(value) or value < 0:
            return f"{name} is {value}"
    if usage.vectors and not usage.items:
        return f"there are {usage.vectors} vectors, and no items"
    if bool(usage.vectors) and not usage.vector_bytes:
        return f"there are {usage.vectors} vectors, without a byte"
    return None
