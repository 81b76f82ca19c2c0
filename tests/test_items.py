"""Items by id, by filter, among given ids; what is embedded of them; managers from another process."""

import pickle
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vectopt import Budget, Item, QueueSettings, Settings, VectorManager
from vectopt.errors import InvalidFilter, InvalidInput, InvalidQuery

from .fakes import FakeClock, HashEmbedder


@pytest.fixture
def m() -> Iterator[VectorManager]:
    with VectorManager(embedder=HashEmbedder(16)) as manager:
        manager.add([Item(f"text number {chr(97 + n)}", {"n": n, "even": n % 2 == 0}, f"i{n}") for n in range(20)], wait=True)
        yield manager


def ids(found: Sequence[Any]) -> list[str]:
    return [one.id for one in found]


@pytest.mark.parametrize(
    "given",
    [{"n": {"$in": [7, 3, 11]}}, {"n": {"$gte": 2}}, {"even": True}, lambda item: item.metadata["n"] in (3, 7, 11), None],
    ids=["few", "most", "half", "a function", "all"],
)
def test_a_scan_gives_what_passes_in_the_order_of_adding(m: VectorManager, given: Any) -> None:
    every = [item for item in m.scan() if given is None or (given(item) if callable(given) else item.id in ids(m.scan(filter=given)))]
    assert ids(m.scan(filter=given)) == ids(every)
    assert ids(m.scan(filter=given, limit=2)) == ids(every)[:2]
    assert ids(m.scan(filter=given, ids=["i11", "unknown", "i3"])) == [id for id in ("i11", "i3") if id in ids(every)]
    with_vectors = m.scan(filter=given, with_vectors=True)
    assert ids(with_vectors) == ids(every)
    assert all(item.vector is not None for item in with_vectors)
    assert all(item.vector is None for item in m.scan(filter=given))


def test_a_scan_sees_what_was_just_changed(m: VectorManager) -> None:
    few = {"n": {"$in": [3, 7]}}
    assert ids(m.scan(filter=few)) == ["i3", "i7"]
    m.add([Item("text number d", {"n": 100}, "i3"), Item("another", {"n": 7}, "late")])
    m.delete(["i7"])
    assert ids(m.scan(filter=few)) == ["late"]


def test_deleting_by_filter(m: VectorManager) -> None:
    assert m.delete_where({"n": {"$lt": 3}}) == 3
    assert m.delete(["i3", "i4", "unknown"], filter={"even": True}) == 1
    assert ids(m.scan(limit=2)) == ["i3", "i5"]
    assert m.delete_where({"n": 1000}) == 0
    assert m.delete_where(lambda item: item.metadata["n"] == 3) == 1
    for nothing in ({}, {"$and": [{}]}):
        with pytest.raises(InvalidFilter):
            m.delete_where(nothing)
    assert len(m.scan()) == 15


async def test_the_async_twin_of_deleting_by_filter(m: VectorManager) -> None:
    assert await m.adelete_where({"even": True}) == 10


def test_a_search_among_given_ids(m: VectorManager) -> None:
    few = ["i3", "i5", "unknown"]
    for mode in ("hybrid", "dense"):
        assert set(ids(m.search("text number d", 10, mode=mode, ids=few))) == {"i3", "i5"}
    assert ids(m.search("d", 10, mode="lexical", ids=few)) == ["i3"]
    assert ids(m.search("text number d", 10, ids=few, filter={"n": 5})) == ["i5"]
    assert m.search("text number d", 10, ids=["unknown"]) == m.search("text number d", 10, ids=[]) == []
    assert set(ids(m.max_marginal_relevance("text number d", 10, ids=few))) == {"i3", "i5"}
    with pytest.raises(InvalidInput, match="ids"):
        m.search("text", ids="i3")
    with pytest.raises(InvalidQuery, match="limit"):
        m.scan(limit=0)


