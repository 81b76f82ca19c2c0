"""The LangGraph store: what LangGraph promises of a store, and what the reference store answers."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from langchain_core.embeddings import Embeddings
from langgraph.store.base import (
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchOp,
)
from langgraph.store.memory import InMemoryStore

from langchain_vectopt import VectOptStore, VectOptVectorStore
from vectopt import Budget, Item, VectorManager
from vectopt.errors import InvalidFilter, InvalidItem

from .fakes import FakeClock, HashEmbedder

MINUTE = 60.0


class Letters(Embeddings):
    """A text's vector is the mean of its characters', each of which has one of its own."""

    def __init__(self, size: int = 200, delay: float = 0.0) -> None:
        self.size = size
        self.delay = delay
        self.asked: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        time.sleep(self.delay)
        self.asked += texts
        return [self.embed(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        time.sleep(self.delay)
        return self.embed(text)

    def embed(self, text: str) -> list[float]:
        total = sum(np.random.RandomState(ord(letter)).randn(self.size) * count for letter, count in sorted(Counter(text).items()))
        return list(map(float, total / np.linalg.norm(total)))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> Iterator[VectOptStore]:
    """With an embedding, and texts at one field."""
    with VectOptStore(index={"dims": 200, "embed": Letters(), "fields": ["text"]}, clock=clock) as store:
        yield store


@pytest.fixture
def plain(clock: FakeClock) -> Iterator[VectOptStore]:
    """Without an embedding."""
    with VectOptStore(clock=clock) as store:
        yield store


def keys(found: list[Any]) -> list[str]:
    return [item.key for item in found]


class TestItems:
    def test_they_come_back_exactly(self, plain: VectOptStore, clock: FakeClock) -> None:
        value = {"text": "tea", "n": 1.5, "deep": {"a.b": [1, None, True, {"ja": "京都"}]}, "": "", "vectopt_priority": "nonsense"}
        plain.put(("users", "ada"), "tea", value)
        made = clock.now()
        clock.advance(5)
        plain.put(("users", "ada"), "tea", {**value, "n": 2})
        item = plain.get(("users", "ada"), "tea")
        assert (item.namespace, item.key, item.value) == (("users", "ada"), "tea", {**value, "n": 2})
        assert (item.created_at.timestamp(), item.updated_at.timestamp()) == (made, clock.now())
        assert item.created_at.tzinfo is not None

    def test_deleted_is_gone_everywhere(self, store: VectOptStore) -> None:
        store.put(("a",), "k", {"text": "short lived"})
        store.delete(("a",), "k")
        store.delete(("a",), "never there")
        assert store.get(("a",), "k") is None
        assert store.search((), query="short lived") == store.search(()) == store.list_namespaces() == []

    def test_keys_and_labels_may_be_anything_and_none_is_another(self, plain: VectOptStore) -> None:
        odd = ["a", "A", "a:", "a:0", "1:a:0", "a%", "a*", "a/b", "a\nb", " a", "\u00e9", "e\u0301", "京", "", "a" * 900]
        places = [((label or "empty", "x"), key) for label in odd for key in odd]
        plain.batch([PutOp(namespace, key, {"is": [*namespace, key]}) for namespace, key in places])
        for (namespace, key), item in zip(places, plain.batch([GetOp(*place) for place in places]), strict=True):
            assert item.value == {"is": [*namespace, key]}
        plain.delete(("a", "x"), "a")
        assert plain.get(("a", "x"), "a") is None
        assert plain.get(("a", "x"), "a:0") is not None
        assert len(plain.search((), limit=1000)) == len(places) - 1
        assert {item.namespace for item in plain.search(("a",), limit=1000)} == {("a", "x")}

    @pytest.mark.parametrize(
        "value", [{"x": {1, 2}}, {"x": float("nan")}, {1: "x"}, {"x": object()}, "text", {"x": "\ud800"}, {"x": (1, 2)}]
    )
    def test_what_json_cannot_give_back_is_refused_before_anything_is_changed(self, plain: VectOptStore, value: Any) -> None:
        with pytest.raises(InvalidItem):
            plain.batch([PutOp(("a",), "good", {}), PutOp(("b",), "bad", value)])
        assert plain.list_namespaces() == []


class TestNamespaces:
    BAD = [("a.b",), ("a", ""), (1,)]

    def test_prefixes_end_where_labels_end(self, plain: VectOptStore) -> None:
        every = [("foo",), ("foo", "child"), ("foo", "child", "deep"), ("foobar",), ("foobar", "baz"), ("Foo",), ("foo*",), ("*",)]
        for namespace in every:
            plain.put(namespace, "k", {})
        for prefix in [(), *every, ("fo",), ("foo", "chi")]:
            expected = {namespace for namespace in every if namespace[: len(prefix)] == prefix}
            assert {item.namespace for item in plain.search(prefix, limit=100)} == expected

    def test_listing(self, plain: VectOptStore) -> None:
        for namespace in [("a", "b", "c"), ("a", "b", "d", "e"), ("a", "b", "d", "i"), ("a", "b", "f"), ("a", "c", "f"), ("b", "a", "f")]:
            plain.put(namespace, "k", {})
        assert plain.list_namespaces(prefix=("a", "b"), max_depth=3) == [("a", "b", "c"), ("a", "b", "d"), ("a", "b", "f")]
        assert plain.list_namespaces(prefix=("a", "*", "f")) == [("a", "b", "f"), ("a", "c", "f")]
        assert plain.list_namespaces(suffix=("*", "f"), prefix=("a",)) == [("a", "b", "f"), ("a", "c", "f")]
        assert plain.list_namespaces(suffix=("a", "f")) == [("b", "a", "f")]
        assert plain.list_namespaces(limit=2, offset=1) == [("a", "b", "d", "e"), ("a", "b", "d", "i")]

    @pytest.mark.parametrize("namespace", BAD)
    def test_bad_ones_are_refused_even_past_the_public_calls(self, plain: VectOptStore, namespace: Any) -> None:
        plain.put(("a", "b"), "k", {"kept": True})
        for op in (
            GetOp(namespace, "k"),
            PutOp(namespace, "k", {}),
            PutOp(namespace, "k", None),
            SearchOp(namespace),
            ListNamespacesOp((MatchCondition("prefix", namespace),)),
            ListNamespacesOp((MatchCondition("suffix", namespace),)),
        ):
            with pytest.raises(InvalidNamespaceError):
                plain.batch([PutOp(("new",), "k", {}), op])
        with pytest.raises(InvalidNamespaceError):
            plain.put((), "k", {})
        assert plain.list_namespaces() == [("a", "b")]
        assert plain.get((), "k") is None

    def test_documents_in_the_same_file_are_not_seen(self) -> None:
        with VectorManager(embedder=HashEmbedder()) as manager:
            documents = VectOptVectorStore(manager=manager, namespace="users")
            documents.add_texts(["ada's document"], ids=["d"])
            store = VectOptStore(manager=manager)
            store.put(("users",), "k", {"text": "ada's memory"})
            assert keys(store.search(())) == keys(store.search((), query="ada")) == ["k"]
            assert store.list_namespaces() == [("users",)]
            assert [document.id for document in documents.similarity_search("ada", k=9)] == ["d"]
            store.close()
            assert manager.get(["d"], namespace="users"), "the manager is its maker's to close"


class TestBatches:
    def test_reads_see_what_was_before_the_puts_of_the_batch(self, plain: VectOptStore) -> None:
        plain.put(("a",), "old", {"v": 1})
        results = plain.batch(
            [
                PutOp(("a",), "old", {"v": 2}),
                GetOp(("a",), "old"),
                PutOp(("b",), "new", {"v": 3}),
                GetOp(("b",), "new"),
                SearchOp(("a",), filter={"v": 1}),
                ListNamespacesOp(),
            ]
        )
        assert [results[0], results[2], results[3]] == [None, None, None]
        assert results[1].value == results[4][0].value == {"v": 1}
        assert results[5] == [("a",)]
        assert plain.get(("a",), "old").value == {"v": 2}

    def test_the_last_put_of_a_key_counts(self, plain: VectOptStore) -> None:
        plain.batch([PutOp(("a",), "k", {"v": 1}), PutOp(("a",), "k", None), PutOp(("a",), "l", None), PutOp(("a",), "l", {"v": 2})])
        assert plain.get(("a",), "k") is None
        assert plain.get(("a",), "l").value == {"v": 2}

    def test_an_unknown_operation_is_refused(self, plain: VectOptStore) -> None:
        with pytest.raises(ValueError, match="unknown operation"):
            plain.batch([("put",)])


class TestFilters:
    @pytest.fixture
    def shop(self, plain: VectOptStore) -> VectOptStore:
        plain.put(("i",), "1", {"price": 10, "on": True, "tags": ["x"], "user": {"access-level": "low", "n": 1}, "9lives": "cat"})
        plain.put(("i",), "2", {"price": 20.5, "on": False, "tags": ["x", "y"], "user": {"access-level": "high", "n": 1}, "none": None})
        plain.put(("i",), "3", {"price": "dear", "a.b": "dotted"})
        return plain

    @pytest.mark.parametrize(
        ("filter", "expected"),
        [
            ({"price": 10}, "1"),
            ({"price": {"$eq": 20.5}}, "2"),
            ({"price": {"$gt": 5, "$lt": 20}}, "1"),
            ({"price": {"$gte": 10, "$lte": 20.5}}, "12"),
            ({"price": {"$lt": float("inf")}}, "12"),
            ({"price": {"$eq": float("nan")}}, ""),
            ({"price": {"$lt": 10**100}}, "12"),
            ({"price": {"$ne": 10}}, "23"),
            ({"price": {"$gt": "a"}}, "3"),
            ({"on": True}, "1"),
            ({"on": False}, "2"),
            ({"tags": ["x", "y"]}, "2"),
            ({"user": {"access-level": "low"}}, "1"),
            ({"user": {"n": {"$gte": 1}, "access-level": "high"}}, "2"),
            ({"user.access-level": "high"}, "2"),
            ({"a.b": "dotted"}, "3"),
            ({"9lives": "cat"}, "1"),
            ({"none": None, "price": 20.5}, "2"),
            ({"on": None}, "3"),
            ({"on": {"$ne": None}}, "12"),
            ({"x') OR 1=1 --": "1"}, ""),
            ({"price": "10' OR '1'='1"}, ""),
            ({}, "123"),
        ],
    )
    def test_what_they_let_through(self, shop: VectOptStore, filter: dict[str, Any], expected: str) -> None:
        assert sorted(keys(shop.search(("i",), filter=filter))) == list(expected)
        assert sorted(keys(shop.search(("i",), query="price", filter=filter))) == list(expected)

    def test_an_unknown_operator_is_refused(self, shop: VectOptStore) -> None:
        with pytest.raises(InvalidFilter, match=r"\$like"):
            shop.search(("i",), filter={"price": {"$like": "1%"}})

    def test_pages_hold_what_passes(self, plain: VectOptStore, clock: FakeClock) -> None:
        for n in range(10):
            plain.put(("p",), str(n), {"even": n % 2 == 0})
            clock.advance(1)
        pages = [keys(plain.search(("p",), filter={"even": True}, limit=2, offset=offset)) for offset in (0, 2, 4, 6)]
        assert pages == [["8", "6"], ["4", "2"], ["0"], []], "what was changed last comes first"
        assert plain.search(("p",), limit=0) == []


class TestSearching:
    def test_the_score_is_the_cosine(self, store: VectOptStore) -> None:
        store.put(("t",), "k", {"text": "aaab"})
        for query in ("aaab", "bbb", "abcd"):
            letters = Letters()
            expected = float(np.dot(letters.embed("aaab"), letters.embed(query)))
            assert store.search((), query=query)[0].score == pytest.approx(expected, abs=1e-4)

    def test_by_meaning_over_all_namespaces_below(self, store: VectOptStore) -> None:
        for user, text in (("ada", "zzz"), ("bob", "zzy"), ("cyd", "mmm")):
            store.put(("users", user), user, {"text": text})
        store.put(("other",), "o", {"text": "zzz"})
        found = store.search(("users",), query="zzz")
        assert keys(found) == ["ada", "bob", "cyd"]
        assert found[0].score > found[1].score > found[2].score
        assert keys(store.search(("users",), query="zzz", limit=1, offset=1)) == ["bob"]

    def test_equal_texts_stay_values_of_their_own(self, store: VectOptStore) -> None:
        for key in ("one", "two", "three"):
            store.put(("t",), key, {"text": "the very same", "key": key})
        assert sorted(keys(store.search(("t",), query="the very same"))) == ["one", "three", "two"]
        assert len(store.embeddings.asked) == 1

    def test_changing_a_text_changes_what_finds_it(self, store: VectOptStore) -> None:
        store.put(("t",), "k", {"text": "zany zebra"})
        before = store.search(("t",), query="zany zebra")[0].score
        store.put(("t",), "k", {"text": "mmm"})
        assert store.search(("t",), query="zany zebra")[0].score < before

    def test_an_empty_query_lists(self, store: VectOptStore) -> None:
        store.put(("t",), "k", {"text": "x"})
        assert [item.score for item in store.search(("t",), query="")] == [None]
        assert len(store.search(("t",), query="x " * 500)) == len(store.search(("t",), query="!?")) == 1

    def test_words_answer_without_an_embedding(self, plain: VectOptStore) -> None:
        plain.put(("t",), "tea", {"text": "she drinks tea"})
        plain.put(("t",), "car", {"text": "he drives a car"})
        assert keys(plain.search(("t",), query="who drinks?")) == ["tea", "car"]

    def test_words_answer_while_the_embedding_is_down(self, store: VectOptStore) -> None:
        store.embeddings.embed_documents = store.embeddings.embed_query = None  # a call raises
        store.put(("t",), "tea", {"text": "she drinks tea"})
        store.put(("t",), "car", {"text": "he drives a car"})
        assert keys(store.search(("t",), query="drives")) == ["car", "tea"]


class TestFields:
    @pytest.fixture
    def fields(self) -> Iterator[VectOptStore]:
        with VectOptStore(index={"embed": Letters(), "fields": ["a", "b[*].c", "gone"]}) as store:
            store.put(("t",), "one", {"a": "xxx", "b": [{"c": "yyy"}, {"c": "zzz"}], "d": "www"})
            store.put(("t",), "two", {"a": "uuu", "b": [{"c": "xxx"}]})
            yield store

    def test_a_value_counts_by_its_best_text(self, fields: VectOptStore) -> None:
        found = fields.search(("t",), query="xxx")
        assert sorted(keys(found)) == ["one", "two"]
        assert all(item.score == pytest.approx(1, abs=1e-5) for item in found)
        for query, first in (("yyy", "one"), ("zzz", "one"), ("uuu", "two")):
            found = fields.search(("t",), query=query)
            assert (keys(found)[0], len(found)) == (first, 2)
            assert found[0].score > 0.99 > found[1].score
        assert all(item.score < 0.9 for item in fields.search(("t",), query="www")), "not one of the fields"

    def test_a_put_can_name_its_own(self, fields: VectOptStore) -> None:
        fields.put(("t",), "three", {"a": "mmm", "d": "qqq"}, index=["d"])
        assert keys(fields.search(("t",), query="qqq"))[0] == "three"
        assert fields.search(("t",), query="mmm")[0].score < 0.9
        fields.put(("t",), "four", {"a": "hhh"}, index=["$"])
        assert fields.search(("t",), query='{"a": "hhh"}', limit=1)[0].score == pytest.approx(1, abs=1e-5)

    def test_fewer_texts_leave_nothing_behind(self, fields: VectOptStore) -> None:
        fields.put(("t",), "one", {"a": "xxx"})
        assert all(item.score < 0.9 for item in fields.search(("t",), query="zzz"))
        assert fields.manager.stats().items == 3
        fields.delete(("t",), "one")
        assert fields.manager.stats().items == 2

    def test_filters_reach_every_text(self, fields: VectOptStore) -> None:
        assert keys(fields.search(("t",), query="zzz", filter={"d": "www"})) == ["one"]
        assert keys(fields.search(("t",), filter={"d": "www"})) == ["one"]

    def test_pages_of_values_with_many_texts(self, fields: VectOptStore) -> None:
        for n in range(6):
            fields.put(("many",), str(n), {"b": [{"c": f"text {n} {part}"} for part in range(7)]})
        pages = [keys(fields.search(("many",), query="text", limit=2, offset=offset)) for offset in (0, 2, 4, 6)]
        assert sorted(key for page in pages for key in page) == list("012345")
        assert [len(page) for page in pages] == [2, 2, 2, 0]

    def test_what_is_not_indexed_comes_after_what_is(self, fields: VectOptStore) -> None:
        fields.put(("t",), "bare", {"a": "xxx"}, index=False)
        fields.put(("t",), "without", {"e": "none of the fields"})
        assert sorted(keys(fields.search(("t",), query="xxx", limit=2))) == ["one", "two"]
        found = fields.search(("t",), query="xxx")
        assert {key: item.score for key, item in zip(keys(found)[2:], found[2:], strict=True)} == {"bare": None, "without": None}
        assert keys(fields.search(("t",), query="xxx", limit=2, offset=3)) == keys(found)[3:]
        assert fields.get(("t",), "bare").value == {"a": "xxx"}
        assert len(fields.search(("t",))) == 4


class TestTimeToLive:
    @pytest.fixture
    def brief(self, clock: FakeClock) -> Iterator[VectOptStore]:
        with VectOptStore(index={"embed": Letters(), "fields": ["text", "more"]}, ttl={"default_ttl": 10}, clock=clock) as store:
            store.put(("t",), "k", {"text": "apple", "more": "banana"})
            yield store

    def test_what_expired_is_gone_before_any_sweep(self, brief: VectOptStore, clock: FakeClock) -> None:
        brief.put(("u",), "kept", {"text": "cherry"}, ttl=None)
        clock.advance(10 * MINUTE)
        assert brief.get(("t",), "k") is None
        assert keys(brief.search(())) == keys(brief.search((), query="banana")) == ["kept"]
        assert brief.list_namespaces() == [("u",)]
        assert brief.sweep_ttl() == 1
        assert brief.manager.stats().items == 1

    def test_reading_refreshes_it_with_all_its_texts(self, brief: VectOptStore, clock: FakeClock) -> None:
        for read in (
            lambda: brief.get(("t",), "k"),
            lambda: brief.search(("t",), query="apple"),
            lambda: brief.search(("t",)),
        ):
            clock.advance(9 * MINUTE)
            assert read()
        clock.advance(9 * MINUTE)
        assert brief.search(("t",), query="banana")[0].score > 0.99
        clock.advance(10 * MINUTE)
        assert brief.get(("t",), "k", refresh_ttl=True) is None, "what expired is not called back"

    def test_reading_need_not_refresh_it(self, brief: VectOptStore, clock: FakeClock) -> None:
        clock.advance(9 * MINUTE)
        assert brief.get(("t",), "k", refresh_ttl=False)
        assert brief.search(("t",), refresh_ttl=False)
        clock.advance(MINUTE)
        assert brief.get(("t",), "k") is None

    def test_the_configuration_decides_where_a_call_does_not(self, clock: FakeClock) -> None:
        with VectOptStore(ttl={"default_ttl": 10, "refresh_on_read": False}, clock=clock) as store:
            store.put(("t",), "k", {})
            clock.advance(9 * MINUTE)
            assert store.get(("t",), "k")
            clock.advance(MINUTE)
            assert store.get(("t",), "k") is None

    def test_a_put_begins_anew_with_a_time_of_its_own(self, brief: VectOptStore, clock: FakeClock) -> None:
        brief.put(("t",), "k", {"text": "apple", "more": "banana"}, ttl=20)
        clock.advance(15 * MINUTE)
        assert brief.get(("t",), "k", refresh_ttl=False)
        brief.put(("t",), "k", {"text": "apple"}, ttl=None)
        clock.advance(1000 * MINUTE)
        assert brief.get(("t",), "k")

    def test_the_thread_sweeps(self) -> None:
        with VectOptStore(ttl={"default_ttl": 0.005, "sweep_interval_minutes": 1}) as store:
            store.start_ttl_sweeper()
            store.put(("t",), "k", {})
            deadline = time.monotonic() + 20
            while store.manager.stats().items and time.monotonic() < deadline:
                time.sleep(0.02)
            assert store.stop_ttl_sweeper()
            assert store.manager.stats().items == 0


class TestMaking:
    def test_it_is_there_again(self, tmp_path: Path) -> None:
        for _ in range(2):
            with VectOptStore(tmp_path / "m.db", index={"embed": Letters()}, budget=Budget(max_vectors=10)) as store:
                store.put(("t",), "k", {"text": "kept"})
                assert store.search((), query="kept")[0].value == {"text": "kept"}

    def test_an_embedding_may_be_a_function(self) -> None:
        letters = Letters()
        with VectOptStore(index={"embed": lambda texts: letters.embed_documents(list(texts))}) as store:
            store.put(("t",), "k", {"text": "x"})
            assert store.search((), query='{"text": "x"}')[0].score == pytest.approx(1, abs=1e-5)

    def test_an_embedding_may_be_an_embedder(self) -> None:
        with VectOptStore(index={"embed": HashEmbedder(), "fields": ["text"]}) as store:
            store.put(("t",), "k", {"text": "x"})
            assert store.search((), query="x")[0].score == pytest.approx(1, abs=1e-5)

    @pytest.mark.parametrize(
        "arguments",
        [
            {"index": {"embeddings": Letters()}},
            {"index": {"distance_type": "l2"}},
            {"ttl": {"ttl": 5}},
        ],
    )
    def test_what_would_be_ignored_is_refused(self, arguments: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"unknown entries|distance_type"):
            VectOptStore(**arguments)

    def test_a_manager_has_these_already(self) -> None:
        with VectorManager() as manager:
            for arguments in ({"index": {"embed": Letters()}}, {"path": "x.db"}, {"budget": Budget()}):
                with pytest.raises(ValueError, match="leave these out"):
                    VectOptStore(manager=manager, **arguments)
            VectOptStore(manager=manager, index={"fields": ["text"]}, ttl={"default_ttl": 1})

    def test_it_shares_a_budget_with_documents(self) -> None:
        with VectorManager(embedder=HashEmbedder(), budget=Budget(max_vectors=3)) as manager:
            manager.add([Item(f"document number {n} of the archive") for n in range(3)], wait=True)
            store = VectOptStore(manager=manager)
            store.put(("t",), "k", {"text": "a memory"})
            assert manager.stats().vectors <= 3
            assert keys(store.search(("t",), query="memory")) == ["k"]


def test_without_langgraph_only_the_graph_store_is_missing() -> None:
    script = """
