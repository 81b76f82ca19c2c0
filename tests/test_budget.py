"""The budget is never exceeded; what it refuses a vector keeps its text; who enters a full store is worth more than who leaves."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vectopt import (
    Budget,
    ContentAnalysis,
    Item,
    PatternEngine,
    Priority,
    QueueSettings,
    Settings,
    StorageSettings,
    Tier,
    VectoptError,
    VectorManager,
)
from vectopt.errors import CapacityExceeded
from vectopt.strategy import Usage, admit, day_of, tokens_left, utilisation, vector_room, worth

from .fakes import DAY, FakeClock, HashEmbedder, SilentObserver

QUICK = settings(deadline=None, derandomize=True, max_examples=300)
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def name(number: int) -> str:
    """A word of letters for a number: texts that differ in digits alone would share a vector."""
    return LETTERS[number // 26 % 26] + LETTERS[number % 26]


# --- admit: who may enter, against brute force

WORTHS = st.lists(st.integers(0, 9).map(float), max_size=6)


@QUICK
@given(WORTHS, st.integers(0, 6), WORTHS)
def test_admit_gives_the_worthiest_store_without_swapping_equals(candidates: list[float], room: int, held: list[float]) -> None:
    lowest = sorted(held)
    verdicts = admit(candidates, room, lowest)
    entering = [value for value, verdict in zip(candidates, verdicts, strict=True) if verdict]
    size = len(held) + room
    leaving = max(0, len(held) + len(entering) - size)
    kept = lowest[leaving:] + entering
    assert len(kept) <= size

    best = max(sum(chosen) for count in range(size + 1) for chosen in combinations(candidates + held, count))
    assert sum(kept) == best
    assert all(out < min(entering) for out in lowest[:leaving])  # nobody makes way for an equal


@QUICK
@given(WORTHS, st.integers(0, 6), WORTHS)
def test_admit_never_refuses_a_better_candidate_than_one_it_takes(candidates: list[float], room: int, held: list[float]) -> None:
    verdicts = admit(candidates, room, sorted(held))
    taken = [value for value, verdict in zip(candidates, verdicts, strict=True) if verdict]
    refused = [value for value, verdict in zip(candidates, verdicts, strict=True) if not verdict]
    assert not taken or not refused or max(refused) <= min(taken)
    assert len(taken) >= min(room, len(candidates))


def test_admit_needs_only_as_many_of_the_lowest_as_there_are_candidates() -> None:
    assert admit([5, 5, 1], 0, [1, 2, 3]) == [True, True, False]
    assert admit([5, 5, 5, 5], 1, [1, 5]) == [True, True, False, False]
    assert admit([], 3, [1]) == []
    assert admit([1], 0, []) == [False]


@QUICK
@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 20), st.booleans())
def test_worth_grows_with_content_use_and_the_callers_word(importance: float, novelty: float, queries: int, critical: bool) -> None:
    base = worth(importance, novelty, critical=critical, queries=queries)
    assert worth(1.0, novelty, critical=critical, queries=queries) >= base
    assert worth(importance, 1.0, critical=critical, queries=queries) >= base
    assert worth(importance, novelty, critical=critical, queries=queries + 1) >= base
    assert worth(importance, novelty, critical=True) > worth(importance, novelty)
    assert worth(0, 0, critical=True) >= worth(1, 1)


# --- usage


def test_utilisation_is_that_of_the_fullest_limit() -> None:
    used = Usage(items=50, vectors=9, vector_bytes=100, file_bytes=10, ram_bytes=1, tokens_today=10**9)
    assert utilisation(used, Budget()) == 0
    assert utilisation(used, Budget(max_items=100)) == 0.5
    assert utilisation(used, Budget(max_items=100, max_vectors=10)) == 0.9
    assert utilisation(used, Budget(max_vector_bytes=50)) == 2.0
    assert utilisation(used, Budget(max_bytes=40, max_ram_bytes=10)) == 0.25
    assert utilisation(used, Budget(max_tokens_per_day=1, max_cost_per_day=1.0)) == 0


def test_tokens_left_is_the_smaller_of_tokens_and_money() -> None:
    assert tokens_left(Usage(tokens_today=5), Budget(), None) == float("inf")
    assert tokens_left(Usage(tokens_today=30), Budget(max_tokens_per_day=100), None) == 70
    assert tokens_left(Usage(tokens_today=300), Budget(max_tokens_per_day=100), None) == 0
    assert tokens_left(Usage(tokens_today=30), Budget(max_cost_per_day=0.5), 10_000.0) == 20
    assert tokens_left(Usage(tokens_today=30), Budget(max_tokens_per_day=40, max_cost_per_day=0.5), 10_000.0) == 10


def test_bytes_of_vectors_limit_their_number() -> None:
    assert vector_room(Budget(), 64) is None
    assert vector_room(Budget(max_vector_bytes=640), 64) == 10
    assert vector_room(Budget(max_vector_bytes=640, max_vectors=7), 64) == 7
    assert vector_room(Budget(max_vector_bytes=63), 64) == 0
    assert vector_room(Budget(max_vector_bytes=640), 64, vectors=3, vector_bytes=192, sketch_bytes=70) == 5
    assert vector_room(Budget(max_vector_bytes=640), 16, vectors=10, vector_bytes=700) == -1  # large ones among the small
    assert vector_room(Budget(max_vector_bytes=640), 64, vectors=20, vector_bytes=320) == 5  # small ones among the large
    assert vector_room(Budget(max_vector_bytes=640), 64, vectors=1, vector_bytes=64, sketch_bytes=10_000) == 0  # sketches have to go first


def test_a_day_ends_at_midnight_utc() -> None:
    assert day_of(DAY - 0.001) == 0
    assert day_of(DAY) == 1


# --- through the manager, with worths of the test's choice


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def embedder() -> HashEmbedder:
    return HashEmbedder()


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let texts say how much they are worth: "w0.4 ...", of importance alone, so that none is wanted at once."""

    def analyze(self: PatternEngine, content: str, metadata: Any = None) -> ContentAnalysis:
        found = re.match(r"w([\d.]+)", content)
        return ContentAnalysis((), float(found[1]) if found else 0.1, 0.0)

    monkeypatch.setattr(PatternEngine, "analyze_content", analyze)


