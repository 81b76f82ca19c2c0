"""The async twins, and the worker's thread."""

import asyncio
import inspect
import threading
import time
from collections.abc import Callable

import pytest

from vectopt import Settings, Tier, VectorManager
from vectopt.settings import QueueSettings

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

    def test_closing_stops_it(self) -> None:
        manager = VectorManager(embedder=HashEmbedder())
        manager.start()
        manager.close()
        assert not [thread for thread in threading.enumerate() if thread.name == "vectopt-worker"]