import sys
sys.modules["langgraph.store.base"] = None
import langchain_vectopt
try:
    langchain_vectopt.VectOptStore
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "langgraph-checkpoint is not installed: run `pip install 'vectopt[langgraph]'`"


class TestAsync:
    async def test_every_call_has_its_twin_and_none_blocks_the_loop(self) -> None:
        gaps: list[float] = []

        async def heartbeat() -> None:
            while True:
                before = time.perf_counter()
                await asyncio.sleep(0.005)
                gaps.append(time.perf_counter() - before)

        async with VectOptStore(index={"embed": Letters(delay=0.4), "fields": ["text"]}, ttl={"default_ttl": 10}) as store:
            beat = asyncio.create_task(heartbeat())
            await asyncio.sleep(0.02)
            await store.aput(("t",), "k", {"text": "apple"})
            assert (await store.aget(("t",), "k")).value == {"text": "apple"}
            assert keys(await store.asearch(("t",), query="apple")) == ["k"]
            assert keys(await store.asearch(("t",), filter={"text": "apple"})) == ["k"]
            assert await store.alist_namespaces() == [("t",)]
            await store.adelete(("t",), "k")
            assert await store.aget(("t",), "k") is None
            beat.cancel()
        assert max(gaps) < 0.3, "an embedding takes 0.4 s: a gap like that is a blocked loop"

    async def test_an_awaited_function_embeds(self) -> None:
        letters = Letters()

        async def embed(texts: list[str]) -> list[list[float]]:
            await asyncio.sleep(0)
            return letters.embed_documents(list(texts))

        async with VectOptStore(index={"embed": embed, "fields": ["text"]}) as store:
            await store.aput(("t",), "k", {"text": "apple"})
            assert (await store.asearch(("t",), query="apple"))[0].score == pytest.approx(1, abs=1e-5)

    async def test_synchronous_calls_on_the_loops_thread_are_answered(self, plain: VectOptStore) -> None:
        plain.put(("t",), "k", {"v": 1})
        assert plain.get(("t",), "k").value == (await plain.aget(("t",), "k")).value

    async def test_many_at_once(self, plain: VectOptStore) -> None:
        await asyncio.gather(*(plain.aput(("t", str(n % 3)), f"k{n}", {"n": n}) for n in range(60)))
        found = await asyncio.gather(*(plain.aget(("t", str(n % 3)), f"k{n}") for n in range(60)))
        assert [item.value["n"] for item in found] == list(range(60))
        assert len(await plain.asearch(("t",), limit=100)) == 60