@pytest.fixture
def opened(clock: FakeClock, embedder: HashEmbedder, tmp_path: Path) -> Any:
    managers: list[VectorManager] = []

    def open_(budget: Budget, namespace_budgets: dict[str, Budget] | None = None, **more: Any) -> VectorManager:
        chosen = Settings(observer=SilentObserver(), **more)
        path = tmp_path / f"store{len(managers)}.db"
        m = VectorManager(path, embedder=embedder, clock=clock, budget=budget, namespace_budgets=namespace_budgets, settings=chosen)
        managers.append(m)
        return m

    yield open_
    for m in managers:
        m.close()


Open = Callable[..., VectorManager]


def vectored(m: VectorManager, namespace: str = "default") -> set[str]:
    return {item.id for item in m.scan(namespace=namespace) if item.tier in (Tier.PERSISTENT, Tier.TEMP)}


@pytest.mark.usefixtures("scored")
@pytest.mark.parametrize("budget", [Budget(max_vectors=5), Budget(max_vector_bytes=5 * 64 + 63)], ids=["number", "bytes"])
def test_the_number_of_vectors_is_held_and_the_worthiest_stay(opened: Open, budget: Budget) -> None:
    m = opened(budget)
    for number in range(26):
        m.add([Item(f"w{number / 100 + 0.3:.2f} {name(number)}", id=f"{number}", priority=Priority.HIGH)], wait=True)
        assert m.stats().vectors <= 5
        assert m.stats().vector_bytes + m.stats().sketch_bytes <= (budget.max_vector_bytes or 10**9)
    kept = 5 if budget.max_vectors else 2  # sketches of the others may take seven eighths of the bytes
    assert vectored(m) == {str(number) for number in range(26 - kept, 26)}
    for number in range(26):
        assert [hit.id for hit in m.search(name(number), 26, mode="lexical")] == [str(number)]
        assert m.get([str(number)])[0].content.endswith(name(number))
    assert len(m.search("anything", 26)) == 26


@pytest.mark.usefixtures("scored")
def test_a_batch_fills_the_budget_with_its_best(opened: Open, embedder: HashEmbedder) -> None:
    m = opened(Budget(max_vectors=5), storage=StorageSettings(sketches=False))
    m.add(
        [
            Item(f"w{0.1 + 0.02 * (number * 7 % 26):.2f} {name(number)}", id=f"{number * 7 % 26}", priority=Priority.HIGH)
            for number in range(26)
        ],
        wait=True,
    )
    assert vectored(m) == {"21", "22", "23", "24", "25"}
    assert len(embedder.seen) == 5, "texts that would be evicted at once were paid for"


