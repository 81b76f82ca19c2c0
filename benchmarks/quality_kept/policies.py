"""What a store could keep instead: items that keep their vectors, chosen without the product."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .rows import Bench
from .stream import SHOWN, Feedback

_SEED = 17

Policy = Callable[[Bench, int], list[int]]


def _random(bench: Bench, count: int) -> list[int]:
    return np.random.default_rng(_SEED).permutation(len(bench.data.items))[:count].tolist()


def _fifo(bench: Bench, count: int) -> list[int]:
    """Keep those that came last."""
    return list(range(len(bench.data.items)))[-count:]


def _lru(bench: Bench, count: int) -> list[int]:
    """Keep those used last: to come is a use, and so is to be among the ten best of the full store for an even-numbered query."""
    places = {item.id: place for place, item in enumerate(bench.data.items)}
    uses = dict.fromkeys(range(len(places)))
    for query in bench.data.queries[::2]:
        for item, _ in reversed(bench.full.best[query.id][:SHOWN]):
            uses.pop(places[item])
            uses[places[item]] = None
    return list(uses)[-count:]


POLICIES: dict[str, Policy] = {"random": _random, "fifo": _fifo, "lru": _lru}
PRODUCT = "product"


def applies(policy: str, feedback: Feedback) -> bool:
    """Tell whether there is such a row: without uses before the questions, what was used last is what came last."""
    return policy != "lru" or feedback != "none"
