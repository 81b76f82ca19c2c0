"""A set fed to a store, in order and once, and the questions asked of it; by the public face only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from vectopt import Budget, Embedder, Hit, Item, Settings, Stats, VectorManager
from vectopt.testing import FakeClock, SilentObserver

from .judge import Judge
from .sets import Entry, Floats, RealSet

Feedback = Literal["none", "even", "shown"]
Ranking = list[tuple[str, float]]  # ids with their scores, best first
Tick = Callable[[int], object]

K = 100
SHOWN = 10  # hits that somebody looks at
_PORTION = 256  # items between two drains
_TOGETHER = 32  # queries in one call
_DAY_SECONDS = 80_000  # a stream fits into one day, so that a day's tokens are the stream's

SETTINGS = Settings(observer=SilentObserver())  # one configuration for every set and budget


@dataclass
class Answers:
    """What came out.

    Args:
        rankings: by query id, of the queries that were asked without feedback on them.
        after_feeding: the store's figures after the last drain.
        at_the_end: the same after the last query.
    """

    rankings: dict[str, Ranking]
    after_feeding: Stats
    at_the_end: Stats


def feed(
    manager: VectorManager,
    data: RealSet,
    clock: FakeClock,
    tick: Tick,
    vectors: dict[int, Floats] | None = None,
    *,
    apart: float | None = None,
) -> None:
    """Add the items, each run of one store's in one call, so many seconds apart, by default one; drain after every portion.

    Where `vectors` are given, by place, these are all there are, and nothing is drained.
    """
    given, second = vectors or {}, min(1.0, _DAY_SECONDS / len(data.items)) if apart is None else apart
    for start in range(0, len(data.items), _PORTION):
        places = range(start, min(len(data.items), start + _PORTION))
        for store, run in groupby(places, key=lambda place: data.items[place].store):
            some = list(run)
            manager.add([_item(data.items[place], given.get(place)) for place in some], namespace=store)
            clock.advance(second * len(some))
        if vectors is None:
            manager.drain()
        tick(len(places))


def _item(entry: Entry, vector: Floats | None) -> Item:
    return Item(entry.text, entry.fields, id=entry.id, vector=vector)


def ask(manager: VectorManager, data: RealSet, feedback: Feedback, judge: Judge, tick: Tick, **options: Any) -> dict[str, Ranking]:
    """Ask the queries: all in order, or the even-numbered ones with feedback and then the odd-numbered ones."""
    asked = data.queries
    if feedback != "none":
        for query in data.queries[::2]:
            hits = manager.search(query.text, K, namespace=query.store, **options)
            useful = list(data.grades[query.id]) if feedback == "even" else [hit.id for hit in judge.useful(query.id, hits[:SHOWN])]
            if useful:
                manager.feedback(query.text, useful, namespace=query.store)
            tick(1)
        asked = data.queries[1::2]
    return found(manager, asked, tick, **options)


def found(manager: VectorManager, asked: Sequence[Entry], tick: Tick, **options: Any) -> dict[str, Ranking]:
    """Ask some queries, and return what was found."""
    rankings: dict[str, Ranking] = {}
    for some in _together(asked):
        answers = manager.search_many([query.text for query in some], K, namespace=some[0].store, **options)
        rankings.update((query.id, _ranking(hits)) for query, hits in zip(some, answers, strict=True))
        tick(len(some))
    return rankings


def _together(queries: Sequence[Entry]) -> Iterator[list[Entry]]:
    for _, run in groupby(queries, key=lambda query: query.store):
        some = list(run)
        yield from (some[start : start + _TOGETHER] for start in range(0, len(some), _TOGETHER))


def _ranking(hits: Sequence[Hit]) -> Ranking:
    return [(hit.id, hit.score) for hit in hits]


def answers(
    data: RealSet,
    embedder: Embedder | None,
    budget: Budget,
    feedback: Feedback,
    judge: Judge,
    tick: Tick,
    *,
    vectors: dict[int, Floats] | None = None,
    **options: Any,
) -> Answers:
    """Feed a fresh store and ask it. `options` are those of `search`."""
    clock = FakeClock(0.0)
    with VectorManager(embedder=embedder, budget=budget, clock=clock, settings=SETTINGS) as manager:
        feed(manager, data, clock, tick, vectors)
        fed = manager.stats()
        rankings = ask(manager, data, feedback, judge, tick, **options)
        return Answers(rankings, fed, manager.stats())
