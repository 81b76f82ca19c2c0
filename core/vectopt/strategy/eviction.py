"""PURE. Who leaves first, when something must leave.

What a text is worth when it comes, and gains by being found, is kept up to date as its `worth`. What time takes from it, and
what a neighbour that says nearly the same takes from it, is reckoned when something must leave.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_HALF_LIFE = 7 * 86_400  # seconds without use after which a text has lost half of what being fresh is worth
_FRESH = 0.2  # what a text used just now is worth more than one long unused: two distinct queries' worth
_COVERED = 0.25  # what a text loses whose place a twin with a vector can take


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text that may leave.

    Attributes:
        slot: the text.
        worth: by importance, novelty, the distinct queries that found it, and the caller's word (`displacement.worth`).
        made_at: when it came, in seconds since the epoch.
        used_at: when a query last found it; 0 for never.
        covered: a text that equals it but for digits, and is worth more, has a vector from which this one's can be borrowed.
    """

    slot: int
    worth: float
    made_at: float
    used_at: float = 0.0
    covered: bool = False


def value(candidate: Candidate, now: float) -> float:
    """Return what keeping a text is worth now."""
    idle = max(0.0, now - max(candidate.made_at, candidate.used_at))
    return candidate.worth + _FRESH * math.exp2(-idle / _HALF_LIFE) - (_COVERED if candidate.covered else 0.0)


def eviction_order(candidates: Sequence[Candidate], now: float, grace_seconds: float = 0.0) -> list[int]:
    """Return the slots in the order in which they should leave, the least worthy first; of equals the oldest.

    Texts younger than `grace_seconds` are left out: they had no time to be found.
    """
    old = [one for one in candidates if now - one.made_at >= grace_seconds]
    return [one.slot for one in sorted(old, key=lambda one: (value(one, now), one.made_at, one.slot))]
