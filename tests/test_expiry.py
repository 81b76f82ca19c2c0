"""Items that delete themselves: gone for every reader from that moment on, swept or not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from vectopt import Item, QueueSettings, Settings, VectorManager
from vectopt.errors import InvalidItem, NotFound
from vectopt.ledger import records

from .fakes import HOUR, FakeClock, HashEmbedder
from .test_async_and_worker import eventually


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def m(clock: FakeClock) -> Iterator[VectorManager]:
    with VectorManager(embedder=HashEmbedder(), clock=clock) as manager:
        manager.add(
            [Item("amber floats in the sea", {"n": 1}, "short", delete_after_seconds=HOUR), Item("basalt sinks", {"n": 2}, "long")],
            wait=True,
        )
        yield manager


def test_no_call_gives_out_what_is_over(m: VectorManager, clock: FakeClock) -> None:
    assert m.get(["short"])[0].facts["delete_at"] == clock.now() + HOUR
    clock.advance(HOUR)
    assert [item.id for item in m.get(["short", "long"])] == ["long"]
    assert [item.id for item in m.scan()] == ["long"]
    assert [item.id for item in m.latest()] == ["long"]
    for mode in ("hybrid", "dense", "lexical"):
        assert "short" not in {hit.id for hit in m.search("amber floats", 5, mode=mode)}
    assert [hit.id for hit in m.search("amber", 1, filter={"n": {"$lte": 2}})] == ["long"], "its place goes to another"
    assert [hit.id for hit in m.search("amber", 1, filter=lambda item: True)] == ["long"]
    assert [hit.id for _, hit in m.search_across("amber", namespaces=["default"])] == ["long"]
    assert not any("amber" in cluster.representative_content for cluster in m.search_compressed_patterns("amber"))
    with pytest.raises(NotFound):
        m.explain("short")


def test_a_touch_lets_it_live_for_its_whole_time_again(m: VectorManager, clock: FakeClock) -> None:
    clock.advance(HOUR - 1)
    assert m.touch(["short", "long", "unknown"]) == 1
    clock.advance(HOUR - 1)
    assert m.get(["short"])
    clock.advance(1)
    assert m.touch(["short"]) == 0, "what is over stays so"
    assert m.get(["short"]) == []


def test_added_again_it_begins_anew(m: VectorManager, clock: FakeClock) -> None:
    clock.advance(HOUR - 1)
    m.add([Item("amber floats in the sea", {"n": 1}, "short", delete_after_seconds=HOUR)])
    clock.advance(HOUR - 1)
    assert m.get(["short"])
    m.add([Item("amber floats in the sea", {"n": 1}, "short")])
    clock.advance(10 * HOUR)
    assert m.get(["short"]), "this time it was to stay for ever"
    assert "delete_at" not in m.get(["short"])[0].facts


def test_what_comes_under_the_id_of_one_that_is_over_is_new(m: VectorManager, clock: FakeClock) -> None:
    clock.advance(2 * HOUR)
    m.add([Item("chalk is soft", {}, "short")])
    item = m.get(["short"])[0]
    assert (item.content, item.generation, item.facts["created_at"]) == ("chalk is soft", 0, clock.now())


def test_a_copy_outlives_it_with_the_vector_they_shared(m: VectorManager, clock: FakeClock) -> None:
    m.add([Item("amber floats in the sea", {}, "copy")], wait=True)
    clock.advance(HOUR)
    assert m.search("amber floats in the sea", 1)[0].id == "copy"
    m.delete_expired()
    hit = m.search("amber floats in the sea", 1, mode="dense")[0]
    assert (hit.id, hit.predicted, m.stats().vectors) == ("copy", False, 2)


def test_sweeping_makes_room_and_the_counts_stay_true(m: VectorManager, clock: FakeClock) -> None:
    m.add([Item(f"pebble {n}", {}, f"p{n}", delete_after_seconds=60) for n in range(1200)], namespace="beach")
    clock.advance(HOUR)
    deleted = m.delete_expired()
    assert deleted["default"] == ["short"]
    assert len(deleted["beach"]) == 1200
    assert m.delete_expired() == {}
    assert m.stats().items == 1
    with m._ledger.reading() as db:
        actual = records.recount(db)
        for (namespace, name), value in actual.items():
            assert records.counters(db, namespace)[name] == value


def test_draining_and_adding_sweep_by_the_way(m: VectorManager, clock: FakeClock) -> None:
    clock.advance(HOUR)
    assert m.drain().deleted == 1
    m.add([Item("dolomite", delete_after_seconds=1)])
    clock.advance(HOUR)
    m.add(["feldspar"], wait=True)
    assert m.stats().items == 2


def test_a_namespace_of_nothing_else_is_not_listed(m: VectorManager, clock: FakeClock) -> None:
    m.add([Item("gypsum", delete_after_seconds=60)], namespace="gone")
    m.add(["halite"], namespace="stays")
    assert m.namespaces() == ["default", "gone", "stays"]
    clock.advance(60)
    assert m.namespaces() == ["default", "stays"]
    assert m.namespaces("st") == ["stays"]


def test_it_is_kept_over_a_restart(tmp_path: Path, clock: FakeClock) -> None:
    with VectorManager(tmp_path / "store.db", clock=clock) as manager:
        manager.add([Item("jade", id="j", delete_after_seconds=HOUR)])
    clock.advance(HOUR)
    with VectorManager(tmp_path / "store.db", clock=clock) as manager:
        assert manager.get(["j"]) == []
        assert manager.search("jade", mode="lexical") == []


def test_the_worker_wakes_for_it() -> None:
    settings = Settings(queue=QueueSettings(upkeep_seconds=3600))
    with VectorManager(embedder=HashEmbedder(), settings=settings) as manager:
        manager.start()
        manager.add([Item("kaolin", delete_after_seconds=0.3)])
        eventually(lambda: manager.stats().items == 0)


@pytest.mark.parametrize("seconds", [0, -1, True, float("nan"), float("inf"), "soon"])
def test_a_time_that_is_none_is_refused(m: VectorManager, seconds: object) -> None:
    with pytest.raises(InvalidItem, match="delete_after_seconds"):
        m.add([{"content": "x", "delete_after_seconds": seconds}])
    assert m.stats().items == 2