def test_threads_read_what_they_wrote_and_never_what_they_deleted() -> None:
    with VectOptStore(index={"embed": Letters(), "fields": ["parts[*]"]}) as store:
        store.start()
        wrong: list[Any] = []

        def work(me: int) -> None:
            for n in range(15):
                value = {"parts": [f"{me} wrote {n} {part}" for part in range(n % 3 + 1)], "n": n}
                store.put(("shared",), str(me), value)
                if (item := store.get(("shared",), str(me))) is None or item.value != value:
                    wrong.append((me, n, item))
                found = {item.key: item.value for item in store.search(("shared",), query=value["parts"][-1], limit=50)}
                if found.get(str(me)) != value:
                    wrong.append((me, n, found))
            store.delete(("shared",), str(me))
            if store.get(("shared",), str(me)) or any(item.key == str(me) for item in store.search(("shared",), query="wrote")):
                wrong.append(me)

        threads = [threading.Thread(target=work, args=(me,)) for me in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        assert store.manager.stats().items == 0


LABELS = st.sampled_from(["a", "A", "ab", "*", "é"])
PATHS = st.lists(LABELS, min_size=1, max_size=3).map(tuple)
PREFIXES = st.lists(LABELS, max_size=2).map(tuple)
KEYS = st.sampled_from(["k", "k:", "1:k:0", ""])
VALUES = st.fixed_dictionaries({"n": st.integers(0, 2)}, optional={"text": st.sampled_from(["xx", "yy", "xy"]), "on": st.booleans()})
FILTERS = st.sampled_from([None, {"n": 1}, {"n": {"$gte": 1}}, {"text": "xx"}, {"n": {"$ne": 0}, "on": True}])
QUERIES = st.sampled_from([None, None, "xx", "y"])
CONDITIONS = st.lists(st.builds(MatchCondition, st.sampled_from(["prefix", "suffix"]), PATHS), max_size=2).map(tuple)
INDEXES = st.sampled_from([None, False, ["text"]])
PUTS = st.tuples(PATHS, KEYS, st.none() | VALUES, INDEXES).map(lambda given: PutOp(*given))
READS = st.one_of(
    st.tuples(PATHS, KEYS).map(lambda given: GetOp(*given)),
    st.tuples(PREFIXES, FILTERS, QUERIES).map(lambda given: SearchOp(given[0], given[1], 1000, 0, given[2])),
    st.tuples(CONDITIONS, st.sampled_from([None, 1, 2])).map(lambda given: ListNamespacesOp(*given)),
)


def as_told(result: Any) -> Any:
    """What two stores must agree on: all but times, and the order of what is ranked the same."""
    if isinstance(result, list) and result and hasattr(result[0], "key"):
        return sorted((item.namespace, item.key, str(item.value), item.score is None or round(item.score, 3)) for item in result)
    return (result.key, result.value) if hasattr(result, "value") else result


def answer(living: list[PutOp], op: Any) -> Any:
    """What LangGraph's store in memory answers: made anew, since a used one lists namespaces that are empty by now, and filled
    one by one, since it takes no text twice in a batch."""
    reference = InMemoryStore(index=INDEX)
    for put in living:
        reference.batch([put])
    return reference.batch([op])[0]


INDEX = {"dims": 16, "embed": Letters(16), "fields": ["text"]}
LONG = os.environ.get("VECTOPT_LONG") == "1"
QUICK = settings(max_examples=500 if LONG else 25, deadline=None, derandomize=not LONG, phases=(Phase.explicit, Phase.generate))


@given(st.lists(st.tuples(st.lists(PUTS, max_size=6), st.lists(READS, max_size=6)), max_size=6))
@settings(QUICK, suppress_health_check=[HealthCheck.too_slow])
def test_it_answers_what_the_reference_store_answers(rounds: list[tuple[list[PutOp], list[Any]]]) -> None:
    living: dict[Any, PutOp] = {}
    with VectOptStore(index=INDEX, clock=FakeClock()) as store:
        for puts, reads in rounds:
            store.batch(puts)
            living |= {(op.namespace, op.key): op for op in puts}
            expected = [answer([op for op in living.values() if op.value is not None], op) for op in reads]
            assert [as_told(one) for one in store.batch(reads)] == [as_told(one) for one in expected]
