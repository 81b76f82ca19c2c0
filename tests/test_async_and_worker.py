"""The async twins, and the worker's thread."""

import asyncio
import inspect
import threading
import time
from collections.abc import Callable

import pytest

from vectopt import Budget, Item, Priority, Settings, Tier, VectorManager
from vectopt.settings import QueueSettings, TempSettings

from .fakes import HashEmbedder, SilentObserver

PUBLIC = [name for name, _ in inspect.getmembers(VectorManager, callable) if not name.startswith("_")]
SYNC = [name for name in PUBLIC if not inspect.iscoroutinefunction(getattr(VectorManager, name))]


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)


@pytest.mark.parametrize("name", SYNC)
def test_every_call_has_an_async_twin_with_the_same_parameters(name: str) -> None:
    twin = getattr(VectorManager, f"a{name}")
    assert inspect.iscoroutinefunction(twin)
    assert inspect.signature(twin).parameters.keys() == inspect.signature(getattr(VectorManager, name)).parameters.keys()
    assert twin.__doc__


async def test_the_twins_do_what_the_calls_do() -> None:
    async with VectorManager(embedder=HashEmbedder()) as manager:
        result = await manager.aprocess_content("an entirely new thought")
        assert result.status == "temp_vectorized"
        assert (await manager.asearch_temp_vectors(HashEmbedder().vector("an entirely new thought")))[0].id == result.id
        assert await manager.apromote_temp_vector(str(result.id)) == result.id
        assert await manager.aadd(["another"], wait=True)
        assert await manager.aupsert([{"id": "x", "content": "one more"}])
        assert [item.id for item in await manager.aget(["x"])] == ["x"]
        assert len(await manager.ascan()) == 3
        assert (await manager.asearch("one more", 1))[0].id == "x"
        assert len(await manager.amax_marginal_relevance("one more", 2)) == 2
        assert await manager.afeedback("one more", ["x"]) >= 0
        assert (await manager.aexplain("x")).id == "x"
        assert (await manager.awhy_not("one more")).duplicate_of == "x"
        assert (await manager.adrain()).failed == 0
        assert (await manager.astats()).items == 3
        assert await manager.adead_letters() == []
        assert await manager.aretry_dead_letters() == 0
        assert await manager.adelete(["x"]) == 1
        assert await manager.adelete_all() == 2


class Awaited(HashEmbedder):
    """Can be awaited; a call from a thread would be a mistake."""

    def embed(self, texts, role):
        raise AssertionError("it can be awaited")

    async def aembed(self, texts, role):
        await asyncio.sleep(0)
        return super().embed(texts, role)


async def test_an_embedder_that_can_be_awaited_is() -> None:
    async with VectorManager(embedder=Awaited()) as manager:
        ids = await manager.aadd(["north", "east"], wait=True)
        assert {item.tier for item in await manager.aget(ids)} <= {Tier.TEMP, Tier.PERSISTENT}
        assert (await manager.asearch("north", 1, mode="dense"))[0].content == "north"


async def test_a_cancelled_add_gives_its_claim_back() -> None:
    class Endless(HashEmbedder):
        async def aembed(self, texts, role):
            await asyncio.sleep(60)

    embedder = Endless()
    async with VectorManager(embedder=embedder) as manager:
        task = asyncio.create_task(manager.aadd(["patience"], wait=True))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [hit.content for hit in manager.search("patience", 1, mode="lexical")] == ["patience"]
        del Endless.aembed
        assert (await manager.adrain()).embedded == 1


