"""Embedding on demand: while tokens are short, a query's best texts without a vector are embedded before it is answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vectopt import Budget, DemandSettings, Item, Settings, Tier, VectorManager
from vectopt.errors import InvalidSettings

from .fakes import DAY, FakeClock, HashEmbedder, SilentObserver

Open = Callable[..., VectorManager]
NAMES = ["amber", "birch", "cedar", "dahlia", "elder", "fern", "gorse", "hazel", "iris", "juniper"]


@pytest.fixture
def embedder() -> HashEmbedder:
    return HashEmbedder()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(0.0)


@pytest.fixture
def opened(tmp_path: Path, embedder: HashEmbedder, clock: FakeClock) -> Iterator[Open]:
    managers = []

    def open_(tokens: int | None, **demand: Any) -> VectorManager:
        settings = Settings(demand=DemandSettings(**demand), observer=SilentObserver())
        budget = Budget(max_tokens_per_day=tokens)
        managers.append(VectorManager(tmp_path / f"{len(managers)}.db", embedder=embedder, clock=clock, budget=budget, settings=settings))
        return managers[-1]

    yield open_
    for m in managers:
        m.close()


def fill(m: VectorManager) -> None:
    m.add([Item(f"a note on {name} in the garden", id=name) for name in NAMES])
    m.drain()


def embedded(m: VectorManager) -> set[str]:
    return {item.id for item in m.scan() if item.tier in (Tier.PERSISTENT, Tier.TEMP)}


def test_a_days_tokens_are_held_back_for_queries_and_spent_on_what_they_ask_for(opened: Open) -> None:
    m = opened(80, texts=3, left_share=1.0, held_back=0.5)
    fill(m)
    before = embedded(m)
    assert m.stats().tokens_today <= 40
    asked = next(name for name in NAMES if name not in before)
    (hit,) = m.search(f"{asked} garden", 1, lexical_weight=1.0)
    assert hit.id == asked
    assert not hit.predicted
    assert asked in embedded(m)
    assert len(embedded(m) - before) <= 3


def test_a_text_is_embedded_once_however_often_it_is_asked_for(opened: Open, embedder: HashEmbedder) -> None:
    m = opened(10_000, texts=2, left_share=1.0, held_back=1.0)
    fill(m)
    assert embedded(m) == set()
    for _ in range(5):
        m.search("amber garden", 2)
    assert embedder.seen.count("a note on amber in the garden") == 1


def test_the_days_tokens_are_never_exceeded(opened: Open, embedder: HashEmbedder) -> None:
    m = opened(30, texts=10, left_share=1.0, held_back=0.5)
    fill(m)
    for name in NAMES:
        m.search(f"{name} note", 3)
        m.search_many([f"{name} garden", "note on the garden"], 3)
        assert m.stats().tokens_today <= 30


def test_of_what_is_left_one_query_spends_its_share_but_at_least_one_text(opened: Open) -> None:
    m = opened(1000, texts=10, left_share=0.02, held_back=1.0)
    fill(m)
    m.search("garden", 5)
    assert 1 <= len(embedded(m)) <= 3
    one = opened(1000, texts=10, left_share=0.0, held_back=1.0)
    fill(one)
    one.search("garden", 5)
    assert len(embedded(one)) == 1


def test_what_no_query_asked_for_is_embedded_as_the_day_goes_by(opened: Open, clock: FakeClock) -> None:
    m = opened(200, texts=1, held_back=1.0)
    fill(m)
    assert embedded(m) == set()
    clock.advance(DAY * 0.99)
    m.drain()
    assert embedded(m) == set(NAMES)


def test_it_does_nothing_unless_asked_to_or_where_tokens_are_not_limited(opened: Open) -> None:
    for m in (opened(20, texts=0), opened(None, texts=5)):
        fill(m)
        before = embedded(m)
        m.search("iris garden", 2)
        assert embedded(m) == before


def test_a_failing_embedder_leaves_the_answer_to_the_words(opened: Open, embedder: HashEmbedder) -> None:
    m = opened(1000, texts=3, held_back=1.0)
    fill(m)
    embedder.poison = {f"a note on {name} in the garden" for name in NAMES}
    assert m.search("hazel garden", 1)[0].id == "hazel"
    assert embedded(m) == set()
    embedder.poison = set()
    assert [hit.id for hit in m.search("hazel garden", 1)] == ["hazel"]


async def test_the_async_search_does_the_same(opened: Open) -> None:
    m = opened(1000, texts=2, left_share=1.0, held_back=1.0)
    fill(m)
    await m.asearch("fern garden", 1)
    await m.asearch_many(["gorse garden"], 1)
    assert {"fern", "gorse"} <= embedded(m)


@pytest.mark.parametrize("wrong", [{"texts": -1}, {"texts": True}, {"left_share": 2}, {"held_back": -0.1}])
def test_settings_are_checked(wrong: Any) -> None:
    with pytest.raises(InvalidSettings, match="DemandSettings"):
        DemandSettings(**wrong)