@pytest.mark.usefixtures("scored")
def test_of_every_text_a_full_budget_keeps_the_sketch(opened: Open, embedder: HashEmbedder) -> None:
    m = opened(Budget(max_vectors=5))
    for number in range(26):
        m.add([Item(f"w{0.1 + 0.02 * (number * 7 % 26):.2f} {name(number)}", id=f"{number * 7 % 26}")], wait=True)
    stats = m.stats()
    assert (stats.vectors + stats.sketches, stats.vectors <= 5) == (26, True)
    assert len(embedder.seen) == 26
    hits = [hit for hit in m.search(name(0), 26) if hit.tier is Tier.CACHED]
    assert len(hits) == 26 - stats.vectors
    assert all(any("by its sketch" in reason for reason in hit.reasons) for hit in hits)
    m.drain()
    assert len(embedder.seen) == 26, "a text whose sketch is there was embedded again"


@pytest.mark.usefixtures("scored")
def test_no_sketch_is_paid_for_beyond_the_bytes_or_the_tokens(opened: Open, embedder: HashEmbedder) -> None:
    m = opened(Budget(max_vectors=1, max_tokens_per_day=40))
    for number in range(26):
        m.add([Item(f"w0.10 {name(number)}", id=f"{number}")], wait=True)
    assert m.stats().tokens_embedded <= 40
    m = opened(Budget(max_vector_bytes=100))
    for number in range(26):
        m.add([Item(f"w0.10 {name(number)}", id=f"{number}")], wait=True)
    assert m.stats().vector_bytes + m.stats().sketch_bytes <= 100
    assert len(embedder.seen) < 52


@pytest.mark.usefixtures("scored")
def test_the_callers_own_vectors_are_held_to_the_budget_too(opened: Open, embedder: HashEmbedder) -> None:
    m = opened(Budget(max_vectors=5))
    m.add([Item(f"w0.50 {name(number)}", vector=embedder.vector(name(number))) for number in range(3)])
    m.add([Item(f"w0.{number:02d} x{name(number)}", id=f"{number}", vector=embedder.vector(name(number))) for number in range(40, 60)])
    assert m.stats().vectors == 5
    assert vectored(m) == {str(number) for number in range(55, 60)}
    assert m.stats().items == 23
    assert len(m.search(embedder.vector("query"), 23)) == 23


@pytest.mark.usefixtures("scored")
def test_equal_vectors_do_not_push_each_other_out(opened: Open, embedder: HashEmbedder) -> None:
    for sketches in (True, False):
        m = opened(Budget(max_vectors=3), storage=StorageSettings(sketches=sketches))
        m.add([Item(f"w0.5 {name(number)}", id=f"{number}", priority=Priority.HIGH) for number in range(3)], wait=True)
        m.add([Item(f"w0.5 {name(number)}", id=f"{number}", priority=Priority.HIGH) for number in range(3, 9)], wait=True)
        assert vectored(m) == {"0", "1", "2"}
        assert len(embedder.seen) == (9 if sketches else 3)
        embedder.seen.clear()


@pytest.mark.usefixtures("scored")
def test_a_displaced_item_is_explained_and_predicted(opened: Open) -> None:
    m = opened(Budget(max_vectors=1))
    m.add([Item("w0.3 amber", {"n": 1}, "low", priority=Priority.HIGH)], wait=True)
    m.add([Item("w0.6 birch", {}, "high", priority=Priority.HIGH)], wait=True)
    assert vectored(m) == {"high"}
    told = m.explain("low")
    assert told.tier is Tier.CACHED
    assert "displaced" in told.history[-1].reason
    hits = {hit.id: hit for hit in m.search("amber", 2)}
    assert hits["low"].predicted
    assert (hits["low"].content, hits["low"].metadata) == ("w0.3 amber", {"n": 1})
    assert not hits["high"].predicted


@pytest.mark.usefixtures("scored")
def test_what_is_refused_a_vector_is_explained(opened: Open) -> None:
    m = opened(Budget(max_vectors=1))
    m.add([Item("w0.6 birch", id="high", priority=Priority.HIGH)], wait=True)
    m.add([Item("w0.3 amber", id="low", priority=Priority.HIGH)], wait=True)
    assert vectored(m) == {"high"}
    assert m.explain("low").tier is Tier.CACHED
    assert "budget" in m.explain("low").history[-1].reason


