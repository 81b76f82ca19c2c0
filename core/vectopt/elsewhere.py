"""Vectors that only the store outside has, brought in for a search.

Which texts may be found is told by sketches, words and the filter, all here: so the store is asked for vectors by key, and what it
leaves out, shows late or still shows makes no difference. Only where there are no sketches it is asked what is nearest.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed

from .following import Sight
from .index import View, held_elsewhere, overlaid
from .ledger import outside
from .model import Vector
from .outreach import Outreach

_LOOKED_AT = 4  # times as many texts as are wanted whose vectors are asked for
_AT_LEAST = 16
_MOST = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """Copies whose vectors a search needs; and its vector, where there are others that no sketch stands for."""

    namespace: str
    k: int
    copies: tuple[int, ...] = ()
    nearest_to: Vector | None = None


class Elsewhere:
    """Finds out what a search needs of the store outside, asks for it, and puts it into views."""

    def __init__(self, outreach: Outreach) -> None:
        self._outreach = outreach

    @property
    def open(self) -> bool:
        """Whether the store may be asked."""
        return not self._outreach.resting

    @staticmethod
    def depth(k: int) -> int:
        """Return how many texts to rank for `wanted`."""
        return _LOOKED_AT * k + _AT_LEAST

    @staticmethod
    def wanted(db: sqlite3.Connection, namespace: str, k: int, vector: Vector, view: View, slots: Sequence[int]) -> Wanted:
        """Return what is needed of the store for a search that finds these texts, best first."""
        held = held_elsewhere(view)
        copies = outside.numbers_of(db, slots[: max(_MOST, k)]).values()
        unsketched = bool((held & ~view.measured).any())
        return Wanted(namespace, k, tuple(copies), vector if unsketched else None)

    def found(self, wanted: Sequence[Wanted | None]) -> list[Mapping[int, Vector]]:
        """Return, of each search, the vectors by copy; as few as come in time."""
        together: dict[str, dict[int, Vector]] = {}
        for namespace in dict.fromkeys(one.namespace for one in wanted if one is not None):
            copies = {copy for one in wanted if one is not None and one.namespace == namespace for copy in one.copies}
            together[namespace] = self._outreach.fetch(namespace, sorted(copies)) if copies else {}
        for one in wanted:
            if one is not None and one.nearest_to is not None:
                together[one.namespace] |= self._outreach.nearest(one.namespace, one.nearest_to, _LOOKED_AT * one.k)
        return [{} if one is None else together[one.namespace] for one in wanted]

    @staticmethod
    def put(db: sqlite3.Connection, sight: Sight | None, found: Mapping[int, Vector]) -> Sight | None:
        """Return what a search sees with vectors that came, of those copies that still stand for a text."""
        if sight is None or not found:
            return sight
        slots = outside.slots_of(db, list(found))
        return changed(sight, view=overlaid(sight.view, {slot: found[copy] for copy, slot in slots.items()}))
