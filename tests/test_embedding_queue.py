"""What the queue makes of an embedder that says wait, stop, or never this text; several batches in flight; what was paid."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from vectopt import Budget, Event, Item, Priority, Settings, Tier, VectorManager
from vectopt.errors import EmbedderBusy, EmbedderStopped, InvalidSettings, TextsRefused
from vectopt.protocols import Embedded
from vectopt.settings import MergingSettings, QueueSettings, StorageSettings

from .fakes import FakeClock, HashEmbedder


class Telling(HashEmbedder):
    """Raises what it is told to, before it embeds."""

    def __init__(self) -> None:
        super().__init__()
        self.raising: list[Exception] = []
        self.asked = 0

    def embed(self, texts: Sequence[str], role: str) -> Any:
        self.asked += 1
        if self.raising:
            raise self.raising.pop(0)
        return super().embed(texts, role)


class Wide(HashEmbedder):
    """Wants several calls at a time, and sees how many it gets."""

    concurrency = 4
    batch_texts = 3

    def __init__(self) -> None:
        super().__init__()
        self.here = self.most = 0
        self.together = threading.Barrier(4)
        self.full = threading.Event()
        self._guard = threading.Lock()

    def embed(self, texts: Sequence[str], role: str) -> Any:
        with self._guard:
            self.here += 1
            self.most = max(self.most, self.here)
            if self.here == self.concurrency:
                self.full.set()
        self.together.wait(10)
        try:
            return super().embed(texts, role)
        finally:
            with self._guard:
                self.here -= 1


class Accounting(HashEmbedder):
    """Costs what it says; may refuse and remark."""

    price_per_million_tokens = 1000.0

    def __init__(self) -> None:
        super().__init__()
        self.tokens: int | None = 7
        self.refused: set[str] = set()
        self.counted: list[str] = []

    def count_tokens(self, text: str) -> int:
        self.counted.append(text)
        return 50

    def embed_accounted(self, texts: Sequence[str], role: str) -> Embedded:
        refused = {place: "the model won't have it" for place, text in enumerate(texts) if text in self.refused}
        return Embedded(self.embed(texts, role), self.tokens, refused, {0: "by its first words"})


class Listener:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def notify(self, event: Event) -> None:
        self.events.append(event)

    def names(self) -> list[str]:
        return [event.name for event in self.events if event.name.startswith("embedding_")]


Open = Callable[..., VectorManager]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def opened(clock: FakeClock, listener: Listener) -> Iterator[Open]:
    managers: list[VectorManager] = []

    def open_(embedder: Any, budget: Budget = Budget(), **options: Any) -> VectorManager:  # noqa: B008 - frozen
        settings = Settings(
            observer=listener,
            queue=QueueSettings(**options),
            merging=MergingSettings(near_duplicates=False),
            storage=StorageSettings(sketches=False),
        )
        managers.append(VectorManager(embedder=embedder, clock=clock, settings=settings, budget=budget))
        return managers[-1]

    yield open_
    for manager in managers:
        manager.close()


def queue(manager: VectorManager, *texts: str, priority: Priority = Priority.LOW) -> None:
    """Queue texts that no rule wants at once."""
    embedder, manager._vectorizer.embedder = manager._vectorizer.embedder, None
    manager.add([Item(text, id=text, priority=priority) for text in texts])
    manager._vectorizer.embedder = embedder


class TestWait:
    def test_no_attempt_is_charged_and_the_run_ends(self, opened: Open) -> None:
        embedder = Telling()
        manager = opened(embedder, batch_texts=2, max_attempts=1)
        queue(manager, "a", "b", "c", "d")
        embedder.raising = [EmbedderBusy("too many requests", retry_after=40)]
        report = manager.drain()
        assert (report.embedded, report.failed, report.waiting) == (0, 0, 4)
        assert "too many requests" in str(report.error)
        assert embedder.asked == 1
        assert manager.dead_letters() == []
        assert manager.explain("a").facts["attempts"] == 0
        assert manager.stats().tokens_today == 0

    def test_adding_leaves_it_alone_until_then_and_loses_nothing(self, opened: Open, clock: FakeClock) -> None:
        embedder = Telling()
        manager = opened(embedder)
        embedder.raising = [EmbedderBusy(retry_after=40)]
        manager.add([Item("a", id="a")], wait=True)
        manager.add([Item("b", id="b")], wait=True)
        assert embedder.asked == 1
        clock.advance(41)
        manager.add([Item("c", id="c")], wait=True)
        assert {item.tier for item in manager.get(["a", "b", "c"])} <= {Tier.PERSISTENT, Tier.TEMP}

    def test_an_explicit_drain_tries_at_once(self, opened: Open) -> None:
        embedder = Telling()
        manager = opened(embedder)
        embedder.raising = [EmbedderBusy(retry_after=4000)]
        manager.add(["a"], wait=True)
        manager.add(["b"], wait=True)
        assert manager.drain().embedded == 2

    def test_it_is_told_once_until_it_works_again(self, opened: Open, listener: Listener) -> None:
        embedder = Telling()
        manager = opened(embedder)
        queue(manager, "a")
        for error, name in ((EmbedderStopped("the key is not accepted"), "embedding_stopped"), (EmbedderBusy(), "embedding_paused")):
            listener.events.clear()
            embedder.raising = [error] * 3
            for _ in range(3):
                manager.drain()
            assert listener.names() == [name]
        manager.drain()
        queue(manager, "b")
        embedder.raising = [EmbedderBusy()]
        manager.drain()
        assert listener.names() == ["embedding_paused"] * 2

    def test_what_was_paid_for_nothing_counts(self, opened: Open) -> None:
        embedder = Telling()
        manager = opened(embedder)
        queue(manager, "a")
        embedder.raising = [EmbedderBusy(tokens=123)]
        manager.drain()
        assert (manager.stats().tokens_today, manager.stats().tokens_embedded) == (123, 123)


class TestNever:
    def test_the_text_is_a_dead_letter_at_once_and_the_others_are_embedded_in_the_same_run(self, opened: Open, listener: Listener) -> None:
        embedder = Telling()
        manager = opened(embedder)
        queue(manager, "a", "b", "c")
        embedder.raising = [TextsRefused({1: "too odd"})]
        report = manager.drain()
        assert (report.embedded, report.failed, report.dead, report.waiting) == (2, 1, 1, 0)
        assert [(letter.ids, letter.attempts, letter.error) for letter in manager.dead_letters()] == [(("b",), 1, "too odd")]
        assert manager.retry_dead_letters() == 1
        assert manager.drain().embedded == 1
        assert embedder.asked == 3

    def test_a_place_that_is_none_is_an_ordinary_failure(self, opened: Open) -> None:
        embedder = Telling()
        manager = opened(embedder)
        queue(manager, "a")
        for refused in ({5: "?"}, {}):
            embedder.raising = [TextsRefused(refused)]
            assert manager.drain().failed == 1

    def test_an_account_names_those_it_refuses(self, opened: Open) -> None:
        embedder = Accounting()
        embedder.refused = {"b"}
        manager = opened(embedder)
        queue(manager, "a", "b")
        report = manager.drain()
        assert (report.embedded, report.dead) == (1, 1)
        assert manager.dead_letters()[0].error == "the model won't have it"
        assert manager.explain("a").history[-1].reason == "embedded by its first words"


class TestSeveralAtATime:
    def test_drain_keeps_as_many_in_flight_as_the_embedder_wants(self, opened: Open) -> None:
        embedder = Wide()
        manager = opened(embedder)
        queue(manager, *(f"text {number}" for number in range(24)))
        before = threading.active_count()
        assert manager.drain().embedded == 24
        assert (embedder.most, embedder.calls) == (4, [3] * 8)
        assert threading.active_count() == before

    def test_a_batch_that_fails_takes_no_other_with_it(self, opened: Open) -> None:
        embedder = Wide()
        embedder.together = threading.Barrier(1)
        embedder.poison = {"text 7"}
        manager = opened(embedder, backoff_seconds=0.01)
        queue(manager, *(f"text {number}" for number in range(24)))
        report = manager.drain()
        assert (report.embedded, report.failed) == (21, 3)
        assert manager.drain().embedded == 2
        manager.drain()
        assert [letter.ids for letter in manager.dead_letters()] == [("text 7",)]

    async def test_so_does_its_twin(self, opened: Open) -> None:
        embedder = Wide()
        manager = opened(embedder)
        queue(manager, *(f"text {number}" for number in range(24)))
        assert (await manager.adrain()).embedded == 24
        assert embedder.most == 4

    async def test_cancelled_it_gives_all_batches_back(self, opened: Open) -> None:
        embedder = Wide()
        embedder.together = threading.Barrier(5)
        manager = opened(embedder)
        queue(manager, *(f"text {number}" for number in range(24)))
        task = asyncio.create_task(manager.adrain())
        await asyncio.to_thread(embedder.full.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert manager.stats().tokens_today == 0
        embedder.together.wait(10)
        embedder.together = threading.Barrier(1)
        assert manager.drain().embedded == 24

    def test_a_worker_that_is_stopped_ends_with_the_calls_under_way(self, opened: Open) -> None:
        embedder = Wide()
        embedder.together = threading.Barrier(5)
        manager = opened(embedder, batch_texts=100)
        queue(manager, *(f"text {number}" for number in range(60)))
        manager.start()
        assert embedder.full.wait(10)
        stopping = threading.Thread(target=manager.stop)
        stopping.start()
        while not manager._vectorizer.quitting:
            threading.Event().wait(0.005)
        embedder.together.wait(10)
        stopping.join(10)
        assert not stopping.is_alive()
        assert manager.stats().embeddings_made == 12
        embedder.together = threading.Barrier(1)
        assert manager.drain().embedded == 48

    def test_a_budget_pays_for_no_more_vectors_than_it_will_hold(self, opened: Open) -> None:
        embedder = Wide()
        embedder.together = threading.Barrier(2)
        manager = opened(embedder, Budget(max_vectors=20))
        queue(manager, *(letter * 3 for letter in "abcdefghijklmn"), priority=Priority.HIGH)
        manager._meter._budget = Budget(max_vectors=6)  # lowered while they wait
        assert manager.stats().items_per_tier["queued"] == 14
        manager.drain()
        assert manager.stats().vectors == manager.stats().embeddings_made == 6

    def test_leases_are_renewed_while_a_call_takes_its_time(self, opened: Open, clock: FakeClock) -> None:
        slow, go = threading.Event(), threading.Event()

        class Slow(Wide):
            concurrency = 2

            def embed(self, texts: Sequence[str], role: str) -> Any:
                slow.set()
                go.wait(10)
                return HashEmbedder.embed(self, texts, role)

        manager = opened(Slow(), lease_seconds=0.09)
        queue(manager, "a")
        renewed = threading.Event()
        renew = manager._vectorizer.renew
        manager._vectorizer.renew = lambda batches: (renew(batches), renewed.set())  # type: ignore[method-assign]
        thread = threading.Thread(target=manager.drain)
        thread.start()
        slow.wait(10)
        clock.advance(0.08)
        renewed.clear()
        assert renewed.wait(10)
        clock.advance(0.08)  # beyond the first lease
        assert manager._vectorizer.claim(_todo()) is None
        go.set()
        thread.join()
        assert manager.stats().embeddings_made == 1


def _todo() -> Any:
    from vectopt.claiming import Todo

    return Todo()


class TestMoney:
    def test_the_days_tokens_are_those_that_were_paid(self, opened: Open, listener: Listener) -> None:
        embedder = Accounting()
        manager = opened(embedder)
        manager.add(["a text of some length", "and one more of them"], wait=True)
        stats = manager.stats()
        assert (stats.tokens_today, stats.tokens_embedded) == (7, 7)
        assert stats.estimated_cost == pytest.approx(0.007)
        assert next(dict(event.fields) for event in listener.events if event.name == "embedded")["tokens"] == 7

    def test_under_a_budget_texts_are_counted_before_they_are_sent(self, opened: Open) -> None:
        embedder = Accounting()
        embedder.tokens = None
        manager = opened(embedder, Budget(max_tokens_per_day=120))
        for text in ("one", "two", "three"):
            manager.add([Item(text, priority=Priority.HIGH)], wait=True)
        assert embedder.seen == ["one", "two"]
        assert manager.stats().tokens_today == 100

    def test_a_budget_in_money_takes_the_embedders_price(self, opened: Open, clock: FakeClock) -> None:
        embedder = Accounting()
        embedder.tokens = 50
        manager = opened(embedder, Budget(max_cost_per_day=0.1))  # 100 tokens
        for text in ("one", "two", "three"):
            manager.add([Item(text, priority=Priority.HIGH)], wait=True)
        assert embedder.seen == ["one", "two"]
        clock.to_next_day()
        assert manager.drain().embedded == 1
        with pytest.raises(InvalidSettings, match="max_cost_per_day"):
            opened(HashEmbedder(), Budget(max_cost_per_day=1))

    def test_vectors_of_an_account_are_checked_too(self, opened: Open) -> None:
        class Wrong(Accounting):
            def embed_accounted(self, texts: Sequence[str], role: str) -> Embedded:
                return Embedded(np.full((len(texts), 16), np.nan), 1)

        manager = opened(Wrong())
        queue(manager, "a")
        assert manager.drain().failed == 1
