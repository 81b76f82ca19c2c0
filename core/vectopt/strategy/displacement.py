"""PURE. Who enters a full store: a vector gets in only where it is worth more than the lowest one it displaces."""

from __future__ import annotations

from collections.abc import Sequence

QUERIES_COUNTED = 5  # distinct queries, at the most, that make a vector worth more

_CRITICAL_BONUS = 1.0
_QUERY_BONUS = 0.1


def worth(importance: float, novelty: float, *, critical: bool = False, queries: int = 0) -> float:
    """Return how much a vector is worth keeping: 0..1 by its text, more by distinct queries that found it, and more if the
    caller called it critical.
    """
    return (importance + novelty) / 2 + query_bonus(queries) + (_CRITICAL_BONUS if critical else 0.0)


def query_bonus(queries: int) -> float:
    """Return what a vector gains in worth by so many distinct queries that found it."""
    return _QUERY_BONUS * min(queries, QUERIES_COUNTED)


def admit(worths: Sequence[float], room: int, lowest: Sequence[float]) -> list[bool]:
    """Tell which candidates may enter a tier with `room` free places.

    Args:
        worths: of the candidates, in any order.
        room: free places, 0 or more.
        lowest: the worths of the vectors that would leave first, ascending; as many as there are candidates suffice.

    Returns:
        One verdict a candidate. The best ones fill the free places; each further one must be worth strictly more than
        the vector it would displace, so equal ones don't push each other out.
    """
    verdicts = [False] * len(worths)
    ranked = sorted(range(len(worths)), key=lambda i: -worths[i])
    for place, candidate in enumerate(ranked):
        displaced = place - room
        if displaced < 0 or (displaced < len(lowest) and worths[candidate] > lowest[displaced]):
            verdicts[candidate] = True
        else:
            break
    return verdicts
