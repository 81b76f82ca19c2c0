"""What the store returned and comes back in is an echo: it earns no vector and no second place in the queue."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vectopt import Budget, Item, Priority, Settings, StrategySettings, VectorManager
from vectopt.analysis import Echo, read
from vectopt.errors import InvalidSettings

from .fakes import HashEmbedder

QUICK = settings(deadline=None, derandomize=True, max_examples=100)

BILLING = "We decided to move billing to Postgres from now on, since the old database was slow on reports."
PORT = "The staging server listens on port 8080 behind the proxy and restarts every night at two."
HERON = "Herons nest in the tall pines above the northern shore of the lake from March until late in July."
REASON = "echo: the store itself returned this text lately"


def echoed(returned: list[str], text: str, gone: tuple[int, ...] = ()) -> bool:
    echo = Echo()
    echo.returned((str(place), one) for place, one in enumerate(returned))
    return echo.repeats(read(text), lambda ids: {id for id in ids if int(id) not in gone})


# --- by itself


@pytest.mark.parametrize(
    "text",
    [
        BILLING,
        BILLING.upper(),
        f"Context: {BILLING}",
        f"Memory: {HERON} (end)",
        f"1. {BILLING}\n2. {PORT}\n[3] {HERON}",
        "\n\n".join((HERON, BILLING)),
        HERON[: len(HERON) // 2],
    ],
)
def test_what_one_search_returned_is_an_echo(text: str) -> None:
    assert echoed([BILLING, PORT, HERON], text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "billing",
        "Postgres from now on",
        "The reports on billing were slow, so the staging server restarts at two every night behind the proxy.",
        PORT.replace("8080", "8081"),
        PORT.replace("night", "hour"),
        PORT + " 3",
        f"It is not true: {HERON}",
        PORT.replace("staging", "Herons"),
        "The staging server listens on the northern shore of the lake.",
        "Herons nest in the tall pines above the staging server from March until late in July.",
        f"{HERON} Wrong!",
        f"{BILLING} The invoices of the year before were moved last week, and the auditors have been told about it.",
    ],
)
def test_a_text_that_says_something_else_is_no_echo(text: str) -> None:
    assert not echoed([BILLING, PORT, HERON], text)


def test_what_several_searches_returned_is_no_echo_of_one() -> None:
    echo = Echo()
    for place, text in enumerate((BILLING, HERON)):
        echo.returned([(str(place), text)])
    assert not echo.repeats(read(f"{BILLING} {HERON}"), set)
    assert echo.repeats(read(HERON), set)


def test_what_is_gone_from_the_store_is_no_echo() -> None:
    assert not echoed([BILLING, HERON], HERON, gone=(1,))
    assert echoed([BILLING, HERON], HERON, gone=(0,))
    assert not echoed([BILLING], BILLING, gone=(0,))


def test_only_the_last_512_texts_are_remembered() -> None:
    echo = Echo()
    random = Random(5)
    texts = [" ".join(f"w{random.randrange(10**6)}" for _ in range(20)) for _ in range(600)]
    for place, text in enumerate(texts):
        echo.returned([(str(place), text)])
        if place % 7 == 0:  # read in parts, or all at once
            echo.repeats(read("a b c d e f g"), set)
    found = [echo.repeats(read(text), set) for text in texts]
    assert found == [False] * 88 + [True] * 512


def test_memory_is_bounded_however_long_the_texts_are() -> None:
    echo = Echo()
    random = Random(6)
    for place in range(40):
        echo.returned([(str(n), " ".join(f"w{random.randrange(10**7)}" for _ in range(2000))) for n in range(20)])
        echo.repeats(read(f"text {place} of some six words"), set)
    assert sum(search.size for search in echo._searches) <= 1 << 17


@QUICK
@given(st.lists(st.text(max_size=200), max_size=5), st.text(max_size=200))
def test_nothing_is_an_echo_of_nothing_and_no_text_is_too_odd(returned: list[str], text: str) -> None:
    assert not Echo().repeats(read(text), set)
    echoed(returned, text)
    for one in returned:
        assert echoed(returned, one) == (len(read(one).words) >= 6)


# --- in the store


def manager(**more: object) -> VectorManager:
    return VectorManager(embedder=HashEmbedder(), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("how", ["{}", "Context: {}", "[1] {}"])
@pytest.mark.parametrize("route", ["add", "process_content"])
def test_an_agent_that_stores_what_it_retrieves_costs_nothing(how: str, route: str) -> None:
    with manager() as m:
        m.add([BILLING, PORT, HERON])
        m.drain()
        before = m.stats()
        for turn in range(100):
            hit = m.search(("billing database", "staging port", "herons lake")[turn % 3], 2)[turn % 2]
            if route == "add":
                m.add([how.format(hit.content)])
            else:
                m.process_content(how.format(hit.content))
            assert m.stats().items_per_tier["queued"] == 0
        m.drain()
        after = m.stats()
        assert (after.vectors, after.embeddings_made) == (before.vectors, before.embeddings_made)
        assert after.items == before.items + 100


def test_the_decision_says_so_and_why_not_too() -> None:
    with manager() as m:
        m.add([BILLING])
        m.search("billing", 1)
        text = f"Context: {BILLING}"
        assert REASON in m.why_not(text).decision.reasoning
        result = m.process_content(text)
        assert result["status"] == "cached_only"
        assert REASON in result["strategy"]["reasoning"]


def test_before_the_search_it_is_no_echo_and_other_namespaces_know_nothing() -> None:
    with manager() as m:
        m.add([BILLING])
        assert REASON not in m.why_not(f"Context: {BILLING}").decision.reasoning
        m.search("billing", 1)
        assert REASON not in m.why_not(f"Context: {BILLING}", namespace="other").decision.reasoning
        assert REASON not in m.why_not(HERON).decision.reasoning


def test_who_asks_for_a_vector_gets_it() -> None:
    with manager() as m:
        m.add([BILLING])
        m.drain()
        m.search("billing", 1)
        m.add([Item(f"Context: {BILLING}", id="urgent", priority=Priority.HIGH)])
        m.drain()
        assert m.explain("urgent").tier == "persistent"


def test_a_new_version_of_an_item_is_no_echo() -> None:
    with manager() as m:
        m.add([{"id": "note", "content": f"{BILLING} {HERON}"}])
        m.search("billing", 1)
        m.add([{"id": "note", "content": BILLING}])
        m.drain()
        assert m.explain("note").tier == "persistent"


def test_what_was_deleted_may_be_added_again() -> None:
    with manager() as m:
        m.add([{"id": "note", "content": BILLING}])
        m.search("billing", 1)
        m.delete(["note"])
        m.add([{"id": "again", "content": BILLING}])
        m.drain()
        assert m.explain("again").tier == "persistent"


@pytest.mark.parametrize("by_another", [False, True])
def test_what_was_replaced_may_be_added_again(by_another: bool) -> None:
    with manager() as m, VectorManager(m.path, embedder=HashEmbedder()) as other:
        m.add([{"id": "note", "content": BILLING}])
        m.search("billing", 1)
        (other if by_another else m).add([{"id": "note", "content": HERON}])
        m.add([{"id": "again", "content": BILLING}])
        m.drain()
        assert m.explain("again").tier == "persistent"


def test_copies_stay_copies() -> None:
    with manager() as m:
        m.add([{"id": "first", "content": BILLING}])
        m.drain()
        m.search("billing", 1)
        result = m.process_content(BILLING)
        assert result["duplicate_of"] == "first"
        assert result["status"] == "vectorized"


def test_the_guard_can_be_turned_off() -> None:
    with manager(settings=Settings(strategy=StrategySettings(echo_guard=False)), budget=Budget(max_vectors=100)) as m:
        m.add([BILLING])
        m.search("billing", 1)
        assert REASON not in m.why_not(f"Context: {BILLING}").decision.reasoning
    with pytest.raises(InvalidSettings, match="echo_guard"):
        StrategySettings(echo_guard="yes")  # type: ignore[arg-type]
