"""Changing several namespaces in one call, reading across them."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from vectopt import Budget, CapacitySettings, Change, Item, Settings, Tier, VectoptError, VectorManager
from vectopt.errors import CapacityExceeded, InvalidInput, InvalidItem, InvalidQuery, InvalidVector

from .fakes import FakeClock, HashEmbedder


@pytest.fixture
def m() -> Iterator[VectorManager]:
    with VectorManager(embedder=HashEmbedder(), clock=FakeClock()) as manager:
        manager.add([Item("first chapter", id="book#0"), Item("second chapter", id="book#1"), Item("its sequel", id="book2#0")], wait=True)
        yield manager


def ids(manager: VectorManager, namespace: str | None = None) -> set[str]:
    return {item.id for item in manager.scan(namespace=namespace)}


def test_items_come_and_go_together(m: VectorManager) -> None:
    m.write(
        [
            Change("default", [Item("rewritten", id="book#0")], delete=["book2#0", "unknown"]),
            Change("notes", ["a note"]),
            Change("empty"),
        ],
        wait=True,
    )
    assert ids(m) == {"book#0", "book#1"}
    assert m.get(["book#0"])[0].content == "rewritten"
    assert m.scan(namespace="notes")[0].tier in (Tier.PERSISTENT, Tier.TEMP)


def test_parts_are_replaced_however_many_there_were(m: VectorManager) -> None:
    m.write([Change("default", [Item("the only chapter", id="book#0")], replace=["book#"])])
    assert ids(m) == {"book#0", "book2#0"}
    m.write([Change("default", replace=["book#"])])
    assert ids(m) == {"book2#0"}


def test_a_text_that_moves_to_another_part_is_not_paid_for_again(m: VectorManager) -> None:
    made = len(m.embedder.seen)
    m.write([Change("default", [Item("second chapter", id="book#0")], replace=["book#"])], wait=True)
    assert len(m.embedder.seen) == made
    assert m.search("second chapter", 1, mode="dense")[0].id == "book#0"


def test_what_takes_over_a_text_that_goes_is_embedded_before_the_call_returns() -> None:
    """Deleting the item whose text a slot has gives that slot another number."""
    embedder = HashEmbedder()
    with VectorManager(embedder=embedder, clock=FakeClock()) as manager:
        manager.add(["the upkeep has just been done"], wait=True)
        embedder.failing = True
        manager.add([Item("birch grows by the river", id="a")])
        embedder.failing = False
        manager.write([Change("default", [Item("by the river birch grows", id="b")], delete=["a"])], wait=True)
        assert manager.get(["b"])[0].tier in (Tier.PERSISTENT, Tier.TEMP)


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (Change("other", [Item("x", id="")]), InvalidItem),
        (Change("other", [Item("x", vector=[1.0, 2.0])]), InvalidVector),
        (Change("", ["x"]), InvalidInput),
        (Change("default", ["x"]), InvalidInput),
        (Change("other", [Item("x", id="i")], delete=["i"]), InvalidInput),
        (Change("other", replace=[""]), InvalidInput),
        (Change("other", delete="one string"), InvalidInput),
        ("no change", InvalidInput),
    ],
)
def test_one_that_is_wrong_stops_all(m: VectorManager, bad: object, error: type[Exception]) -> None:
    before = ids(m)
    with pytest.raises(error):
        m.write([Change("default", [Item("new", id="new")], delete=["book#0"]), bad])
    assert ids(m) == before
    assert m.stats().namespaces == ("default",)


def test_vectors_of_two_spaces_stop_all() -> None:
    with VectorManager() as manager:
        with pytest.raises(VectoptError, match="dimensions"):
            manager.write([Change("a", [Item("x", vector=[1.0, 2.0])]), Change("b", [Item("y", vector=[1.0, 2.0, 3.0])])])
        assert manager.stats().items == 0
        manager.write([Change("b", [Item("y", vector=[1.0, 2.0, 3.0])])])
        manager.write([])


def test_a_budget_that_one_breaks_stops_all() -> None:
    with VectorManager(namespace_budgets={"small": Budget(max_items=1)}) as manager:
        manager.add([Item("kept", id="k")])
        with pytest.raises(CapacityExceeded):
            manager.write([Change("default", ["more"], delete=["k"]), Change("small", ["one", "two"])])
        assert ids(manager) == {"k"}


def test_nobody_sees_half_of_it(m: VectorManager) -> None:
    m.write([Change("left", [Item("0", id="n")]), Change("right", [Item("0", id="n")])])
    seen: list[tuple[str, str]] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            seen.append(tuple(item.content for item in m.latest(namespaces=["left", "right"])))

    reader = threading.Thread(target=look)
    reader.start()
    for n in range(1, 30):
        m.write([Change(side, [Item(str(n), id="n")]) for side in ("left", "right")])
    stop.set()
    reader.join()
    assert seen
    assert all(len(pair) == 2 and pair[0] == pair[1] for pair in seen)


def test_room_is_made_in_the_file_for_changes_as_for_adds(tmp_path: Path) -> None:
    budget, settings = Budget(max_bytes=600_000), Settings(capacity=CapacitySettings(grace_seconds=0))
    with VectorManager(tmp_path / "store.db", budget=budget, archive=tmp_path / "archive", settings=settings) as manager:
        for turn in range(30):
            texts = [f"{turn}-{n} {'tall grass and thin reeds ' * 30}{n * 7919}" for n in range(20)]
            manager.write([Change("meadow", texts[:10]), Change("shore", texts[10:])])
            assert manager.stats().file_bytes <= 600_000
        assert manager.stats().items_per_tier["archived"] > 0
        assert [len(manager.scan(namespace=name)) for name in ("meadow", "shore")] == [300, 300]


class TestLatest:
    def test_what_was_changed_last_comes_first(self, m: VectorManager) -> None:
        m._clock.advance(1)
        m.add([Item("elsewhere", {"n": 1}, "e")], namespace="notes")
        m._clock.advance(1)
        m.add([Item("first chapter, revised", {"n": 1}, "book#0")])
        spaces = ["default", "notes"]
        assert [item.id for item in m.latest(namespaces=spaces)] == ["book#0", "e", "book2#0", "book#1"]
        assert [item.id for item in m.latest(2, offset=1, namespaces=spaces)] == ["e", "book2#0"]
        assert [item.id for item in m.latest(1, offset=1, namespaces=spaces, filter={"n": 1})] == ["e"]
        assert [item.id for item in m.latest()] == ["book#0", "book2#0", "book#1"]

    def test_bad_arguments_are_refused(self, m: VectorManager) -> None:
        for arguments in ({"limit": 0}, {"offset": -1}, {"offset": True}):
            with pytest.raises(InvalidQuery):
                m.latest(**arguments)


class TestAcross:
    def test_the_best_of_all_come_first(self, m: VectorManager) -> None:
        for name in ("x", "y", "z"):
            m.add([Item(f"something of {name}", id=f"s{name}"), Item("first chapter", {"of": name}, f"c{name}")], namespace=name, wait=True)
        found = m.search_across("first chapter", 3, namespaces=["x", "y"])
        assert [(name, hit.id) for name, hit in found[:2]] == [("x", "cx"), ("y", "cy")]
        assert [round(hit.similarity, 4) for _, hit in found[:2]] == [1.0, 1.0]
        assert {name for name, _ in found} == {"x", "y"}
        assert m.search_across("first chapter", 2, namespaces=["x", "y"], offset=1)[0] == found[1]
        assert [hit.id for _, hit in m.search_across("first chapter", namespaces=["x", "y", "z"], filter={"of": "z"})] == ["cz"]
        assert m.search_across("first chapter", namespaces=[]) == []

    def test_words_answer_when_the_embedder_is_down_or_missing(self, m: VectorManager) -> None:
        m.embedder.failing = True
        assert m.search_across("sequel", 1, namespaces=["default"])[0][1].id == "book2#0"
        with VectorManager() as bare:
            bare.add([Item("the sequel", id="s")], namespace="a")
            bare.add([Item("nothing", id="n")], namespace="b")
            assert [hit.id for _, hit in bare.search_across("sequel", namespaces=["b", "a"])] == ["s", "n"]

    async def test_async(self, m: VectorManager) -> None:
        await m.awrite([Change("x", [Item("third chapter", id="t")])], wait=True)
        assert (await m.asearch_across("third chapter", namespaces=["default", "x"]))[0][1].id == "t"
        assert [item.id for item in await m.alatest(1, namespaces=["x"])] == ["t"]
        assert await m.anamespaces() == ["default", "x"]
        assert (await m.atouch(["t"], namespace="x"), await m.adelete_expired()) == (0, {})
        m.embedder.failing = True
        assert (await m.asearch_across("third", 1, namespaces=["x"]))[0][1].id == "t"
