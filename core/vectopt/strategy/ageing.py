"""PURE. Who is next: priority and waiting as one number."""

from __future__ import annotations

ASKED_STEPS = 3  # priority classes that a text rises at the most by having been asked for

_CRITICAL_LEAD = 1e12  # seconds that no other text can ever wait


def handicap(rank: int, ageing_seconds: float) -> float:
    """Return how many seconds a text stands behind one of equal age that is next to be embedded.

    The time at which a text was queued plus its handicap is its turn; the lowest turn is next. So a text rises by one priority
    class for every `ageing_seconds` it waits, and none needs to be looked at again for that. CRITICAL (rank 0) stands before all
    others, however long they wait.
    """
    return rank * ageing_seconds if rank else -_CRITICAL_LEAD
