"""One filter language: every operator, what a missing value matches, and the same answer in every tier."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.utils import build_metadata_filter_fn

from vectopt import Item, Settings, Tier, VectoptError, VectorManager
from vectopt.errors import InvalidFilter
from vectopt.filters import compiled, parse
from vectopt.model import And, Comparator, Comparison, Not, Or

from .fakes import FakeClock, HashEmbedder, SilentObserver

QUICK = settings(deadline=None, derandomize=True, max_examples=300)


def matches(filter: Any, metadata: dict[str, Any], content: str = "text") -> bool:
    predicate = compiled(filter)
    return predicate is None or predicate(SimpleNamespace(id="id", content=content, metadata=metadata))


# --- every operator: (filter, metadata that match, metadata that don't)

OPERATORS: dict[str, tuple[dict[str, Any], list[Any], list[Any]]] = {
    "plain value": ({"v": 3}, [3, 3.0], [4, "3", True, [3], {"v": 3}]),
    "plain text": ({"v": "a"}, ["a"], ["A", "a ", ["a"], 1]),
    "plain true": ({"v": True}, [True], [1, 1.0, "true", False, [True]]),
    "plain false": ({"v": False}, [False], [0, 0.0, "", []]),
    "plain list": ({"v": ["a", 1]}, [["a", 1]], [["a"], [1, "a"], "a", 1]),
    "plain dictionary": ({"v": {"a": 1}}, [{"a": 1}], [{"a": 2}, {"a": 1, "b": 2}, {}]),
    "$eq": ({"v": {"$eq": 3}}, [3, 3.0], ["3", True, 2]),
    "$eq one": ({"v": {"$eq": 1}}, [1, 1.0], [True, "1"]),
    "$ne": ({"v": {"$ne": 3}}, [4, "3", True, [3], {}], [3, 3.0]),
    "$ne zero": ({"v": {"$ne": 0}}, [False, "", 1], [0, 0.0]),
    "$gt": ({"v": {"$gt": 3}}, [4, 3.5], [3, 2, "4", True, [4]]),
    "$gt text": ({"v": {"$gt": "b"}}, ["c", "ba"], ["b", "a", 3]),
    "$gte": ({"v": {"$gte": 3}}, [3, 3.0, 4], [2.9, "3", True]),
    "$gte zero": ({"v": {"$gte": 0}}, [0, 1], [True, False, "0"]),
    "$lt": ({"v": {"$lt": 3}}, [2, -1.5], [3, 4, "2", False]),
    "$lte": ({"v": {"$lte": 3}}, [3, 2], [3.1, "3", True]),
    "$in": ({"v": {"$in": [1, "a"]}}, [1, 1.0, "a"], [2, "b", True, "1", [1]]),
    "$in a tuple": ({"v": {"$in": ("x", True)}}, ["x", True], [1, "y"]),
    "$in a set": ({"v": {"$in": {"x", "y"}}}, ["x", "y"], ["z"]),
    "$in nothing": ({"v": {"$in": []}}, [], [1, "a", []]),
    "$nin": ({"v": {"$nin": [1, "a"]}}, [2, "b", True, "1", [1]], [1, 1.0, "a"]),
    "$nin nothing": ({"v": {"$nin": []}}, [1, "a"], []),
    "$exists": ({"v": {"$exists": True}}, [0, False, "", [], {}], []),
    "$exists false": ({"v": {"$exists": False}}, [], [0, False, "", [], {}]),
    "$like": ({"v": {"$like": "a%c_"}}, ["abcd", "acd", "a\nb c\n"], ["ABCD", "ac", "abcde", "xabcd", 3, ["abcd"]]),
    "$like literally": ({"v": {"$like": "1.5*[x]"}}, ["1.5*[x]"], ["1x5*[x]", "1.55[x]"]),
    "$ilike": ({"v": {"$ilike": "A%c_"}}, ["abcd", "ACD"], ["xabcd", "ab"]),
    "$between": ({"v": {"$between": [1, 3]}}, [1, 2.5, 3], [0.9, 3.1, "2", True, [2]]),
    "$between texts": ({"v": {"$between": ["b", "d"]}}, ["b", "c", "d"], ["a", "da", 3]),
    "$between mixed": ({"v": {"$between": [1, "z"]}}, [], [1, 2, "a", "z"]),
    "$any": ({"v": {"$any": ["x", 2]}}, [["x"], [2, 3], ["y", 2.0]], [["y"], [], [True], 2]),
    "$any in a text": ({"v": {"$any": ["bc", "z"]}}, ["abcd"], ["ab", 3]),
    "$any of nothing": ({"v": {"$any": []}}, [], [["x"], "x"]),
    "$all": ({"v": {"$all": ["x", 2]}}, [["x", 2], [2, "y", "x"]], [["x"], [2], [], "x2"]),
    "$contains": ({"v": {"$contains": "x"}}, [["x", 1], "axb", {"x": 1}], [["y"], "ab", {"y": "x"}, 3, True]),
    "$contains a number": ({"v": {"$contains": 1}}, [[1], [1.0, "a"]], [[True], ["1"], "1", 1]),
    "$contains true": ({"v": {"$contains": True}}, [[True]], [[1], "True"]),
    "$text_match": ({"v": {"$text_match": "Bc"}}, ["aBcd"], ["abcd", ["Bc"], 3]),
    "$text_match_insensitive": ({"v": {"$text_match_insensitive": "Bc"}}, ["abcd", "ABCD"], ["acbd", ["Bc"], 3]),
    "$is_empty": ({"v": {"$is_empty": True}}, ["", []], [0, False, "a", [0]]),
    "$is_empty false": ({"v": {"$is_empty": False}}, [0, False, "a", [0]], ["", []]),
    "$not of an operator": ({"v": {"$not": {"$gt": 3}}}, [3, "4", True], [4]),
    "$not of a value": ({"v": {"$not": {"$eq": 3}}}, [4, "3"], [3]),
    "two operators": ({"v": {"$gte": 2, "$lt": 4}}, [2, 3], [1, 4]),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATORS)
def test_operator(name: str) -> None:
    filter, matching, others = OPERATORS[name]
    assert [value for value in matching if not matches(filter, {"v": value})] == []
    assert [value for value in others if matches(filter, {"v": value})] == []


def test_every_operator_is_in_the_table() -> None:
    spelled = {name for filter, _, _ in OPERATORS.values() if isinstance(filter["v"], dict) for name in filter["v"]}
    assert {op.value for op in Comparator} <= spelled


@pytest.mark.parametrize("metadata", [{}, {"v": None}, {"w": 1}], ids=["missing", "null", "another"])
@pytest.mark.parametrize("op", [op.value for op in Comparator])
def test_a_missing_value_matches_only_ne_nin_is_empty_and_exists_false(op: str, metadata: dict[str, Any]) -> None:
    operand: Any = {"$between": [0, 9], "$exists": True, "$is_empty": True}.get(op, "a")
    if op in ("$in", "$nin", "$any", "$all"):
        operand = ["a"]
    assert matches({"v": {op: operand}}, metadata) == (op in ("$ne", "$nin", "$is_empty"))


@pytest.mark.parametrize("metadata", [{}, {"v": None}])
def test_a_missing_value_exists_not_and_is_not_filled(metadata: dict[str, Any]) -> None:
    assert matches({"v": {"$exists": False}}, metadata)
    assert not matches({"v": {"$is_empty": False}}, metadata)
    assert not matches({"v": {"$all": []}}, metadata)


# --- combining


def test_and_or_not() -> None:
    both = {"$and": [{"a": 1}, {"b": 2}]}
    assert matches(both, {"a": 1, "b": 2})
    assert not matches(both, {"a": 1, "b": 3})
    either = {"$or": [{"a": 1}, {"b": 2}]}
    assert matches(either, {"a": 0, "b": 2})
    assert not matches(either, {"a": 0, "b": 0})
    assert matches({"$not": {"a": 1}}, {"a": 2})
    assert matches({"$not": {"a": 1}}, {})
    assert not matches({"$not": {"a": 1}}, {"a": 1})
    assert matches({"a": 1, "b": {"$gt": 1}, "$or": [{"c": 1}, {"c": 2}]}, {"a": 1, "b": 2, "c": 2})
    assert not matches({"a": 1, "b": {"$gt": 1}, "$or": [{"c": 1}, {"c": 2}]}, {"a": 1, "b": 2, "c": 3})
    assert not matches({"$not": {"$or": [{"a": 1}, {"b": 1}]}}, {"a": 0, "b": 1})


def test_not_means_none_of_its_parts() -> None:
    neither = Not((Comparison("a", Comparator.EQ, 1), Comparison("b", Comparator.EQ, 1)))
    assert matches(neither, {"a": 2, "b": 2})
    assert not matches(neither, {"a": 1, "b": 2})
    assert not matches(neither, {"a": 2, "b": 1})


def test_a_dictionary_under_not_is_one_condition() -> None:
    assert matches({"$not": {"a": 1, "b": 1}}, {"a": 1, "b": 2})
    assert not matches({"$not": {"a": 1, "b": 1}}, {"a": 1, "b": 1})


@pytest.mark.parametrize("filter", [None, {}, And(())])
def test_an_empty_filter_restricts_nothing(filter: Any) -> None:
    assert compiled(filter) is None


def test_an_empty_or_matches_nothing_and_an_empty_not_everything() -> None:
    assert not matches(Or(()), {"a": 1})
    assert matches(Not(()), {"a": 1})


def test_a_function_is_given_the_item() -> None:
    assert matches(lambda item: item.metadata["a"] == 1 and item.content == "text" and item.id == "id", {"a": 1})
    assert not matches(lambda item: False, {})


# --- paths


def test_dotted_paths_reach_into_dictionaries() -> None:
    assert matches({"a.b.c": 1}, {"a": {"b": {"c": 1}}})
    assert not matches({"a.b.c": 1}, {"a": {"b": 1}})
    assert not matches({"a.b": 1}, {"a": [{"b": 1}]})
    assert not matches({"a.b": 1}, {"a": "b"})
    assert matches({"a.b": {"$exists": False}}, {"a": {"b": None}})


def test_a_literal_key_comes_before_a_dotted_path() -> None:
    assert matches({"a.b": 1}, {"a.b": 1, "a": {"b": 2}})
    assert not matches({"a.b": 2}, {"a.b": 1, "a": {"b": 2}})
    assert matches({"a.b.c": 1}, {"a": {"b.c": 1}})
    assert matches({"a.b.c": 1}, {"a.b": {"c": 1}})
    assert matches({"": 1}, {"": 1})
    assert matches({".": 1}, {"": {"": 1}})


# --- refusals


@pytest.mark.parametrize(
    "filter",
    [
        {"v": {"$regex": "x"}},
        {"v": {"$GT": 1}},
        {"v": {"$gt": 1, "$nope": 1}},
        {"$nor": [{"v": 1}]},
        {"$or": [{"v": 1}, {"w": {"$regex": "x"}}]},
        {"$not": {"v": {"$near": 1}}},
        {"v": {"$not": {"$near": 1}}},
        {"v": {"$gt": 1, "plain": 2}},
        {"$and": []},
        {"$or": {}},
        {"$and": {"v": 1}},
        {"$and": ["v"]},
        {"$not": [{"v": 1}]},
        {"v": None},
        {"v": {"$eq": None}},
        {"v": {"$in": "abc"}},
        {"v": {"$nin": 1}},
        {"v": {"$any": "x"}},
        {"v": {"$all": 1}},
        {"v": {"$between": [1]}},
        {"v": {"$between": 1}},
        {"v": {"$between": [1, 2, 3]}},
        {"v": {"$like": 1}},
        {"v": {"$ilike": None}},
        {"v": {"$text_match": 1}},
        {"v": {"$text_match_insensitive": ["x"]}},
        {"v": {"$exists": 1}},
        {"v": {"$is_empty": "yes"}},
        {"v": {"$gt": None}},
        {"v": {"$gte": True}},
        {"v": {"$lt": [1]}},
        {"v": {"$lte": {}}},
        {1: 2},
        {"v": {"$not": {"$not": {}} | {"$gt": None}}},
        5,
        "v = 1",
        [{"v": 1}],
    ],
    ids=repr,
)
def test_what_is_not_understood_is_refused_even_where_nothing_has_the_field(filter: Any) -> None:
    with pytest.raises(InvalidFilter) as caught:
        compiled(filter)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, VectoptError)
    with VectorManager() as m:
        with pytest.raises(InvalidFilter):
            m.search("text", filter=filter)
        with pytest.raises(InvalidFilter):
            m.scan(filter=filter)


def test_a_refusal_names_the_operator_and_the_field() -> None:
    with pytest.raises(InvalidFilter, match=r"\$regex.*'colour'"):
        compiled({"colour": {"$regex": "x"}})
    with pytest.raises(InvalidFilter, match=r"\$in.*'colour'"):
        compiled({"colour": {"$in": "red"}})


def test_a_filter_nested_too_deep_is_refused() -> None:
    spec: dict[str, Any] = {"v": 1}
    for _ in range(5000):
        spec = {"$not": spec}
    with pytest.raises(InvalidFilter, match="deep"):
        compiled(spec)


def test_conditions_built_by_hand_are_held_to_the_same_rules() -> None:
    """`Comparison` is public: its operator may come as a string, and its operand unchecked."""
    assert matches(Comparison("v", "$eq", 5), {"v": 5})  # type: ignore[arg-type]
    assert not matches(Comparison("v", "$eq", "a%"), {"v": "abc"})  # type: ignore[arg-type]
    for bad in (
        Comparison("v", "$nope", 5),  # type: ignore[arg-type]
        Comparison("v", Comparator.IN, 5),
        Comparison("v", Comparator.BETWEEN, [1]),
        Comparison("v", Comparator.LIKE, 5),
        And((Comparison("v", Comparator.GT, None),)),
    ):
        with pytest.raises(InvalidFilter):
            compiled(bad)


def test_a_parsed_filter_can_be_used_as_one() -> None:
    filter = parse({"v": {"$gt": 3}, "w": "x"})
    assert matches(filter, {"v": 4, "w": "x"})
    assert not matches(filter, {"v": 4, "w": "y"})


def test_like_stays_quick_on_hostile_patterns() -> None:
    """Backtracking over many wild cards would take longer than the universe has."""
    code = "from vectopt.filters import compiled; from types import SimpleNamespace as N; p = compiled({'v': {'$like': '%a' * 20 + 'b'}})"
    code += "; assert not p(N(metadata={'v': 'a' * 2000})); assert p(N(metadata={'v': 'a' * 2000 + 'b'}))"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=20)


# --- beside LlamaIndex's own evaluation

FIELDS = st.sampled_from(["a", "b"])
ATOMS = st.one_of(st.integers(-2, 2), st.sampled_from(["", "x", "xy", "Xy"]), st.sampled_from([0.5, 1.0]))
METADATA = st.dictionaries(FIELDS, st.one_of(st.none(), ATOMS, st.lists(ATOMS, max_size=3)), max_size=2)
LISTS = {"$in": FilterOperator.IN, "$nin": FilterOperator.NIN}
SCALARS = {
    "$eq": FilterOperator.EQ, "$ne": FilterOperator.NE, "$gt": FilterOperator.GT, "$gte": FilterOperator.GTE, "$lt": FilterOperator.LT,
    "$lte": FilterOperator.LTE,
}  # fmt: skip
TEXTS = {"$text_match": FilterOperator.TEXT_MATCH, "$text_match_insensitive": FilterOperator.TEXT_MATCH_INSENSITIVE}
MEMBERS = {"$any": FilterOperator.ANY, "$all": FilterOperator.ALL}
CONDITIONS = st.one_of(
    st.tuples(FIELDS, st.sampled_from(sorted(SCALARS)), ATOMS),
    st.tuples(FIELDS, st.sampled_from(sorted(LISTS)), st.lists(ATOMS, max_size=3)),
    st.tuples(FIELDS, st.sampled_from(sorted(TEXTS)), st.sampled_from(["x", "Y", "xy"])),
    st.tuples(FIELDS, st.sampled_from(sorted(MEMBERS)), st.lists(ATOMS, max_size=2)),
    st.tuples(FIELDS, st.just("$contains"), ATOMS),
    st.tuples(FIELDS, st.just("$is_empty"), st.just(True)),
)
THEIRS = SCALARS | LISTS | TEXTS | MEMBERS | {"$contains": FilterOperator.CONTAINS, "$is_empty": FilterOperator.IS_EMPTY}


@QUICK
@given(METADATA, st.lists(CONDITIONS, min_size=1, max_size=3), st.sampled_from(["and", "or", "not"]))
def test_agrees_with_llama_index_where_types_agree(metadata: dict[str, Any], conditions: list[tuple[str, str, Any]], how: str) -> None:
    ours = [{field: {op: value}} for field, op, value in conditions]
    filters = [
        MetadataFilter.model_construct(key=field, operator=THEIRS[op], value=value)  # unchecked: lists of several types
        for field, op, value in conditions
    ]
    theirs = build_metadata_filter_fn(lambda _: metadata, MetadataFilters(filters=filters, condition=FilterCondition(how)))
    try:
        expected = theirs("id")
    except TypeError:
        return  # a type mismatch raises there and is no match here: test_operator says so
    combined: dict[str, Any] = {"$and": ours} if how == "and" else {"$or": ours} if how == "or" else {"$not": {"$or": ours}}
    assert matches(combined, metadata) == expected


def test_a_type_mismatch_is_no_match_where_llama_index_raises() -> None:
    assert not matches({"a": {"$gt": 1}}, {"a": "x"})
    assert not matches({"a": {"$contains": "x"}}, {"a": 5})
    assert not matches({"a": {"$text_match": "x"}}, {"a": 5})
    assert matches({"$not": {"a": {"$gt": 1}}}, {"a": "x"})


# --- the same in every tier

VALUES: list[Any] = [{}, {"v": None}, *({"v": value} for value in (0, 1, 2.5, True, False, "", "x", "xyz", [], ["x", 1], {"w": 1}))]


def fill_tiers(m: VectorManager, embedder: HashEmbedder) -> None:
    """Put an item of each metadata into each tier, in a namespace of its own: what differs is the tier alone."""
    for tier in (Tier.PERSISTENT, Tier.TEMP, Tier.QUEUED, Tier.CACHED):
        for place, metadata in enumerate(VALUES):
            id, text = str(place), f"{tier}{place} nightingale{place} zephyr{place}"
            if tier is Tier.PERSISTENT:
                m.add([Item(text, metadata, id, vector=embedder.vector(text))], namespace=tier)
            elif tier is Tier.TEMP:
                m.process_content(text, metadata, id=id, namespace=tier)
            elif tier is Tier.QUEUED:
                embedder.failing = True
                m.add([Item(text, metadata, id)], namespace=tier)
                embedder.failing = False
            else:
                m.process_content(" " * (place + 1), metadata, id=id, namespace=tier)
        assert {item.tier for item in m.scan(namespace=tier)} == {tier}


@pytest.fixture(scope="module")
def tiers() -> Any:
    embedder = HashEmbedder()
    with VectorManager(embedder=embedder, clock=FakeClock(), settings=Settings(observer=SilentObserver())) as m:
        fill_tiers(m, embedder)
        yield m


@pytest.mark.parametrize("name", OPERATORS)
def test_a_filter_gives_the_same_items_in_every_tier(name: str, tiers: VectorManager) -> None:
    filter = OPERATORS[name][0]
    expected = {str(place) for place, metadata in enumerate(VALUES) if matches(filter, metadata)}
    for tier in (Tier.PERSISTENT, Tier.TEMP, Tier.QUEUED, Tier.CACHED):
        for mode in ("hybrid", "dense"):
            hits = tiers.search("nightingale1", 100, namespace=tier, filter=filter, mode=mode, collapse_duplicates=False)  # type: ignore[arg-type]
            assert {hit.id for hit in hits} == expected, (tier, mode)
        assert {item.id for item in tiers.scan(namespace=tier, filter=filter)} == expected


@settings(QUICK, max_examples=50)
@given(
    st.lists(st.tuples(st.sampled_from(["alpha beta", "beta gamma", "gamma 1", "gamma 2"]), METADATA), min_size=1, max_size=8),
    CONDITIONS,
    st.integers(1, 6),
    st.sampled_from(["hybrid", "dense", "lexical"]),
    st.booleans(),
)
def test_a_filtered_search_is_the_search_filtered_afterwards(
    items: list[tuple[str, dict[str, Any]]], condition: tuple[str, str, Any], k: int, mode: Any, drain: bool
) -> None:
    field, op, value = condition
    filter = {field: {op: value}}
    with VectorManager(embedder=HashEmbedder(), settings=Settings(observer=SilentObserver())) as m:
        m.add([Item(text, metadata) for text, metadata in items])
        if drain:
            m.drain()
        everything = m.search("beta gamma", 100, mode=mode, collapse_duplicates=False)
        expected = [(hit.id, hit.score) for hit in everything if matches(filter, hit.metadata)][:k]
        found = m.search("beta gamma", k, mode=mode, filter=filter, collapse_duplicates=False)
        assert [(hit.id, hit.score) for hit in found] == expected
