"""Who leaves first: the product's order, pieces of it, and the simple ones that others use. None of them reads a label."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vectopt.strategy import Candidate, eviction_order

Order = Callable[["Stock"], list[int]]


@dataclass(frozen=True)
class Use:
    """How many queries found a text, and which was the last of them, counted from 1."""

    times: int = 0
    last: int = 0


@dataclass(frozen=True)
class Stock:
    """What is there to leave, as it is when something must.

    Args:
        candidates: what the product knows of each text that has a vector.
        now: the time.
        importance: of each text, by slot.
        kind: by slot, what texts share that are equal but for digits.
        uses: by slot, of those that a query found.
    """

    candidates: Sequence[Candidate]
    now: float
    importance: Mapping[int, float]
    kind: Mapping[int, bytes]
    uses: Mapping[int, Use]

    def use(self, slot: int) -> Use:
        """Return how a text was used."""
        return self.uses.get(slot, Use())

    def ordered(self, candidates: Sequence[Candidate]) -> list[int]:
        """Return the order in which the product would let these leave."""
        return eviction_order(candidates, self.now)

    def by(self, key: Callable[[Candidate], object]) -> list[int]:
        """Return the order by something ascending; of equals the oldest leaves first."""
        ranked = sorted(self.candidates, key=lambda one: (key(one), one.made_at, one.slot))
        return [one.slot for one in ranked]


def random(seed: int) -> Order:
    """Return an order by chance."""

    def order(stock: Stock) -> list[int]:
        slots = np.array(sorted(one.slot for one in stock.candidates))
        shuffled: list[int] = np.random.default_rng(seed).permutation(slots).tolist()
        return shuffled

    return order


def _uncovered(stock: Stock) -> list[int]:
    return stock.ordered([replace(one, covered=False) for one in stock.candidates])


def _all_covered(stock: Stock) -> list[int]:
    """Take from every text that has a twin, even from the last of them that stays."""
    count: dict[bytes, int] = {}
    for kind in stock.kind.values():
        count[kind] = count.get(kind, 0) + 1
    return stock.ordered([replace(one, covered=count[stock.kind[one.slot]] > 1) for one in stock.candidates])


ORDERS: dict[str, Order] = {
    "product": lambda stock: stock.ordered(stock.candidates),
    "worth": lambda stock: stock.by(lambda one: one.worth),
    "uncovered": _uncovered,
    "all-covered": _all_covered,
    "importance": lambda stock: stock.by(lambda one: stock.importance[one.slot]),
    "fifo": lambda stock: stock.by(lambda one: 0),
    "lru": lambda stock: stock.by(lambda one: stock.use(one.slot).last),
    "lfu": lambda stock: stock.by(lambda one: (stock.use(one.slot).times, stock.use(one.slot).last)),
}
RANDOM = "random"
SEEDS = (17, 18, 19)
NEED_USE = frozenset({"lru", "lfu"})  # without it they are fifo
