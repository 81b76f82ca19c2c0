"""What can't be used is refused by a typed error that names the field, and nothing is changed. The rest is kept exactly."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict
from decimal import Decimal
from enum import StrEnum
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vectopt import Budget, Item, QueueSettings, SearchSettings, Settings, StrategySettings, TempSettings, VectoptError, VectorManager
from vectopt.errors import InvalidInput, InvalidItem, InvalidQuery, InvalidSettings, InvalidVector, NotFound

from .fakes import FakeClock, HashEmbedder, SilentObserver

ONES = [1.0] * 16


@pytest.fixture
def m() -> Iterator[VectorManager]:
    """A manager with one item in each of two namespaces, whose vectors have 16 dimensions."""
    configured = Settings(observer=SilentObserver(), max_content_bytes=2_000_000, max_id_chars=100)
    with VectorManager(embedder=HashEmbedder(), clock=FakeClock(), settings=configured) as manager:
        manager.add([Item("the first item", {"n": 1}, "first")], wait=True)
        manager.add([Item("the second item", {"n": 2}, "second")], namespace="other", wait=True)
        yield manager


def everything(m: VectorManager) -> dict[str, Any]:
    """All that a caller can see, but for the memory and file sizes."""
    found: dict[str, Any] = {}
    for space in (None, "default", "other"):
        stats = asdict(m.stats(namespace=space))
        found[f"stats of {space}"] = {key: value for key, value in stats.items() if key not in ("ram_bytes", "file_bytes")}
        if space is not None:
            stored = m.scan(namespace=space)
            found[f"items of {space}"] = stored
            found[f"decisions of {space}"] = [m.explain(item.id, namespace=space) for item in stored]
    return found


def refused(m: VectorManager, call: Callable[[], object], *names: str, kind: type[InvalidInput] = InvalidInput) -> str:
    """Check that the call is refused, that its message holds all the names, and that nothing was changed."""
    before = everything(m)
    with pytest.raises(kind) as caught:
        call()
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, VectoptError)
    message = str(caught.value)
    assert [name for name in names if name not in message] == []
    assert everything(m) == before
    return message


# --- items: each is refused by add (never half a batch), and answered by process_content with the same words


class Colour(StrEnum):
    RED = "red"


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


CYCLE: dict[str, Any] = {}
CYCLE["self"] = CYCLE

BAD_METADATA: dict[str, tuple[dict[Any, Any], str]] = {
    "datetime": ({"when": datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)}, "metadata['when'] is a datetime"),
    "date": ({"when": datetime.date(2024, 1, 1)}, "metadata['when'] is a date"),
    "set": ({"tags": {"x"}}, "metadata['tags'] is a set"),
    "tuple": ({"tags": ("x",)}, "metadata['tags'] is a tuple"),
    "bytes": ({"raw": b"x"}, "metadata['raw'] is a bytes"),
    "decimal": ({"price": Decimal("1.5")}, "metadata['price'] is a Decimal"),
    "complex": ({"z": 1j}, "metadata['z'] is a complex"),
    "numpy number": ({"n": np.float32(1)}, "metadata['n'] is a float32"),
    "numpy array": ({"n": np.ones(2)}, "metadata['n'] is a ndarray"),
    "enum": ({"colour": Colour.RED}, "metadata['colour'] is a Colour"),
    "object": ({"o": object()}, "metadata['o'] is a object"),
    "NaN": ({"n": math.nan}, "metadata['n'] is nan"),
    "infinity": ({"n": -math.inf}, "metadata['n'] is -inf"),
    "an endless integer": ({"n": 10**5000}, "metadata['n']"),
    "deep inside": ({"a": [{"b": [1, {2}]}]}, "metadata['a'][0]['b'][1] is a set"),
    "integer key": ({1: "x"}, "metadata has the key 1"),
    "None key": ({None: "x"}, "metadata has the key None"),
    "integer key inside": ({"a": {1: "x"}}, "metadata['a'] has the key 1"),
    "surrogate": ({"a": "\ud800"}, "metadata['a'] has a lone surrogate"),
    "surrogate key": ({"\udfff": 1}, "metadata key has a lone surrogate"),
    "too deep": ({"a": nested(100)}, "deeper"),
    "endlessly deep": ({"a": nested(100_000)}, "deeper"),
    "a cycle": (CYCLE, "deeper"),
    "priority": ({"vectopt_priority": "urgent"}, "metadata['vectopt_priority'] must be one of"),
    "unhashable priority": ({"vectopt_priority": ["high"]}, "metadata['vectopt_priority'] must be one of"),
}
BAD_TEXTS: dict[str, tuple[Any, str]] = {
    "None": (None, "content is a NoneType"),
    "number": (5, "content is a int"),
    "bytes": (b"text", "content is a bytes"),
    "list": (["text"], "content is a list"),
    "lone surrogate": ("abc\ud83d", "content has a lone surrogate at character 3"),
    "too large": ("x" * 2_000_001, "content has 2000001 bytes; 2000000 are the most"),
    "too large in bytes": ("é" * 1_000_001, "content has 2000002 bytes"),
}
BAD_IDS: dict[str, tuple[Any, str]] = {
    "empty": ("", "id must be a string that isn't empty"),
    "number": (5, "id must be a string"),
    "lone surrogate": ("\ud800", "id has a lone surrogate"),
    "too long": ("x" * 101, "id is 101 characters long; 100 are the most"),
}
BAD_PRIORITIES: list[Any] = ["urgent", "", 1, True, ["high"], "HIGH"]


@pytest.mark.parametrize("name", BAD_METADATA)
def test_metadata_that_json_would_change_is_refused(m: VectorManager, name: str) -> None:
    metadata, told = BAD_METADATA[name]
    refused(m, lambda: m.add(["good", Item("bad", metadata)]), "items[1].", told, kind=InvalidItem)


@pytest.mark.parametrize("name", BAD_TEXTS)
def test_a_bad_text_is_refused(m: VectorManager, name: str) -> None:
    text, told = BAD_TEXTS[name]
    refused(m, lambda: m.add(["good", Item(text)]), "items[1].", told, kind=InvalidItem)


@pytest.mark.parametrize("name", BAD_IDS)
def test_a_bad_id_is_refused(m: VectorManager, name: str) -> None:
    id, told = BAD_IDS[name]
    refused(m, lambda: m.add([Item("good", id="ok"), Item("bad", id=id)]), "items[1].", told, kind=InvalidItem)


@pytest.mark.parametrize("priority", BAD_PRIORITIES, ids=repr)
def test_a_bad_priority_is_refused(m: VectorManager, priority: Any) -> None:
    refused(m, lambda: m.add(["good", Item("bad", priority=priority)]), "items[1].priority must be one of critical, high, medium, low")


@pytest.mark.parametrize("ttl", [0, -1, math.nan, math.inf, "60", True], ids=repr)
def test_a_bad_time_to_live_is_refused(m: VectorManager, ttl: Any) -> None:
    refused(m, lambda: m.add(["good", Item("bad", ttl_seconds=ttl)]), "items[1].ttl_seconds must be a number above 0")


@pytest.mark.parametrize(
    ("vector", "told"),
    [
        ([1.0] * 15, "15 dimensions; this store's vectors have 16"),
        ([], "shape (0,)"),
        ([ONES], "shape (1, 16)"),
        (1.0, "shape ()"),
        ([math.nan] * 16, "NaN or infinite"),
        ([1.0] * 15 + [math.inf], "NaN or infinite"),
        ([1e300] * 16, "NaN or infinite"),  # no float32 holds it
        (np.full(16, 1e300), "NaN or infinite"),
        (["x"] * 16, "no list of numbers"),
        ([None] * 16, ""),
        ("text", "no list of numbers"),
        ([[1.0], [1.0, 2.0]], "no list of numbers"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_bad_vector_is_refused(m: VectorManager, vector: Any, told: str) -> None:
    refused(m, lambda: m.add(["good", Item("bad", vector=vector)]), "items[1].vector", told, kind=InvalidVector)
    if not isinstance(vector, str):
        refused(m, lambda: m.search(vector), told, kind=InvalidVector)
        refused(m, lambda: m.max_marginal_relevance(vector), told, kind=InvalidVector)
    refused(m, lambda: m.search_temp_vectors(vector), "query", told, kind=InvalidVector)


def test_vectors_of_one_call_must_agree_in_an_empty_store_too() -> None:
    with VectorManager() as m:
        refused(m, lambda: m.add([Item("a", vector=[1.0, 0.0]), Item("b", vector=[1.0])]), "items[1].vector has 1 dimensions")
        m.add([Item("a", vector=[1.0])])
        assert m.search([1.0])[0].content == "a"


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_a_vector_of_any_length_is_found_by_its_direction(scale: float) -> None:
    with VectorManager() as m:
        m.add([Item("up", vector=[0.0, scale]), Item("right", vector=[scale, 0.0])])
        hits = m.search([0.0, scale])
        assert [hit.content for hit in hits] == ["up", "right"]
        assert hits[0].similarity == pytest.approx(1)
        assert hits[1].similarity == pytest.approx(0)


@pytest.mark.parametrize("items", ["text", b"text", {"content": "x"}, Item("x"), None, 5], ids=repr)
def test_anything_but_a_list_of_items_is_refused(m: VectorManager, items: Any) -> None:
    refused(m, lambda: m.add(items), "items", kind=InvalidItem)


@pytest.mark.parametrize(
    ("item", "told"),
    [
        (5, "items[1] is a int"),
        (None, "items[1] is a NoneType"),
        ({"text": "x"}, "items[1]: "),
        ({"content": "x", "colour": 1}, "colour"),
        ({}, "content"),
        ({"content": "x", "metadata": []}, "items[1].metadata is a list"),
        ({"content": "x", "metadata": "n=1"}, "items[1].metadata is a str"),
    ],
)
def test_what_is_no_item_is_refused(m: VectorManager, item: Any, told: str) -> None:
    refused(m, lambda: m.add(["good", item]), told, kind=InvalidItem)


def test_an_id_twice_in_one_call_is_refused(m: VectorManager) -> None:
    items = [Item("a", id="x"), Item("b", id="y"), Item("c", id="x")]
    refused(m, lambda: m.add(items), "items[2].id", "'x'", "twice", kind=InvalidItem)


def test_a_generator_that_fails_stores_nothing(m: VectorManager) -> None:
    def items() -> Iterator[str]:
        yield "good"
        raise RuntimeError("the source broke")

    before = everything(m)
    with pytest.raises(RuntimeError, match="the source broke"):
        m.add(items())
    assert everything(m) == before


def test_adding_nothing_is_no_error(m: VectorManager) -> None:
    before = everything(m)
    assert m.add([]) == []
    assert m.add(iter(())) == []
    assert m.delete([]) == 0
    assert m.get([]) == []
    assert everything(m) == before


# --- process_content answers instead of raising


def skipped(m: VectorManager, call: Callable[[], Any]) -> str:
    """Check that the call answers with an error, counts it, and changes nothing else; return the error."""
    before = everything(m)
    result = call()
    after = everything(m)
    assert result.status == "error"
    assert result["status"] == "error"
    assert result.id is None
    assert result.cache_key is None
    for name in ("stats of None", "stats of default"):
        assert after[name].pop("skipped_count") == before[name].pop("skipped_count") + 1
    assert after == before
    return str(result.error)


@pytest.mark.parametrize("name", BAD_METADATA)
def test_process_content_answers_for_bad_metadata(m: VectorManager, name: str) -> None:
    metadata, told = BAD_METADATA[name]
    assert told in skipped(m, lambda: m.process_content("text", metadata))


@pytest.mark.parametrize("name", BAD_TEXTS)
def test_process_content_answers_for_a_bad_text(m: VectorManager, name: str) -> None:
    text, told = BAD_TEXTS[name]
    assert told in skipped(m, lambda: m.process_content(text, {}))


@pytest.mark.parametrize("name", BAD_IDS)
def test_process_content_answers_for_a_bad_id(m: VectorManager, name: str) -> None:
    id, told = BAD_IDS[name]
    assert told in skipped(m, lambda: m.process_content("text", id=id))


@pytest.mark.parametrize("metadata", [[], "n=1", 5], ids=repr)
def test_process_content_answers_for_metadata_that_is_no_dictionary(m: VectorManager, metadata: Any) -> None:
    assert "metadata is a" in skipped(m, lambda: m.process_content("text", metadata))


def test_process_content_says_what_add_raises(m: VectorManager) -> None:
    with pytest.raises(InvalidItem) as caught:
        m.add([Item("text", {"when": {1}})])
    assert m.process_content("text", {"when": {1}}).error == str(caught.value)


def test_process_content_answers_for_a_bad_namespace(m: VectorManager) -> None:
    assert "namespace" in skipped(m, lambda: m.process_content("text", namespace=""))


def test_what_is_skipped_is_counted_in_its_own_namespace(m: VectorManager) -> None:
    assert m.process_content("text", {"n": math.nan}, namespace="other").status == "error"
    assert m.stats(namespace="other").skipped_count == 1
    assert m.stats(namespace="default").skipped_count == 0


async def test_aprocess_content_answers_the_same(m: VectorManager) -> None:
    result = await m.aprocess_content("text", {"when": {1}})
    assert (result.status, result.error) == ("error", m.process_content("text", {"when": {1}}).error)
    assert m.stats().skipped_count == 2


# --- calls


@pytest.mark.parametrize("k", [0, -1, 1.0, "4", True, None, math.nan], ids=repr)
def test_a_bad_k_is_refused(m: VectorManager, k: Any) -> None:
    refused(m, lambda: m.search("text", k), "k must be a whole number above 0", kind=InvalidQuery)
    refused(m, lambda: m.max_marginal_relevance("text", k), "k must be", kind=InvalidQuery)
    refused(m, lambda: m.max_marginal_relevance("text", 1, fetch_k=k), "fetch_k must be", kind=InvalidQuery)
    refused(m, lambda: m.search_temp_vectors(ONES, k), "limit must be", kind=InvalidQuery)
    if k is not None:
        refused(m, lambda: m.drain(k), "limit must be", kind=InvalidQuery)


@pytest.mark.parametrize("mode", ["", "HYBRID", "sparse", None, 1, ["hybrid"]], ids=repr)
def test_a_bad_mode_is_refused(m: VectorManager, mode: Any) -> None:
    refused(m, lambda: m.search("text", mode=mode), "mode must be", "hybrid", "dense", "lexical", kind=InvalidQuery)


def test_words_can_not_be_asked_of_a_vector(m: VectorManager) -> None:
    refused(m, lambda: m.search(ONES, mode="lexical"), "lexical", "vector", kind=InvalidQuery)


@pytest.mark.parametrize("tiers", ["gone", ["gone"], [], ["temp", "gone"], 5, [None], [["temp"]]], ids=repr)
def test_bad_tiers_are_refused(m: VectorManager, tiers: Any) -> None:
    refused(m, lambda: m.search("text", tiers=tiers), "tiers", kind=InvalidQuery)


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, "0.5", True, None], ids=repr)
def test_a_bad_lambda_is_refused(m: VectorManager, value: Any) -> None:
    refused(m, lambda: m.max_marginal_relevance("text", lambda_mult=value), "lambda_mult must be in 0..1", kind=InvalidQuery)


@pytest.mark.parametrize("query", ["lone \ud800", None, 5, b"text", {"text": 1}], ids=repr)
def test_a_bad_query_is_refused(m: VectorManager, query: Any) -> None:
    refused(m, lambda: m.search(query), "query")


@pytest.mark.parametrize("text", [None, 5, b"text", "lone \ud800"], ids=repr)
def test_why_not_refuses_what_is_no_text(m: VectorManager, text: Any) -> None:
    refused(m, lambda: m.why_not(text), "query")


@pytest.mark.parametrize("namespace", ["", 5, b"a", "\ud800", "x" * 101, ["a"]], ids=lambda value: repr(value)[:20])
def test_a_bad_namespace_is_refused_everywhere(m: VectorManager, namespace: Any) -> None:
    calls: list[Callable[[], object]] = [
        lambda: m.add(["text"], namespace=namespace),
        lambda: m.get(["first"], namespace=namespace),
        lambda: m.scan(namespace=namespace),
        lambda: m.delete(["first"], namespace=namespace),
        lambda: m.delete_all(namespace=namespace),
        lambda: m.search("text", namespace=namespace),
        lambda: m.max_marginal_relevance("text", namespace=namespace),
        lambda: m.feedback("text", ["first"], namespace=namespace),
        lambda: m.search_temp_vectors(ONES, namespace=namespace),
        lambda: m.promote_temp_vector("first", namespace=namespace),
        lambda: m.dead_letters(namespace=namespace),
        lambda: m.retry_dead_letters(namespace=namespace),
        lambda: m.explain("first", namespace=namespace),
        lambda: m.why_not("text", namespace=namespace),
        lambda: m.stats(namespace=namespace),
        lambda: VectorManager(namespace=namespace, settings=m.settings),
    ]
    for call in calls:
        refused(m, call, "namespace")


@pytest.mark.parametrize("ids", ["first", b"first", 5, None, [5], ["first", None]], ids=repr)
def test_ids_must_be_a_list_of_strings(m: VectorManager, ids: Any) -> None:
    refused(m, lambda: m.get(ids), "ids must be")
    refused(m, lambda: m.delete(ids), "ids must be")
    refused(m, lambda: m.feedback("text", ids), "ids must be")


def test_unknown_ids_are_no_error(m: VectorManager) -> None:
    unknown = ["nobody", "", "\ud800", "x" * 10_000, "second", "fir", "firs%", "FIRST"]
    before = everything(m)
    assert m.get(unknown) == []
    assert m.delete(unknown) == 0
    assert [m.promote_temp_vector(id) for id in unknown] == [None] * len(unknown)
    m.feedback("text", unknown)
    assert everything(m) == before


@pytest.mark.parametrize("id", ["nobody", "", "\ud800"])
def test_there_is_no_explanation_of_an_unknown_item(m: VectorManager, id: str) -> None:
    with pytest.raises(NotFound) as caught:
        m.explain(id)
    assert isinstance(caught.value, KeyError)
    assert repr(id) in str(caught.value)


# --- settings and budgets

BUDGETS = ("max_vectors", "max_vector_bytes", "max_bytes", "max_ram_bytes", "max_items", "max_tokens_per_day")


@pytest.mark.parametrize("name", BUDGETS)
@pytest.mark.parametrize("value", [0, -1, 1.5, "10", True, math.inf], ids=repr)
def test_a_budget_is_a_whole_number_above_0(name: str, value: Any) -> None:
    with pytest.raises(InvalidSettings, match=rf"Budget\.{name}"):
        Budget(**{name: value})


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, "10", True], ids=repr)
def test_a_budget_in_money_is_a_number_above_0(value: Any) -> None:
    with pytest.raises(InvalidSettings, match=r"Budget\.max_cost_per_day"):
        Budget(max_cost_per_day=value)


@pytest.mark.parametrize(
    ("kind", "name", "values"),
    [
        (StrategySettings, "immediate_importance", [-0.1, 1.1, math.nan, "0.8", True]),
        (StrategySettings, "immediate_novelty", [-0.1, 1.1]),
        (StrategySettings, "queue_importance", [-0.1, 1.1]),
        (StrategySettings, "temp_novelty", [-0.1, 1.1]),
        (StrategySettings, "full_utilisation", [-0.1, 1.1]),
        (StrategySettings, "drain_utilisation", [-0.1, 1.1]),
        (StrategySettings, "room_utilisation", [-0.1, 1.1]),
        (StrategySettings, "long_session_minutes", [0, -1, math.inf, "120"]),
        (TempSettings, "ttl_seconds", [0, -1, math.inf, True]),
        (TempSettings, "promotion_queries", [0, -1, 1.5]),
        (TempSettings, "similarity", [-0.1, 1.1]),
        (QueueSettings, "max_attempts", [0, 1.5]),
        (QueueSettings, "lease_seconds", [0, -1]),
        (QueueSettings, "batch_texts", [0, 1.5]),
        (QueueSettings, "batch_tokens", [0, 1.5]),
        (QueueSettings, "backoff_seconds", [0, -1]),
        (QueueSettings, "upkeep_seconds", [0, -1]),
        (SearchSettings, "lexical_weight", [-0.1, 1.1]),
        (SearchSettings, "depth", [0, 1.5]),
        (Settings, "max_content_bytes", [0, 1.5]),
        (Settings, "max_id_chars", [0, 1.5]),
        (Settings, "busy_seconds", [0, -1]),
        (Settings, "price_per_million_tokens", [0, -1, math.nan]),
    ],
)
def test_settings_out_of_range_are_refused(kind: Any, name: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(InvalidSettings, match=rf"{kind.__name__}\.{name}") as caught:
            kind(**{name: value})
        assert repr(value) in str(caught.value)
        assert isinstance(caught.value, ValueError)


def test_a_budget_in_money_needs_a_price() -> None:
    money = Budget(max_cost_per_day=1.0)
    with pytest.raises(InvalidSettings, match="price_per_million_tokens"):
        VectorManager(budget=money)
    with pytest.raises(InvalidSettings, match=r"team.*price_per_million_tokens"):
        VectorManager(namespace_budgets={"team": money})
    VectorManager(budget=money, settings=Settings(price_per_million_tokens=0.02)).close()


# --- what is odd but good is kept exactly


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u3000", "\x1c"], ids=repr)
def test_a_text_without_a_word_is_kept_as_text_only(text: str) -> None:
    embedder = HashEmbedder()
    with VectorManager(embedder=embedder) as m:
        m.add([Item(text, {"n": 1}, "a", priority="critical")], wait=True)  # type: ignore[arg-type]
        result = m.process_content(text, {"n": 2}, id="b", priority="critical")
        m.drain()
        assert result.status == "cached_only"
        assert embedder.seen == []
        assert [(item.content, item.tier) for item in m.get(["a", "b"])] == [(text, "cached")] * 2
        assert [hit.id for hit in m.search("anything", filter={"n": 2})] == ["b"]
        assert [item.id for item in m.scan(filter={"n": 1})] == ["a"]
        assert m.search("anything", mode="lexical") == []
        assert m.stats().dead_letters == 0


def test_texts_without_a_word_keep_their_own_white_space() -> None:
    with VectorManager() as m:
        texts = ["", " ", "\n", "\t \u3000"]
        ids = m.add(texts)
        assert [item.content for item in m.get(ids)] == texts


@pytest.mark.parametrize("query", ["", "  ", "?!"])
@pytest.mark.parametrize("mode", ["hybrid", "dense"])
def test_a_query_without_a_word_still_gives_k_results(m: VectorManager, query: str, mode: Any) -> None:
    m.add(["one more", "and another"])
    assert len(m.search(query, 2, mode=mode)) == 2
    assert m.search(query, 2, mode="lexical") == []


@pytest.mark.parametrize(
    "text",
    [
        "nul \0 inside",
        "\0",
        "\0start",
        "end\0",
        "a\r\nb\rc",
        "\ufeffbom",
        "e\u0301 é",
        "\U0001f600\u200d\U0001f680",
        "\x7f\x80\x1f",
        "ẞßſİı",
    ],
    ids=ascii,
)
def test_text_ids_namespaces_and_keys_come_back_to_the_letter(text: str) -> None:
    with VectorManager(embedder=HashEmbedder()) as m:
        other = text + "x"
        m.add([Item(text, {text: text, "list": [text]}, text), Item(other, {}, other)], namespace=text, wait=True)
        stored = m.get([text, other], namespace=text)
        assert [(item.id, item.content, item.namespace) for item in stored] == [(text, text, text), (other, other, text)]
        assert stored[0].metadata == {text: text, "list": [text]}
        assert [hit.content for hit in m.search(text, 1, namespace=text, mode="dense")] == [text]
        assert [hit.id for hit in m.search(text, namespace=text, filter={text: text})] == [text]
        assert m.stats().namespaces == (text,)
        assert m.delete([text], namespace=text) == 1
        assert [item.content for item in m.scan(namespace=text)] == [other]


def test_a_text_of_a_megabyte_is_taken(m: VectorManager) -> None:
    big = "needle " + "hay " * 250_000
    m.add([Item(big, {}, "big")], wait=True)
    assert m.get(["big"])[0].content == big
    assert m.search("needle", 1, mode="lexical")[0].content == big
    assert m.process_content(big).duplicate_of == "big"


def test_a_megabyte_without_a_space_is_taken(m: VectorManager) -> None:
    big = "x" * 1_000_000
    assert m.process_content(big, id="big").status != "error"
    assert m.get(["big"])[0].content == big


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"lc": 1, "type": "constructor", "id": ["langchain", "llms"], "kwargs": {}},
        {"__class__": "os.system", "__proto__": {"x": 1}, "$ref": "#/a", "$set": {"a": 1}},
        {"a.b": 1, "a": {"b": 2}, "": 0, " ": 1, ".": 2},
        {"id": 5, "content": [], "namespace": None, "tier": "temp", "_id": 1, "rowid": 1, "item": 1},
        {"n": [0, -0.0, 1e-320, 1.7976931348623157e308, 2**53 + 1, 2**63, -(2**64), 10**300, 0.1 + 0.2]},
        {"t": [True, False, None, 1, 1.0, "1", "true", "null"]},
        {"nested": nested(60), "empty": [{}, [], ""]},
        {"ключ": "значение", "キー": "値", "\0": "\0", "\u2028": "\u2029", '"': "'", "\\": "\\u0041"},
        {"vectopt_priority": "low", "session_duration_minutes": "many"},
    ],
    ids=lambda metadata: ascii(metadata)[:40],
)
def test_metadata_comes_back_exactly(metadata: dict[str, Any]) -> None:
    with VectorManager() as m:
        m.add([Item("text", metadata, "a")])
        assert m.process_content("another", metadata, id="b").status != "error"
        for found in (*m.get(["a", "b"]), *m.scan(), *m.search("text", 2)):
            assert found.metadata == metadata
            assert repr(found.metadata) == repr(metadata)  # 1 is not 1.0, -0.0 is not 0, the order of keys is kept


def test_metadata_given_is_not_kept_by_reference(m: VectorManager) -> None:
    metadata = {"tags": ["x"]}
    m.add([Item("text", metadata, "a")])
    metadata["tags"].append("y")
    m.get(["a"])[0].metadata["tags"].append("z")
    assert m.get(["a"])[0].metadata == {"tags": ["x"]}


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=8,
)


@settings(deadline=None, derandomize=True, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=40), id=st.text(min_size=1, max_size=20), metadata=st.dictionaries(st.text(), JSON, max_size=4))
def test_whatever_text_id_and_json_there_is_comes_back(m: VectorManager, text: str, id: str, metadata: dict[str, Any]) -> None:
    metadata.pop("vectopt_priority", None)
    m.add([Item(text, metadata, id)])
    found = m.get([id])[0]
    assert (found.id, found.content, found.metadata) == (id, text, metadata)
    assert repr(found.metadata) == repr(metadata)
    assert m.delete([id]) == 1
