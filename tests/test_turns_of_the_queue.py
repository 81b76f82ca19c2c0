"""Whose turn it is: priority and waiting as one order, and what is asked for comes sooner."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vectopt import Budget, Item, Priority, Settings, Tier, VectorManager
from vectopt.analysis import PatternEngine
from vectopt.ledger.connection import connect, migrate, schema_scripts
from vectopt.model import ContentAnalysis
from vectopt.settings import QueueSettings

from .fakes import DAY, FakeClock, HashEmbedder, SilentObserver

Open = Callable[..., VectorManager]

STEP = 600


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def embedder() -> HashEmbedder:
    return HashEmbedder()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, clock: FakeClock, embedder: HashEmbedder, tmp_path: Path) -> Iterator[Open]:
    """Open stores whose texts are worth what they say: "w0.4 ..." of importance alone, so that none is wanted at once."""

    def analyze(self: PatternEngine, content: str, metadata: Any = None) -> ContentAnalysis:
        found = re.match(r"w([\d.]+)", content)
        return ContentAnalysis((), float(found[1]) if found else 0.1, 0.0)

    monkeypatch.setattr(PatternEngine, "analyze_content", analyze)
    managers: list[VectorManager] = []

    def open_(budget: Budget = Budget(), **options: Any) -> VectorManager:  # noqa: B008 - frozen
        settings = Settings(observer=SilentObserver(), queue=QueueSettings(**options))
        managers.append(VectorManager(tmp_path / "store.db", embedder=embedder, clock=clock, budget=budget, settings=settings))
        return managers[-1]

    yield open_
    for manager in managers:
        manager.close()


@pytest.fixture
def m(opened: Open) -> VectorManager:
    return opened()


def queue(m: VectorManager, text: str, priority: Priority) -> None:
    m.add([Item(text, id=text, priority=priority)])


def test_a_waiting_text_rises_one_class_for_every_step_it_waits(m: VectorManager, clock: FakeClock, embedder: HashEmbedder) -> None:
    queue(m, "waited two steps and a second", Priority.LOW)
    clock.advance(STEP + 2)
    queue(m, "waited less than one step", Priority.LOW)
    clock.advance(STEP - 1)
    queue(m, "fresh and high", Priority.HIGH)
    queue(m, "fresh and medium", Priority.MEDIUM)
    queue(m, "fresh and low", Priority.LOW)
    m.drain()
    assert embedder.seen == [
        "waited two steps and a second", "fresh and high", "fresh and medium", "waited less than one step", "fresh and low",
    ]  # fmt: skip


def test_critical_is_first_however_long_others_wait(m: VectorManager, clock: FakeClock, embedder: HashEmbedder) -> None:
    queue(m, "the oldest", Priority.HIGH)
    clock.advance(10_000 * DAY)
    queue(m, "critical", Priority.CRITICAL)
    clock.advance(1)
    queue(m, "critical too", Priority.CRITICAL)
    m.drain()
    assert embedder.seen == ["critical", "critical too", "the oldest"]


def test_nothing_starves_under_a_stream_of_high_priority(opened: Open, clock: FakeClock, embedder: HashEmbedder) -> None:
    m = opened(batch_texts=2, ageing_seconds=10)
    queue(m, "the low one", Priority.LOW)
    for second in range(40):
        for which in "ab":
            queue(m, f"w0.1 {which * (second + 1)}", Priority.HIGH)
        m.drain(limit=2)
        clock.advance(1)
    assert "the low one" in embedder.seen[:44]
    assert "the low one" not in embedder.seen[:36]


def test_a_higher_priority_counts_from_the_time_of_queueing(m: VectorManager, clock: FakeClock, embedder: HashEmbedder) -> None:
    queue(m, "raised later", Priority.LOW)
    clock.advance(1)
    queue(m, "high from the start", Priority.HIGH)
    clock.advance(1)
    queue(m, "raised later", Priority.HIGH)
    queue(m, "raised later", Priority.LOW)
    m.drain()
    assert embedder.seen == ["raised later", "high from the start"]


def test_what_failed_waits_anew(m: VectorManager, clock: FakeClock, embedder: HashEmbedder) -> None:
    queue(m, "failed", Priority.CRITICAL)
    embedder.failing = True
    m.drain()
    embedder.failing = False
    queue(m, "low, but not failed", Priority.LOW)
    clock.advance(2 * STEP)
    queue(m, "high", Priority.HIGH)
    clock.advance(STEP + 1)
    queue(m, "high and later", Priority.HIGH)
    m.drain()
    assert embedder.seen == ["failed", "low, but not failed", "high", "high and later"]


def test_the_order_is_read_from_an_index(m: VectorManager) -> None:
    with m._ledger.reading() as db:
        plan = " ".join(
            row[3]
            for row in db.execute("EXPLAIN QUERY PLAN SELECT slot FROM queue WHERE dead = 0 AND lease_until <= 1 ORDER BY turn, slot")
        )
    assert "queue_order" in plan
    assert "B-TREE" not in plan


def test_a_file_of_before_keeps_its_order(clock: FakeClock, embedder: HashEmbedder, tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    db = connect(path, busy_seconds=1, writable=True)
    migrate(db, path, [one for one in schema_scripts() if one[0] < 4])
    for slot, (text, rank) in enumerate([("low", 3), ("high", 1), ("critical", 0)], 1):
        db.execute(
            "INSERT INTO slot (namespace, text, exact, masked, tier, importance, novelty, patterns, worth, tokens, members, created_at,"
            f" changed) VALUES ('default', '{text}', x'0{slot}', x'0{slot}', 'queued', 0.5, 0.5, '[]', 1, 1, 1, 0, 1)"
        )
        db.execute(f"INSERT INTO queue (slot, target, ttl, rank, queued_at) VALUES ({slot}, 'persistent', 60, {rank}, ?)", (clock.now(),))
    db.execute("INSERT INTO counter VALUES ('default', 'slots', 3), ('default', 'slots.queued', 3)")
    db.execute("UPDATE meta SET value = 1 WHERE name = 'change'")
    db.close()
    with VectorManager(path, embedder=embedder, clock=clock) as m:
        m.drain()
    assert embedder.seen == ["critical", "high", "low"]


# --- what is asked for


def ask(m: VectorManager, *queries: str) -> None:
    for query in queries:
        m.search(query, 1, mode="lexical")
    m._retrieval.save_found()


def test_each_distinct_query_that_finds_a_waiting_text_moves_it_forward(m: VectorManager, embedder: HashEmbedder) -> None:
    for text in ("amber birch cedar", "walrus tundra", "quartz geyser"):
        queue(m, text, Priority.LOW)
    queue(m, "high of the same time", Priority.HIGH)
    ask(m, "quartz", "quartz geyser", "geyser")
    ask(m, "tundra")
    m.drain()
    assert embedder.seen == ["quartz geyser", "high of the same time", "walrus tundra", "amber birch cedar"]


def test_the_same_query_moves_it_forward_once(m: VectorManager, clock: FakeClock, embedder: HashEmbedder) -> None:
    queue(m, "walrus tundra", Priority.LOW)
    clock.advance(1)
    queue(m, "medium, and a second later", Priority.MEDIUM)
    queue(m, "high, and a second later", Priority.HIGH)
    for _ in range(5):
        ask(m, "tundra", "tundra")
    m.drain()
    assert embedder.seen == ["high, and a second later", "walrus tundra", "medium, and a second later"]


def test_no_more_than_three_queries_move_it_forward(m: VectorManager, clock: FakeClock, embedder: HashEmbedder) -> None:
    queue(m, "older and critical", Priority.CRITICAL)
    queue(m, "high", Priority.HIGH)
    clock.advance(STEP + 1)
    queue(m, "amber birch cedar", Priority.LOW)
    ask(m, "amber", "birch", "cedar", "amber birch", "birch cedar", "amber cedar")
    m.drain()
    assert embedder.seen == ["older and critical", "high", "amber birch cedar"]


def test_searching_writes_nothing(m: VectorManager) -> None:
    queue(m, "walrus tundra", Priority.LOW)

    def change() -> int:
        with m._ledger.reading() as db:
            return int(db.execute("SELECT value FROM meta WHERE name = 'change'").fetchone()[0])

    before = change()
    for _ in range(10):
        m.search("tundra", 1, mode="lexical")
    assert change() == before
    m._retrieval.save_found()
    assert change() == before + 1
    for _ in range(10):
        m.search("tundra", 1, mode="lexical")
    m._retrieval.save_found()
    assert change() == before + 1, "what doesn't count isn't written"


def test_when_there_is_room_the_texts_that_were_asked_for_are_taken_first(opened: Open, embedder: HashEmbedder) -> None:
    m = opened(Budget(max_vectors=5))
    m.add([Item(f"w0.6 {letter * 4}", id=letter) for letter in "abcde"], wait=True)
    m.add([Item("w0.30 nobody asked", id="quiet"), Item("w0.25 walrus tundra", id="asked")], wait=True)
    assert {item.tier for item in m.get(["quiet", "asked"])} == {Tier.CACHED}
    ask(m, "walrus", "walrus", "tundra")
    m.delete(["a", "b"])
    embedder.seen.clear()
    m.drain(limit=1)
    assert embedder.seen == ["w0.25 walrus tundra"]


def test_a_text_that_may_have_no_vector_gains_nothing_by_being_found(m: VectorManager) -> None:
    m.process_content("w0.1 walrus tundra", id="by the rules")
    assert m.get(["by the rules"])[0].tier is Tier.CACHED
    ask(m, "walrus", "tundra")
    with m._ledger.reading() as db:
        assert db.execute("SELECT worth FROM slot").fetchall() == [(0.05,)]
        assert db.execute("SELECT count(*) FROM asked").fetchone()[0] == 0


def test_the_worth_that_queries_give_is_bounded_and_no_query_counts_twice(opened: Open) -> None:
    m = opened(Budget(max_vectors=1))
    m.add([Item("w0.6 first", id="first")], wait=True)
    m.add([Item("w0.3 walrus", id="asked")], wait=True)
    for _ in range(3):
        ask(m, *(f"walrus {number}" for number in range(20)))
    with m._ledger.reading() as db:
        assert db.execute("SELECT worth FROM slot WHERE text LIKE '%walrus'").fetchone()[0] == pytest.approx(0.15 + 0.5)
        assert db.execute("SELECT count(*) FROM asked JOIN slot USING (slot) WHERE text LIKE '%walrus'").fetchone()[0] == 5


def test_what_was_asked_for_is_forgotten_with_its_text(m: VectorManager) -> None:
    queue(m, "walrus tundra", Priority.LOW)
    ask(m, "walrus")
    m.delete(["walrus tundra"])
    with m._ledger.reading() as db:
        assert db.execute("SELECT count(*) FROM asked").fetchone()[0] == 0
