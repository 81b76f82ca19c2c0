"""What observers are told, once each and never with content; what embedding cost and saved."""

import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from vectopt import Budget, Event, Item, Priority, Settings, Tier, VectorManager
from vectopt.analysis import PatternEngine
from vectopt.ledger import queue as places
from vectopt.model import ContentAnalysis
from vectopt.settings import MergingSettings, StorageSettings, TempSettings

from .fakes import HOUR, FakeClock, HashEmbedder

Open = Callable[..., VectorManager]


class Listener:
    """Keeps every event; may be told to raise."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.raising = False

    def notify(self, event: Event) -> None:
        self.events.append(event)
        if self.raising:
            raise RuntimeError("an observer may not do that")

    def of(self, name: str) -> list[dict[str, Any]]:
        return [dict(event.fields) for event in self.events if event.name == name]


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def embedder() -> HashEmbedder:
    return HashEmbedder()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, clock: FakeClock, embedder: HashEmbedder, listener: Listener) -> Iterator[Open]:
    """Open stores whose texts are worth what they say: "w0.4 ..." of importance alone, "new ..." of novelty alone."""

    def analyze(self: PatternEngine, content: str, metadata: Any = None) -> ContentAnalysis:
        found = re.match(r"w([\d.]+)", content)
        return ContentAnalysis((), float(found[1]) if found else 0.1, 0.9 if content.startswith("new") else 0.0)

    monkeypatch.setattr(PatternEngine, "analyze_content", analyze)
    managers: list[VectorManager] = []

    def open_(budget: Budget = Budget(), **options: Any) -> VectorManager:  # noqa: B008 - frozen
        settings = Settings(observer=listener, **options)
        managers.append(VectorManager(embedder=embedder, clock=clock, budget=budget, settings=settings, namespace="n"))
        return managers[-1]

    yield open_
    for manager in managers:
        manager.close()


def test_what_is_displaced_and_declined_is_told_with_its_number(opened: Open, listener: Listener) -> None:
    m = opened(Budget(max_vectors=2), storage=StorageSettings(sketches=False))
    m.add([Item("w0.3 one", priority=Priority.HIGH), Item("w0.4 two", priority=Priority.HIGH)], wait=True)
    m.add([Item("w0.6 three", priority=Priority.HIGH), Item("w0.65 four", priority=Priority.HIGH)], wait=True)
    assert listener.of("displaced") == [{"namespace": "n", "texts": 2}]
    assert [one["displaced"] for one in listener.of("budget_full")] == [2]
    m.add([Item("w0.1 five", priority=Priority.HIGH)], wait=True)
    assert listener.of("declined") == [{"namespace": "n", "texts": 1}]
    assert sum(one["texts"] for one in listener.of("embedded")) == 4
    m.add([Item("w0.68 six", priority=Priority.HIGH)], wait=True)
    assert sum(one["texts"] for one in listener.of("displaced")) == 3
    assert len(listener.of("budget_full")) == 1, "a warning once, not at every move"


def test_promotion_and_expiry_are_told_once(opened: Open, listener: Listener, clock: FakeClock) -> None:
    m = opened(temp=TempSettings(promotion_queries=2))
    for text in ("new amber", "new birch", "new cedar"):
        m.process_content(text)
    for query in ("amber", "amber please"):
        m.search(query, 1, mode="lexical")
    clock.advance(25 * HOUR)
    report = m.drain()
    assert (report.promoted, report.expired) == (1, 2)
    m.drain()
    assert listener.of("promoted") == [{"namespace": "n", "texts": 1}]
    assert listener.of("expired") == [{"namespace": "n", "texts": 2}]


def test_failures_and_dead_letters_are_told(opened: Open, listener: Listener, embedder: HashEmbedder) -> None:
    m = opened()
    m.add(["w0.1 unlucky"])
    embedder.failing = True
    for _ in range(3):
        m.drain()
    assert [(one["namespace"], one["texts"], one["dead"]) for one in listener.of("embedding_failed")] == [
        ("n", 1, 0), ("n", 1, 0), ("n", 1, 1),
    ]  # fmt: skip
    assert listener.of("dead_letters") == [{"namespace": "n", "texts": 1}]


def test_what_compress_similar_merged_is_told(opened: Open, listener: Listener, embedder: HashEmbedder) -> None:
    m = opened(merging=MergingSettings(near_duplicates=False))
    m.add(["The user prefers dark mode in the evening", "in the evening the user prefers dark mode", "another text"])
    m.compress_similar()
    assert listener.of("merged") == [{"namespace": "n", "texts": 1}]
    m.compress_similar()
    assert len(listener.of("merged")) == 1


def test_what_feedback_taught_is_told(opened: Open, listener: Listener) -> None:
    m = opened()
    m.add([Item("w0.1 amber", id="a"), Item("w0.1 birch", id="b")], wait=True)
    weight = m.feedback("amber", ["a"])
    assert listener.of("feedback_learned") == [{"namespace": "n", "useful": 1, "lexical_weight": weight, "length_slope": 0.0}]


def test_what_was_rolled_back_is_not_told(opened: Open, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    m = opened(Budget(max_vectors=1), storage=StorageSettings(sketches=False))
    m.add([Item("w0.5 first", priority=Priority.HIGH)], wait=True)
    m.add([Item("w0.1 second")])

    def broken(*args: Any) -> None:
        raise RuntimeError("the disk, perhaps")

    monkeypatch.setattr(places, "charge", broken)
    m._ledger.write(lambda tx: tx.db.execute("UPDATE slot SET tier = 'queued' WHERE text LIKE '%second'"))
    m._ledger.write(lambda tx: tx.db.execute("INSERT INTO queue (slot, target, ttl, rank, queued_at) VALUES (2, 'persistent', 9, 3, 0)"))
    m._ledger.write(lambda tx: tx.count("n", "slots.queued"))
    with pytest.raises(RuntimeError, match="the disk"):
        m._vectorizer.run()
    assert listener.of("declined") == []


def test_events_hold_no_content(opened: Open, listener: Listener, embedder: HashEmbedder) -> None:
    m = opened(Budget(max_vectors=3))
    embedder.poison = {"w0.2 secret poison"}
    for number in range(8):
        m.add([Item(f"w0.{number} secret {'x' * number}", priority=Priority.HIGH)], wait=True)
    m.add(["w0.2 secret poison"], wait=True)
    m.search("secret")
    for _ in range(4):
        m.drain()
    assert listener.events
    assert "secret" not in repr(listener.events)


def test_an_observer_that_raises_stops_nothing(opened: Open, listener: Listener, caplog: pytest.LogCaptureFixture) -> None:
    m = opened(Budget(max_vectors=1))
    listener.raising = True
    m.add([Item("w0.3 one", id="a", priority=Priority.HIGH)], wait=True)
    m.add([Item("w0.6 two", id="b", priority=Priority.HIGH)], wait=True)
    assert m.get(["a"])[0].tier is Tier.CACHED
    assert m.get(["b"])[0].tier in (Tier.PERSISTENT, Tier.TEMP)
    assert listener.of("displaced")
    assert "the observer failed at displaced" in caplog.text


def test_an_observer_may_ask_the_store(opened: Open, listener: Listener) -> None:
    m = opened(Budget(max_vectors=1))
    seen: list[int] = []
    listener.notify = lambda event: seen.append(m.stats().vectors)  # type: ignore[method-assign]
    done = threading.Event()

    def add() -> None:
        m.add([Item("w0.3 one", priority=Priority.HIGH), Item("w0.6 two", priority=Priority.HIGH)], wait=True)
        m.add([Item("w0.65 three", priority=Priority.HIGH)], wait=True)
        done.set()

    threading.Thread(target=add, daemon=True).start()
    assert done.wait(10)
    assert seen
    assert max(seen) == 1


# --- what it costs and saves


def test_without_a_price_there_is_no_cost(opened: Open) -> None:
    stats = opened().stats()
    assert (stats.estimated_cost, stats.cost_saved) == (None, None)


def test_tokens_and_their_price_are_counted_where_embeddings_are(opened: Open) -> None:
    m = opened(price_per_million_tokens=2.0)
    m.add([Item("w0.1 the first text of all", id="a")], wait=True)
    made = m.stats()
    assert (made.embeddings_made, made.embeddings_avoided, made.tokens_avoided) == (1, 0, 0)
    assert made.estimated_cost == pytest.approx(made.tokens_embedded * 2 / 1e6)
    m.add([Item("w0.1 the first text of all", id="a copy")], wait=True)
    m.process_content("w0.1 only cached")
    saved = m.stats()
    assert (saved.embeddings_made, saved.embeddings_avoided) == (1, 2)
    assert saved.tokens_embedded == made.tokens_embedded
    assert saved.tokens_avoided > made.tokens_embedded
    assert saved.cost_saved == pytest.approx(saved.tokens_avoided * 2 / 1e6)


def test_what_is_embedded_after_all_was_not_avoided(opened: Open) -> None:
    m = opened(Budget(max_vectors=5), storage=StorageSettings(sketches=False))
    m.add([Item(f"w0.6 {letter * 4}", id=letter) for letter in "abcd"], wait=True)
    m.add([Item("w0.3 left without", id="later")], wait=True)
    assert m.stats().embeddings_avoided == 1
    assert m.stats().tokens_avoided > 0
    m.delete(["a", "b", "c"])
    m.drain()
    assert m.get(["later"])[0].tier is Tier.PERSISTENT
    assert (m.stats().embeddings_avoided, m.stats().tokens_avoided) == (0, 0)


def test_embedding_anew_what_was_displaced_saves_nothing_and_costs_twice(opened: Open) -> None:
    m = opened(Budget(max_vectors=2))
    m.add([Item("w0.3 first", id="first", priority=Priority.HIGH), Item("w0.4 second", id="second", priority=Priority.HIGH)], wait=True)
    m.add([Item("w0.6 third", id="third", priority=Priority.HIGH)], wait=True)
    assert m.get(["first"])[0].tier is Tier.CACHED
    m.delete(["second", "third"])
    m.drain()
    assert m.get(["first"])[0].tier is Tier.PERSISTENT
    stats = m.stats()
    assert (stats.embeddings_made, stats.embeddings_avoided, stats.tokens_avoided) == (4, 0, 0)