class TestWorker:
    def test_it_embeds_what_is_added_without_being_asked(self) -> None:
        embedder = HashEmbedder()
        with VectorManager(embedder=embedder, settings=Settings(queue=QueueSettings(upkeep_seconds=60))) as manager:
            manager.start()
            manager.start()
            ids = manager.add(["one thing", "another thing"])
            eventually(lambda: {item.tier for item in manager.get(ids)} <= {Tier.PERSISTENT, Tier.TEMP})
            late = manager.add(["woken, not polled"])
            eventually(lambda: manager.get(late)[0].tier in (Tier.PERSISTENT, Tier.TEMP))

    def test_nothing_runs_before_start_and_after_stop(self) -> None:
        before = threading.active_count()
        with VectorManager(embedder=HashEmbedder()) as manager:
            manager.add(["quiet"])
            assert threading.active_count() == before
            manager.start()
            assert threading.active_count() == before + 1
            manager.stop()
            assert threading.active_count() == before

    def test_it_outlives_failures_and_tells_of_them(self) -> None:
        embedder, observer = HashEmbedder(), SilentObserver()
        embedder.failing = True
        queue = QueueSettings(upkeep_seconds=0.02, backoff_seconds=0.01)
        with VectorManager(embedder=embedder, settings=Settings(queue=queue, observer=observer)) as manager:
            manager.start()
            ids = manager.add(["stubborn"])
            eventually(lambda: "embedding_failed" in observer.names)
            embedder.failing = False
            eventually(lambda: manager.get(ids)[0].tier in (Tier.PERSISTENT, Tier.TEMP))

    def test_it_wakes_for_whatever_is_queued_and_polls_for_none_of_it(self) -> None:
        embedder = HashEmbedder()
        settings = Settings(queue=QueueSettings(upkeep_seconds=3600, backoff_seconds=0.001, max_attempts=1), observer=SilentObserver())
        with VectorManager(embedder=embedder, settings=settings) as manager:
            manager.start()
            ids = manager.add(["an idle worker"])
            eventually(lambda: manager.get(ids)[0].tier is not Tier.QUEUED)

            adding = [threading.Thread(target=manager.add, args=([Item(f"thread {n}", id=f"t{n}")],)) for n in range(4)]
            for thread in adding:
                thread.start()
            for thread in adding:
                thread.join()
            eventually(lambda: all(item.tier is not Tier.QUEUED for item in manager.get([f"t{n}" for n in range(4)])))

            queued = manager.process_content("a text for the queue", priority=Priority.LOW, id="p")
            eventually(lambda: manager.get([str(queued.id)])[0].tier is not Tier.QUEUED)

            embedder.failing = True
            manager.add([Item("stubborn", id="d")])
            eventually(lambda: manager.stats().dead_letters == 1)
            embedder.failing = False
            assert manager.retry_dead_letters() == 1
            eventually(lambda: manager.get(["d"])[0].tier is not Tier.QUEUED)

    def test_it_wakes_when_a_retry_is_due(self) -> None:
        embedder = HashEmbedder()
        settings = Settings(queue=QueueSettings(upkeep_seconds=3600, backoff_seconds=0.2, max_attempts=5), observer=SilentObserver())
        with VectorManager(embedder=embedder, settings=settings) as manager:
            manager.start()
            embedder.failing = True
            manager.add([Item("stubborn", id="a")])
            eventually(lambda: manager.explain("a").facts.get("attempts") == 1)
            embedder.failing = False
            eventually(lambda: manager.get(["a"])[0].tier is not Tier.QUEUED)

    def test_it_wakes_when_a_temp_vectors_time_is_over(self) -> None:
        settings = Settings(queue=QueueSettings(upkeep_seconds=3600), temp=TempSettings(ttl_seconds=0.3), observer=SilentObserver())
        with VectorManager(embedder=HashEmbedder(), settings=settings) as manager:
            manager.start()
            result = manager.process_content("cormorants nest along basalt cliffs")
            eventually(lambda: manager.get([str(result.id)])[0].tier is Tier.CACHED)

    def test_what_is_due_but_cannot_be_done_keeps_it_asleep(self) -> None:
        settings = Settings(queue=QueueSettings(upkeep_seconds=3600, backoff_seconds=0.001, max_attempts=9), observer=SilentObserver())
        embedder = HashEmbedder()
        with VectorManager(embedder=embedder, settings=settings, budget=Budget(max_tokens_per_day=12)) as manager:
            steps: list[float] = []
            work = manager._worker._work
            manager._worker._work = lambda: (steps.append(time.monotonic()), work())[1]
            embedder.failing = True
            manager.add([Item("one two three four five six seven", id="a")])
            embedder.failing = False
            manager.add([Item("eight nine ten eleven twelve thirteen", id="b")])
            manager.start()
            time.sleep(0.5)
            assert manager.explain("a").facts["attempts"] == 1, "today's tokens are spent"
            assert 1 <= len(steps) < 10

    def test_closing_stops_it(self) -> None:
        manager = VectorManager(embedder=HashEmbedder())
        manager.start()
        manager.close()
        assert not [thread for thread in threading.enumerate() if thread.name == "vectopt-worker"]
