"""What a writer did and when, so that every answer can be judged by what was true while it was sought."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .corpus import Floats

_NEVER = float("inf")


@dataclass
class Version:
    """One state of one item.

    `begun` and `done` are when the call that wrote it began and returned; `ending` and `ended` the same for the call that
    replaced or deleted it.
    """

    id: str
    number: int
    vector: Floats
    begun: float
    done: float
    ending: float = _NEVER
    ended: float = _NEVER


@dataclass(frozen=True)
class Seen:
    """A search for changing items: between when it was under way, and what it found as (id, version, cosine), best first."""

    query: int
    begun: float
    done: float
    found: tuple[tuple[str, int, float], ...]
    exact: bool


@dataclass
class Faults:
    """What must not be."""

    wrong: int = 0  # never written, not yet written, or with a cosine that is not its own
    missing: int = 0  # there all the while, nearer than the last that was found, and not found
    deleted: int = 0  # deleted, or replaced by a newer version, before the search began

    def __add__(self, other: Faults) -> Faults:
        return Faults(self.wrong + other.wrong, self.missing + other.missing, self.deleted + other.deleted)


class History:
    """All versions, beside the cosines of all changing queries to them.

    Args:
        versions: of the changing items.
        queries: unit rows.
        margin: by how much a version must be nearer than the last one found to be missed, as (plain, exact) searches.
    """

    _TOLERANCE = 1e-3  # of a cosine

    def __init__(self, versions: list[Version], queries: Floats, margin: tuple[float, float]) -> None:
        self._ids = [version.id for version in versions]
        self._place = {(version.id, version.number): place for place, version in enumerate(versions)}
        self._places: dict[str, list[int]] = {}
        for place, id in enumerate(self._ids):
            self._places.setdefault(id, []).append(place)
        self._begun, self._done, self._ending, self._ended = (
            np.array([getattr(version, name) for version in versions]) for name in ("begun", "done", "ending", "ended")
        )
        self._cosines = queries @ np.stack([version.vector for version in versions]).T
        self._margin = margin

    def faults(self, seen: Seen) -> Faults:
        """Return what is wrong with an answer."""
        result = sum((self._of_hit(seen, *hit) for hit in seen.found), Faults())
        cosines, margin = self._cosines[seen.query], self._margin[seen.exact]
        last = seen.found[-1][2] if seen.found else -1.0
        stable = (self._done <= seen.begun) & (self._ending >= seen.done)
        needed = {self._ids[place] for place in np.flatnonzero(stable & (cosines > last + margin))}
        result.missing += len(needed - {id for id, _, _ in seen.found})
        return result

    def _of_hit(self, seen: Seen, id: str, number: int, cosine: float) -> Faults:
        place = self._place.get((id, number))
        if place is None or self._begun[place] >= seen.done:
            return Faults(wrong=1)
        if self._ended[place] <= seen.begun:
            return Faults(deleted=1)
        current = [p for p in self._places[id] if self._begun[p] < seen.done and self._ended[p] > seen.begun]
        own = any(abs(self._cosines[seen.query, p] - cosine) <= self._TOLERANCE for p in current)
        return Faults() if own else Faults(wrong=1)