@pytest.mark.usefixtures("scored")
def test_a_smaller_budget_is_reached_by_the_next_vector(tmp_path: Path, embedder: HashEmbedder) -> None:
    with VectorManager(tmp_path / "s.db", embedder=embedder) as m:
        m.add([Item(f"w0.{number:02d} {name(number)}", id=f"{number}") for number in range(10, 20)], wait=True)
        assert m.stats().vectors == 10
    with VectorManager(
        tmp_path / "s.db", embedder=embedder, budget=Budget(max_vectors=4), settings=Settings(observer=SilentObserver())
    ) as m:
        m.add([Item("w0.99 best", id="best", priority=Priority.CRITICAL)], wait=True)
        assert vectored(m) == {"best", "17", "18", "19"}
        assert m.stats().items == 11


@pytest.mark.usefixtures("scored")
def test_one_text_with_several_own_vectors_survives_a_small_budget(opened: Open, embedder: HashEmbedder) -> None:
    """The same text under ids with vectors that disagree, adding and displacing each other again and again."""
    m = opened(Budget(max_vectors=1))
    for turn in range(8):
        id = f"{turn % 4}"
        m.add([Item("w0.5 the same text", {"turn": turn}, id, vector=embedder.vector(f"own {turn % 3}"))])
        m.add([Item(f"w0.9 {name(turn)}", vector=embedder.vector(f"other {turn}"))])
        assert m.stats().vectors <= 1
        assert m.get([id])[0].metadata == {"turn": turn}


def test_one_text_with_several_own_vectors_can_lose_and_regain_them(embedder: HashEmbedder) -> None:
    one, two, three = (embedder.vector(f"own {number}") for number in (1, 2, 3))
    with VectorManager(embedder=embedder, budget=Budget(max_vectors=2), settings=Settings(observer=SilentObserver())) as m:
        m.add([Item("same", id="a", vector=one)])
        m.add([Item("same", id="b", vector=two)])
        m.add([Item("first better", id="x", vector=three, priority=Priority.CRITICAL)])
        m.add([Item("second better", id="y", vector=three, priority=Priority.CRITICAL)])
        assert vectored(m) == {"x", "y"}
        m.delete(["x", "y"])
        m.add([Item("same", id="a", vector=one)])
        m.add([Item("same", id="b", vector=three)])
        m.delete(["a"])
        m.add([Item("same", id="c", vector=two)])
        m.add([Item("same", id="a", vector=one)])
        assert [item.content for item in m.get(["a", "b", "c"])] == ["same"] * 3
        assert m.stats().vectors <= 2


# --- namespaces


@pytest.mark.usefixtures("scored")
def test_a_namespace_has_its_own_budget_besides(opened: Open) -> None:
    m = opened(Budget(max_vectors=6), {"small": Budget(max_vectors=2)})
    for space in ("small", "other"):
        m.add(
            [Item(f"w0.{number:02d} {name(number)}", id=f"{number}", priority=Priority.HIGH) for number in range(30, 40)],
            namespace=space,
            wait=True,
        )
    assert vectored(m, "small") == {"38", "39"}
    assert m.stats(namespace="other").vectors == 4
    assert m.stats().vectors == 6


@pytest.mark.usefixtures("scored")
def test_two_budgets_together_displace_no_more_than_they_must(opened: Open) -> None:
    m = opened(Budget(max_vectors=4), {"default": Budget(max_vectors=4)})
    m.add([Item(f"w0.{number:02d} {name(number)}", id=f"{number}", priority=Priority.HIGH) for number in range(30, 34)], wait=True)
    m.add([Item("w0.9 best", id="best", priority=Priority.HIGH)], wait=True)
    assert vectored(m) == {"31", "32", "33", "best"}


@pytest.mark.usefixtures("scored")
def test_a_full_namespace_does_not_keep_room_from_another(opened: Open, clock: FakeClock) -> None:
    m = opened(Budget(), {"full": Budget(max_vectors=1), "poor": Budget(max_tokens_per_day=50)})
    m.add([Item("w0.69 first", priority=Priority.HIGH)], namespace="full", wait=True)
    m.add([f"w0.6 {name(number)} {name(number // 26)}" for number in range(600)], namespace="full")
    m.add([Item("x" * 200, id="spends the day", priority=Priority.HIGH)], namespace="poor", wait=True)
    m.add([Item("w0.1 left out", id="late")], namespace="poor")
    m.drain()
    assert m.get(["late"], namespace="poor")[0].tier is Tier.CACHED
    clock.to_next_day()
    m.drain()
    assert vectored(m, "poor") == {"spends the day", "late"}