def test_copies_are_found_each_by_its_id(m: VectorManager) -> None:
    m.add([Item("the very same", id="one"), Item("the very same", id="two")], wait=True)
    assert ids(m.search("the very same", 1, ids=["two"])) == ["two"]
    assert ids(m.max_marginal_relevance("the very same", 2, collapse_duplicates=False)) == ["one", "two"]


def test_vectors_without_text_are_no_copies_of_each_other() -> None:
    with VectorManager() as m:
        m.add([Item("", id=name, vector=[1.0, 0.0]) for name in ("one", "two")])
        assert ids(m.search([1.0, 0.0], 5)) == ["one", "two"]
        m.add([Item(" ", {"new": True}, "one")])
        (found,) = m.get(["one"], with_vectors=True)
        assert found.vector is not None, "what says nothing new keeps its vector"
        m.add([Item("", id=name) for name in ("three", "four")])
        assert m.explain("four").duplicate_of == "three", "what has neither text nor vector is the same"
        assert m.stats().items == 4


class Titled(HashEmbedder):
    """Embeds a title with the text; a title that can't be used is left out."""

    def __init__(self) -> None:
        super().__init__(16)
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str], role: Any) -> Any:
        self.texts += texts
        return super().embed(texts, role)

    def text_of(self, content: str, metadata: Mapping[str, Any]) -> str:
        return f"{metadata['title']}: {content}"


def test_an_embedder_may_want_more_of_an_item_than_its_text(tmp_path: Path) -> None:
    embedder = Titled()
    with VectorManager(tmp_path / "s.db", embedder=embedder) as m:
        m.add([Item("the text", {"title": "A"}, "a"), Item("no title", {}, "b")], wait=True)
        assert sorted(embedder.texts) == ["A: the text", "no title"]
        m.add([Item("the text", {"title": "B"}, "c")], wait=True)
        assert len(embedder.texts) == 2, "a copy shares the vector of the first"
        found = m.get(["a"], with_vectors=True)[0].vector
        np.testing.assert_allclose(found, HashEmbedder(16).embed(["A: the text"], "document")[0], atol=1e-6)
        assert m.get(["a"])[0].content == "the text"
    with VectorManager(tmp_path / "s.db", embedder=embedder, text_of=lambda text, metadata: f"{text}!") as m:
        m.add([Item("by the manager's own", {"title": "A"})], wait=True)
        assert embedder.texts[-1] == "by the manager's own!", "what the manager is told goes first"
    with pytest.raises(InvalidInput, match="text_of"):
        VectorManager(text_of="title")


def test_what_is_embedded_is_what_is_paid_for() -> None:
    title = "a very long title " * 20
    with VectorManager(embedder=Titled(), budget=Budget(max_tokens_per_day=50), clock=FakeClock()) as m:
        m.add([Item("short", {"title": title}, "long"), Item("brief", {"title": "t"}, "short")], wait=True)
        assert {item.id: item.tier for item in m.scan()}["long"] != "persistent"
        assert m.stats().tokens_today <= 50
        assert m.get(["short"], with_vectors=True)[0].vector is not None


def test_a_pickled_manager_opens_the_same_file_in_the_same_way(tmp_path: Path) -> None:
    clock, settings = FakeClock(), Settings(queue=QueueSettings(batch_texts=3))
    budgets = {"small": Budget(max_items=1)}
    options = {"namespace_budgets": budgets, "clock": clock, "archive": tmp_path / "archive", "settings": settings}
    with VectorManager(tmp_path / "s.db", namespace="n", budget=Budget(max_vectors=7), **options) as m:
        m.add([Item("kept", id="a"), Item("put away", id="b")])
        m.archive(["b"])
        with pickle.loads(pickle.dumps(m)) as other:
            assert ids(other.get(["a", "b"])) == ["a", "b"]
            assert (other.namespace, other.budget, other.settings, other.path) == ("n", m.budget, settings, m.path)
            other.add([Item("one")], namespace="small")
            with pytest.raises(Exception, match="max_items"):
                other.add([Item("two")], namespace="small")
        assert ids(m.scan()) == ["a", "b"]
