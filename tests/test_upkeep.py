"""What is done on the side: bounded, given back when interrupted, and left to nobody."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from vectopt import Budget, Item, Priority, Settings, Tier, VectorManager
from vectopt.errors import EmbedderMismatch, InvalidFilter, InvalidSettings
from vectopt.ledger import records
from vectopt.settings import QueueSettings

from .fakes import DAY, FakeClock, HashEmbedder, SilentObserver


def quiet(**options: object) -> Settings:
    return Settings(observer=SilentObserver(), queue=QueueSettings(**options))  # type: ignore[arg-type]


def waiting(manager: VectorManager, count: int) -> list[str]:
    return manager.add([Item(f"word{number} of many", id=f"i{number}", priority=Priority.LOW) for number in range(count)])


def test_calls_are_no_larger_than_the_batch_and_drain_no_more_than_its_limit() -> None:
    embedder = HashEmbedder()
    with VectorManager(embedder=embedder, settings=quiet(batch_texts=10)) as manager:
        embedder.failing = True
        waiting(manager, 95)
        embedder.failing = False
        already = len(embedder.seen)
        assert manager.drain(limit=25).embedded == 25
        assert len(embedder.seen) - already == 25
        manager.drain()
        assert max(embedder.calls) <= 10
        assert len(set(embedder.seen)) == 95


def test_a_link_to_a_file_is_the_file(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.db"
    link.symlink_to(tmp_path / "store.db")
    with VectorManager(tmp_path / "store.db") as one, VectorManager(link) as other:
        assert one.path == other.path == str(tmp_path / "store.db")
        other.add(["by the link"])
        assert [hit.content for hit in one.search("link", 1)] == ["by the link"]
    assert not list((tmp_path / "elsewhere").glob("*.lock"))


def test_a_dead_letter_lives_again_when_its_text_is_added_again() -> None:
    embedder = HashEmbedder()
    with VectorManager(embedder=embedder, settings=quiet()) as manager:
        embedder.failing = True
        manager.add([Item("stubborn text", id="a", priority=Priority.HIGH)])
        for _ in range(4):
            manager.drain()
        assert manager.stats().dead_letters == 1
        embedder.failing = False
        manager.add([Item("stubborn text", id="b", priority=Priority.HIGH)], wait=True)
        assert manager.stats().dead_letters == 0
        assert manager.get(["a"])[0].tier is Tier.TEMP, "new to the namespace, as it was judged at first"


def test_a_known_text_called_critical_gets_its_place() -> None:
    with VectorManager(embedder=HashEmbedder(), budget=Budget(max_vectors=1), settings=quiet()) as manager:
        manager.add([Item("ordinary text that came first", id="first", priority=Priority.HIGH)], wait=True)
        manager.add([Item("ok", id="second")], wait=True)
        manager.add([Item("ok", id="second again", priority=Priority.CRITICAL)], wait=True)
        assert manager.get(["second"])[0].tier is not Tier.CACHED
        assert manager.get(["first"])[0].tier is Tier.CACHED


def test_what_queries_found_is_worth_more_than_what_nobody_asked_for() -> None:
    with VectorManager(embedder=HashEmbedder(), budget=Budget(max_vectors=1), settings=quiet()) as manager:
        manager.process_content("amber birch cedar", id="asked")
        for query in ("amber", "birch", "cedar", "amber birch"):
            manager.search(query, 1)
        manager.drain()
        assert manager.get(["asked"])[0].tier is Tier.PERSISTENT
        manager.add([Item("some other three", id="new", priority=Priority.HIGH)], wait=True)
        assert manager.get(["asked"])[0].tier is Tier.PERSISTENT


def test_a_vector_of_the_callers_that_is_not_kept_is_told() -> None:
    observer = SilentObserver()
    with VectorManager(budget=Budget(max_vectors=1), settings=Settings(observer=observer)) as manager:
        manager.add([Item("the very first one", id="a", vector=[1.0, 0.0])])
        manager.add([Item("first", id="b", vector=[0.0, 1.0])])
        told = manager.explain("b")
        assert told.tier is Tier.CACHED
        assert told.decision.action == "cache_only"
        assert "not kept" in told.decision.reasoning[-1]
        assert "budget_full" in observer.names


def test_an_item_at_a_full_budget_may_change_its_own_vector() -> None:
    with VectorManager(budget=Budget(max_vectors=2), settings=quiet()) as manager:
        manager.add([Item("same text", id="a", vector=[1.0, 0.0]), Item("another", id="b", vector=[0.0, 1.0])])
        manager.add([Item("same text", id="a", vector=[0.5, 0.5])])
        stored = manager.get(["a"], with_vectors=True)[0]
        assert stored.vector is not None
        assert stored.vector.tolist() == [0.5, 0.5]
        assert manager.stats().vectors == 2


def test_a_lowered_budget_is_brought_down_to(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with VectorManager(path, embedder=HashEmbedder()) as manager:
        manager.add([f"text number {number} of ten" for number in range(10)], wait=True)
    with VectorManager(path, embedder=HashEmbedder(), budget=Budget(max_vectors=3), settings=quiet()) as manager:
        manager.drain()
        assert manager.stats().vectors <= 3
        assert len(manager.search("text", 20, mode="lexical")) == 10


def test_the_wrong_embedder_stores_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with VectorManager(path, embedder=HashEmbedder(8)) as manager:
        manager.add(["first"], wait=True)
    wrong = HashEmbedder(4)
    wrong.dimensions = None
    with VectorManager(path, embedder=wrong, settings=quiet()) as manager:
        with pytest.raises(EmbedderMismatch, match="is stored"):
            manager.add([Item("second", id="second")], wait=True)
        assert manager.get(["second"])[0].tier is Tier.QUEUED
        result = manager.process_content("an entirely different third")
        assert result.status == "queued"
        assert result.id is not None
        assert "dimensions" in str(result.error)
        stats = manager.stats()
        assert stats.queued_count == 2
        assert stats.skipped_count == 0


async def test_a_drain_cancelled_while_it_claims_gives_everything_back(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = HashEmbedder()
    async with VectorManager(embedder=embedder, budget=Budget(max_tokens_per_day=1000), settings=quiet()) as manager:
        embedder.failing = True
        waiting(manager, 20)
        embedder.failing = False
        entered, go_on = threading.Event(), threading.Event()
        claim = manager._vectorizer.claim

        def slow(*args, **kwargs):
            batch = claim(*args, **kwargs)
            entered.set()
            go_on.wait(10)
            return batch

        monkeypatch.setattr(manager._vectorizer, "claim", slow)
        task = asyncio.create_task(manager.adrain())
        await asyncio.to_thread(entered.wait, 10)
        task.cancel()
        await asyncio.sleep(0.05)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        monkeypatch.undo()
        assert manager.stats().tokens_today == 0
        assert manager.drain().embedded == 20


def test_one_text_added_by_two_threads_is_embedded_once() -> None:
    embedder = HashEmbedder()
    both = threading.Barrier(2)
    embedder.on_embed = lambda texts: threading.Event().wait(0.2)
    with VectorManager(embedder=embedder) as manager:

        def add(id: str) -> None:
            both.wait()
            manager.add([Item("one and the same", id=id)], wait=True)

        threads = [threading.Thread(target=add, args=(id,)) for id in ("a", "b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert embedder.seen == ["one and the same"]
        assert {item.tier for item in manager.get(["a", "b"])} == {Tier.TEMP}


def test_old_deletions_and_old_days_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_KEEP_GONE", 10)
    clock = FakeClock()
    with VectorManager(tmp_path / "store.db", embedder=HashEmbedder(), clock=clock) as manager:
        ids = manager.add([f"short lived {number}" for number in range(40)], wait=True)
        for id in ids:
            manager.delete([id])
        clock.advance(30 * DAY)
        manager.drain()
        with manager._ledger.reading() as db:
            assert db.execute("SELECT count(*) FROM gone").fetchone()[0] == 10
            assert not [name for name in records.counters(db) if name.startswith("tokens@")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"embedder": "text-embedding-3-small"}, {"budget": None}, {"budget": {"max_vectors": 3}}, {"settings": None}, {"clock": 5},
        {"namespace_budgets": {"a": 5}}, {"namespace_budgets": 5}, {"namespace_budgets": {"a": Budget(max_bytes=1)}},
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused_before_a_file_is_made(tmp_path: Path, wrong: dict) -> None:
    with pytest.raises(InvalidSettings, match=next(iter(wrong))):
        VectorManager(tmp_path / "store.db", **wrong)
    assert list(tmp_path.iterdir()) == []


def test_a_forgotten_dollar_sign_is_told() -> None:
    with VectorManager() as manager, pytest.raises(InvalidFilter, match=r"\$gte"):
        manager.search("x", filter={"week": {"gte": 3}})


def test_closing_works_while_another_holds_the_lock(tmp_path: Path) -> None:
    import fcntl

    manager = VectorManager(tmp_path / "store.db", settings=Settings(busy_seconds=0.2, observer=SilentObserver()))
    manager.add(["text"])
    other = os.open(tmp_path / "store.db.lock", os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX)
    try:
        with pytest.raises(Exception, match="locked"):
            manager.close()
        manager.close()
        descriptors = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")]
        assert str(tmp_path / "store.db") not in descriptors
    finally:
        os.close(other)
    with VectorManager(tmp_path / "store.db") as again:
        assert again.stats().items == 1


def test_starting_from_many_threads_starts_one_worker() -> None:
    with VectorManager(embedder=HashEmbedder()) as manager:
        threads = [threading.Thread(target=manager.start) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len([thread for thread in threading.enumerate() if thread.name == "vectopt-worker"]) == 1