# --- items


def test_max_items_refuses_the_whole_call_and_stores_nothing(opened: Open) -> None:
    m = opened(Budget(max_items=3))
    m.add(["amber", "birch"])
    before = m.stats(), m.scan()
    with pytest.raises(CapacityExceeded, match="max_items is 3") as caught:
        m.add(["cedar", "dogwood"])
    assert isinstance(caught.value, VectoptError)
    after = m.stats(), m.scan()
    assert after[1] == before[1]
    for key in ("items", "texts", "vectors", "total_processed", "queued_count", "items_per_tier"):
        assert after[0][key] == before[0][key]
    assert m.search("cedar", mode="lexical") == []
    m.add(["cedar"])
    assert m.process_content("dogwood").status == "error"
    assert m.stats().items == 3


def test_max_items_of_a_namespace_is_its_own(opened: Open) -> None:
    m = opened(Budget(max_items=10), {"small": Budget(max_items=1)})
    with pytest.raises(CapacityExceeded, match=r"'small'.*max_items is 1"):
        m.add(["cedar", "dogwood"], namespace="small")
    assert m.stats().items == 0
    m.add(["cedar"], namespace="small")
    m.add(["cedar", "dogwood"], namespace="other")
    assert m.stats().items == 3


def test_replacing_and_deleting_make_no_trouble_at_max_items(opened: Open) -> None:
    m = opened(Budget(max_items=2))
    m.add([Item("amber", id="a"), Item("birch", id="b")])
    m.add([Item("cedar", id="a")])
    m.delete(["b"])
    m.add([Item("dogwood", id="c")])
    assert [item.content for item in m.scan()] == ["cedar", "dogwood"]


# --- tokens and money


