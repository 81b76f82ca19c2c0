"""PURE. What is used, against what is allowed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..settings import Budget

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Usage:
    """What a namespace, or the whole store, uses now."""

    items: int = 0
    vectors: int = 0
    vector_bytes: int = 0
    file_bytes: int = 0
    ram_bytes: int = 0
    tokens_today: int = 0


def day_of(now: float) -> int:
    """Return the number of the UTC day that holds `now` (seconds since the epoch)."""
    return int(now // _DAY)


def part_of_day(now: float) -> float:
    """Return how much of the UTC day is over, 0..1."""
    return now % _DAY / _DAY


def utilisation(usage: Usage, budget: Budget) -> float:
    """Return the fullest of the storage limits, 0 without any. Tokens and money are spent, not held: `tokens_left`."""
    pairs = (
        (usage.items, budget.max_items),
        (usage.vectors, budget.max_vectors),
        (usage.vector_bytes, budget.max_vector_bytes),
        (usage.file_bytes, budget.max_bytes),
        (usage.ram_bytes, budget.max_ram_bytes),
    )
    return max((used / limit for used, limit in pairs if limit is not None), default=0.0)


def tokens_a_day(budget: Budget, price_per_million: float | None) -> float:
    """Return how many tokens may be embedded in a day; infinity without a limit."""
    limits = [float("inf")]
    if budget.max_tokens_per_day is not None:
        limits.append(budget.max_tokens_per_day)
    if budget.max_cost_per_day is not None and price_per_million:
        limits.append(budget.max_cost_per_day / price_per_million * 1_000_000)
    return min(limits)


def tokens_left(usage: Usage, budget: Budget, price_per_million: float | None) -> float:
    """Return how many tokens may still be embedded today; infinity without a limit."""
    return max(0.0, tokens_a_day(budget, price_per_million) - usage.tokens_today)


def vector_room(budget: Budget, each: int, vectors: int = 0, vector_bytes: int = 0, sketch_bytes: int = 0, outside: int = 0) -> int | None:
    """Return how many more vectors the budget holds; negative where it holds too many, None without a limit.

    Args:
        budget: of the scope.
        each: bytes of a vector to come; 0 where that isn't known yet.
        vectors: how many there are.
        vector_bytes: their bytes, whatever their precision.
        sketch_bytes: bytes of the sketches beside them.
        outside: how many of the vectors are held outside, and take no bytes here.
    """
    rooms = [] if budget.max_vectors is None else [budget.max_vectors - vectors]
    if budget.max_vector_bytes is not None and each:
        left = budget.max_vector_bytes - min(sketch_bytes, sketch_limit(budget.max_vector_bytes)) - vector_bytes
        held = vector_bytes / (vectors - outside) if vector_bytes else each
        rooms.append(left // each if left >= 0 else -math.ceil(-left / held))
    return min(rooms) if rooms else None


def sketch_limit(max_vector_bytes: int) -> int:
    """Return how many of the bytes for vectors sketches may take: nearly all, since in the bytes of one vector fifteen texts keep
    most of what theirs would tell; but some room stays for vectors.
    """
    return max_vector_bytes * 7 // 8