def cost(text: str) -> int:
    return -(-len(text.encode()) // 4)


def spend(m: VectorManager, clock: FakeClock, embedder: HashEmbedder, days: int) -> list[int]:
    """Drain several times a day for some days; return the tokens that were embedded on each."""
    spent = []
    for _ in range(days):
        before = sum(map(cost, embedder.seen))
        for _ in range(3):
            m.drain()
        spent.append(sum(map(cost, embedder.seen)) - before)
        assert m.stats().tokens_today == spent[-1]
        clock.to_next_day()
    return spent


@pytest.mark.usefixtures("scored")
@pytest.mark.parametrize(
    ("budget", "more"),
    [(Budget(max_tokens_per_day=100), {}), (Budget(max_cost_per_day=0.002), {"price_per_million_tokens": 20.0})],
    ids=["tokens", "money"],
)
def test_no_day_spends_more_than_its_tokens_and_the_next_goes_on(
    opened: Open, clock: FakeClock, embedder: HashEmbedder, budget: Budget, more: dict[str, Any]
) -> None:
    m = opened(budget, queue=QueueSettings(batch_texts=3), **more)
    texts = [f"w0.7 {name(number)} " + "y" * (40 + 13 * number % 50) for number in range(20)]
    ids = m.add([Item(text, priority=Priority.HIGH) for text in texts])
    total = sum(map(cost, texts))
    spent = spend(m, clock, embedder, 6)
    assert max(spent) <= 100
    assert all(tokens > 60 for tokens in spent[: total // 100])
    assert sum(spent) == total
    assert sorted(embedder.seen) == sorted(texts)
    assert {item.tier for item in m.get(ids)} == {Tier.PERSISTENT}


@pytest.mark.usefixtures("scored")
def test_texts_wait_for_the_next_day_and_are_found_by_words_meanwhile(opened: Open, clock: FakeClock) -> None:
    m = opened(Budget(max_tokens_per_day=10))
    m.add([Item("w0.7 amber amber amber", id="a", priority=Priority.HIGH), Item("w0.7 birch birch birch", id="b", priority=Priority.HIGH)])
    report = m.drain()
    assert (report.embedded, report.waiting) == (1, 1)
    assert [hit.id for hit in m.search("birch", mode="lexical")] == ["b"]
    clock.to_next_day()
    report = m.drain()
    assert (report.embedded, report.waiting) == (1, 0)


@pytest.mark.usefixtures("scored")
def test_a_text_larger_than_the_day_does_not_hold_up_the_others(opened: Open, embedder: HashEmbedder) -> None:
    m = opened(Budget(max_tokens_per_day=100))
    m.add([Item("w0.7 " + "huge " * 500, id="huge", priority=Priority.CRITICAL), Item("w0.7 small", id="small", priority=Priority.HIGH)])
    m.drain()
    assert embedder.seen == ["w0.7 small"]
    assert m.get(["huge"])[0].tier is Tier.CACHED, "no day will ever do"
    assert "whole day" in m.explain("huge").history[-1].reason
    assert [hit.id for hit in m.search("huge", mode="lexical")] == ["huge"]


@pytest.mark.usefixtures("scored")
def test_a_failure_over_midnight_gives_the_new_day_no_tokens(opened: Open, clock: FakeClock, embedder: HashEmbedder) -> None:
    m = opened(Budget(max_tokens_per_day=20))
    texts = [f"w0.7 {name(number)} " + "y" * 70 for number in range(3)]
    m.add([Item(text, priority=Priority.HIGH) for text in texts])

    def midnight(_: object) -> None:
        clock.to_next_day()
        embedder.failing = True

    embedder.on_embed = midnight
    m.drain()
    embedder.on_embed = lambda texts: None
    embedder.failing = False
    assert m.stats().tokens_today == 0
    m.drain()
    m.drain()
    assert sum(map(cost, embedder.seen)) <= 20
    assert m.stats().tokens_today <= 20


@pytest.mark.usefixtures("scored")
def test_a_failed_call_costs_nothing(opened: Open, embedder: HashEmbedder) -> None:
    m = opened(Budget(max_tokens_per_day=10))
    m.add([Item("w0.7 amber amber amber", priority=Priority.HIGH)])
    embedder.failing = True
    m.drain()
    assert m.stats().tokens_today == 0
    embedder.failing = False
    assert m.drain().embedded == 1


@pytest.mark.usefixtures("scored")
def test_own_vectors_and_duplicates_cost_no_tokens(opened: Open, embedder: HashEmbedder) -> None:
    m = opened(Budget(max_tokens_per_day=10))
    m.add([Item(f"w0.7 {'own ' * 50}", vector=embedder.vector("own"))])
    m.add([Item("w0.7 amber", id=f"{number}", priority=Priority.HIGH) for number in range(20)], wait=True)
    assert m.stats().tokens_today == cost("w0.7 amber")
    assert len(vectored(m)) == 21


@pytest.mark.usefixtures("scored")
def test_a_namespaces_tokens_are_its_own(opened: Open, embedder: HashEmbedder) -> None:
    m = opened(Budget(max_tokens_per_day=12), {"poor": Budget(max_tokens_per_day=5)})
    for space in ("poor", "rich"):
        m.add([Item(f"w0.7 {name(number)} {space} abcde", priority=Priority.HIGH) for number in range(4)], namespace=space)
    m.drain()
    assert m.stats(namespace="poor").tokens_today == 5
    assert m.stats(namespace="rich").tokens_today == 5
    assert m.stats().tokens_today == 10


# --- telling


@pytest.mark.usefixtures("scored")
def test_statistics_tell_the_utilisation(opened: Open) -> None:
    m = opened(Budget(max_items=100, max_vectors=8), {"small": Budget(max_vectors=4)})
    assert m.stats().utilisation == 0
    m.add([Item(f"w0.7 {name(number)}", priority=Priority.HIGH) for number in range(2)], namespace="small", wait=True)
    assert m.stats(namespace="small").utilisation == 0.5
    assert m.stats(namespace="other").utilisation == 0.25
    assert m.stats().utilisation == 0.25


@pytest.mark.usefixtures("scored")
def test_a_full_budget_is_told_once(clock: FakeClock, embedder: HashEmbedder) -> None:
    observer = SilentObserver()
    with VectorManager(embedder=embedder, clock=clock, budget=Budget(max_vectors=2), settings=Settings(observer=observer)) as m:
        for number in range(10):
            m.add([Item(f"w0.{number + 30} {name(number)}", priority=Priority.HIGH)], wait=True)
    assert observer.names.count("budget_full") == 1


@pytest.mark.usefixtures("scored")
def test_the_number_of_items_per_tier_is_told(opened: Open) -> None:
    m = opened(Budget(max_vectors=2))
    m.add([Item(f"w0.{number + 30} {name(number)}", priority=Priority.HIGH) for number in range(5)], wait=True)
    m.process_content("")
    assert m.stats().items_per_tier == {"persistent": 2, "temp": 0, "queued": 0, "cached": 4, "archived": 0}
    assert m.stats().vector_bytes == 2 * 64
