"""The admission rules, each at its boundary; what the manager makes of them; the queue and the temp tier after that."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vectopt import (
    Action,
    Budget,
    ContentAnalysis,
    Decision,
    Item,
    Pattern,
    PatternEngine,
    PatternType,
    Priority,
    ProcessResult,
    Settings,
    StrategySettings,
    TempSettings,
    Tier,
    VectorManager,
)
from vectopt.strategy import decide, make_room

from .fakes import HOUR, FakeClock, HashEmbedder, SilentObserver

IMMEDIATE, QUEUE, TEMP, CACHE = Action.IMMEDIATE_VECTORIZE, Action.QUEUE_VECTORIZE, Action.TEMP_VECTORIZE, Action.CACHE_ONLY
CRITICAL, HIGH, MEDIUM, LOW = Priority
ERROR, WORKFLOW = PatternType.ERROR, PatternType.USER_WORKFLOW
BELOW = 1e-9


def analysis(importance: float, novelty: float, *kinds: PatternType) -> ContentAnalysis:
    return ContentAnalysis(tuple(Pattern(kind.value, kind) for kind in kinds), importance, novelty)


def judged(importance: float, novelty: float, *kinds: PatternType, **more: Any) -> tuple[Action, Priority]:
    decision = decide(analysis(importance, novelty, *kinds), **more)
    return decision.action, decision.priority


# --- rule 1: the scores


@pytest.mark.parametrize(
    ("importance", "novelty", "action", "priority"),
    [
        (0.8, 0.7, IMMEDIATE, None),
        (1.0, 1.0, IMMEDIATE, None),
        (0.8 - BELOW, 0.7, QUEUE, HIGH),
        (0.8, 0.7 - BELOW, QUEUE, HIGH),
        (0.7, 0.0, QUEUE, HIGH),
        (0.7, 1.0, QUEUE, HIGH),
        (0.7 - BELOW, 0.8, TEMP, None),
        (0.0, 0.8, TEMP, None),
        (0.0, 1.0, TEMP, None),
        (0.7 - BELOW, 0.8 - BELOW, CACHE, LOW),
        (0.0, 0.0, CACHE, LOW),
    ],
)
def test_rule_1_importance_and_novelty(importance: float, novelty: float, action: Action, priority: Priority | None) -> None:
    decision = decide(analysis(importance, novelty))
    assert decision.action is action
    assert priority is None or decision.priority is priority
    assert len(decision.reasoning) == 1
    assert (decision.importance_score, decision.novelty_score) == (importance, novelty)


def test_rule_1_names_the_thresholds_in_its_reason() -> None:
    assert decide(analysis(0.9, 0.75)).reasoning == ("importance 0.90 >= 0.8 and novelty 0.75 >= 0.7",)


# --- rule 2: error patterns


def test_rule_2_an_error_lifts_cache_only_to_the_queue_at_high() -> None:
    assert judged(0.1, 0.1, ERROR) == (QUEUE, HIGH)


def test_rule_2_an_error_leaves_better_actions_alone() -> None:
    assert judged(0.9, 0.9, ERROR)[0] is IMMEDIATE
    assert judged(0.1, 0.9, ERROR)[0] is TEMP
    assert judged(0.7, 0.1, ERROR) == (QUEUE, HIGH)


def test_rule_2_an_error_does_not_lower_critical() -> None:
    assert judged(0.1, 0.1, ERROR, priority=CRITICAL) == (QUEUE, CRITICAL)


# --- rule 3: workflow patterns


def test_rule_3_a_workflow_lifts_cache_only_to_the_queue_at_medium() -> None:
    assert judged(0.1, 0.1, WORKFLOW) == (QUEUE, MEDIUM)


def test_rule_3_a_workflow_leaves_better_actions_alone() -> None:
    assert judged(0.9, 0.9, WORKFLOW)[0] is IMMEDIATE
    assert judged(0.1, 0.9, WORKFLOW)[0] is TEMP
    assert judged(0.7, 0.1, WORKFLOW) == (QUEUE, HIGH)


def test_rules_2_and_3_an_error_in_a_workflow_is_high() -> None:
    assert judged(0.1, 0.1, WORKFLOW, ERROR) == (QUEUE, HIGH)


@pytest.mark.parametrize("kind", [kind for kind in PatternType if kind not in (ERROR, WORKFLOW)])
def test_other_patterns_have_no_rule_of_their_own(kind: PatternType) -> None:
    assert decide(analysis(0.1, 0.1, kind)) == decide(analysis(0.1, 0.1))


# --- rule 4: long sessions


def test_rule_4_a_session_over_120_minutes_raises_low_to_medium() -> None:
    assert judged(0.1, 0.1, metadata={"session_duration_minutes": 120.001}) == (CACHE, MEDIUM)
    assert judged(0.1, 0.1, metadata={"session_duration_minutes": 121}) == (CACHE, MEDIUM)


def test_rule_4_exactly_120_minutes_is_not_long() -> None:
    assert judged(0.1, 0.1, metadata={"session_duration_minutes": 120}) == (CACHE, LOW)


def test_rule_4_raises_nothing_but_low() -> None:
    assert judged(0.7, 0.1, metadata={"session_duration_minutes": 500}) == (QUEUE, HIGH)
    assert judged(0.1, 0.1, WORKFLOW, metadata={"session_duration_minutes": 500}) == (QUEUE, MEDIUM)


@pytest.mark.parametrize("value", ["500", True, None, [500], float("nan")], ids=repr)
def test_rule_4_a_duration_that_is_no_number_says_nothing(value: Any) -> None:
    assert decide(analysis(0.1, 0.1), {"session_duration_minutes": value}) == decide(analysis(0.1, 0.1))


# --- rule 5: capacity


@pytest.mark.parametrize(("utilisation", "action"), [(0.90, IMMEDIATE), (0.90 + BELOW, TEMP), (1.0, TEMP), (1.7, TEMP)])
def test_rule_5_over_90_percent_immediate_becomes_temp(utilisation: float, action: Action) -> None:
    assert judged(0.9, 0.9, utilisation=utilisation)[0] is action


@pytest.mark.parametrize(("utilisation", "action"), [(0.90, QUEUE), (0.90 + BELOW, CACHE), (1.0, CACHE)])
def test_rule_5_over_90_percent_a_queued_text_below_high_is_cached(utilisation: float, action: Action) -> None:
    assert judged(0.1, 0.1, WORKFLOW, utilisation=utilisation)[0] is action
    assert judged(0.1, 0.1, priority=LOW, utilisation=utilisation)[0] is action


@pytest.mark.parametrize("utilisation", [0.91, 1.0])
def test_rule_5_high_and_critical_stay_queued(utilisation: float) -> None:
    assert judged(0.7, 0.1, utilisation=utilisation) == (QUEUE, HIGH)
    assert judged(0.1, 0.1, ERROR, utilisation=utilisation) == (QUEUE, HIGH)
    assert judged(0.1, 0.1, priority=CRITICAL, utilisation=utilisation) == (QUEUE, CRITICAL)


def test_rule_5_leaves_temp_and_cache_alone() -> None:
    assert judged(0.1, 0.9, utilisation=1.0)[0] is TEMP
    assert judged(0.1, 0.1, utilisation=1.0)[0] is CACHE


# --- all of them


def test_every_rule_that_fired_leaves_a_reason() -> None:
    decision = decide(analysis(0.1, 0.1, ERROR, WORKFLOW), {"session_duration_minutes": 300}, 0.95, priority=MEDIUM)
    reasons = " | ".join(decision.reasoning)
    for said in (
        "ask for no vector",
        "error pattern",
        "workflow pattern",
        "session of 300 minutes",
        "given by the caller",
        "utilisation 0.95",
    ):
        assert said in reasons
    assert len(decision.reasoning) == 6


def test_the_thresholds_can_be_set() -> None:
    chosen = StrategySettings(immediate_importance=0.5, immediate_novelty=0.5, long_session_minutes=10, full_utilisation=0.5)
    assert decide(analysis(0.5, 0.5), settings=chosen).action is IMMEDIATE
    assert decide(analysis(0.5, 0.5), utilisation=0.6, settings=chosen).action is TEMP
    assert decide(analysis(0.1, 0.1), {"session_duration_minutes": 11}, settings=chosen).priority is MEDIUM


SCORES = st.floats(0, 1)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(
    SCORES,
    SCORES,
    st.sets(st.sampled_from(PatternType)),
    st.one_of(st.none(), st.sampled_from(Priority)),
    st.floats(0, 2),
    st.integers(0, 300),
)
def test_a_decision_is_deterministic_and_always_explained(
    importance: float, novelty: float, kinds: set[PatternType], priority: Priority | None, utilisation: float, minutes: int
) -> None:
    given = analysis(importance, novelty, *sorted(kinds))
    decision = decide(given, {"session_duration_minutes": minutes}, utilisation, priority=priority)
    assert decision == decide(given, {"session_duration_minutes": minutes}, utilisation, priority=priority)
    assert decision.reasoning
    assert priority in (None, decision.priority)
    assert decision.priority is not CRITICAL or priority is CRITICAL  # CRITICAL is the caller's to give
    assert utilisation <= 0.9 or decision.action is not IMMEDIATE


# --- make_room: an empty store is not stingy

CACHED = Decision(CACHE, LOW, ("as the rules say",), utilisation=0.5)


def test_room_queues_what_would_be_cached_at_low() -> None:
    decision = make_room(CACHED, unlimited=True, tokens_left=True, twin=False)
    assert (decision.action, decision.priority) == (QUEUE, LOW)
    assert decision.reasoning[0] == "as the rules say"
    assert "room" in decision.reasoning[1]


def test_room_ends_at_80_percent() -> None:
    def at(utilisation: float) -> Action:
        given = Decision(CACHE, LOW, (), utilisation=utilisation)
        return make_room(given, unlimited=False, tokens_left=True, twin=False).action

    assert at(0.80 - BELOW) is QUEUE
    assert at(0.80) is CACHE


def test_room_ends_with_the_tokens_of_the_day() -> None:
    assert make_room(CACHED, unlimited=False, tokens_left=False, twin=False) == CACHED


def test_a_text_equal_but_for_digits_has_no_vector_of_its_own_where_vectors_are_limited() -> None:
    limited = make_room(CACHED, unlimited=False, tokens_left=True, twin=True)
    assert limited.action is CACHE
    assert "but for digits" in limited.reasoning[-1]
    assert make_room(CACHED, unlimited=True, tokens_left=True, twin=True).action is QUEUE


@pytest.mark.parametrize("action", [IMMEDIATE, QUEUE, TEMP])
def test_room_leaves_other_decisions_alone(action: Action) -> None:
    given = Decision(action, MEDIUM, ("x",))
    assert make_room(given, unlimited=True, tokens_left=True, twin=True) == given


# --- through the manager, with real texts

IMPORTANT = (
    "Decision: from now on we deploy the billing service only after the staging database migration finished, because yesterday's"
    " ERROR: connection refused by the primary replica cost every customer an hour of downtime"
)
NOVEL = "cormorants nest on basalt cliffs above the harbour"
FAILURE = "ERROR: connection refused"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def embedder() -> HashEmbedder:
    return HashEmbedder()


@pytest.fixture
def m(clock: FakeClock, embedder: HashEmbedder) -> Iterator[VectorManager]:
    with VectorManager(embedder=embedder, clock=clock, settings=Settings(observer=SilentObserver())) as manager:
        yield manager


def tier_of(m: VectorManager, id: str | None) -> Tier:
    assert id is not None
    return m.get([id])[0].tier


def test_process_content_vectorizes_what_is_important_and_new(m: VectorManager) -> None:
    result = m.process_content(IMPORTANT, {"source": "chat"})
    assert result.status == "vectorized"
    assert result.vector_id == result.id == result.cache_key
    assert result.temp_vector_id is None
    assert result.priority is None
    stored = m.get([str(result.id)], with_vectors=True)[0]
    assert stored.tier is Tier.PERSISTENT
    assert stored.vector is not None
    assert stored.metadata == {"source": "chat"}
    assert {"importance_score", "novelty_score", "patterns", "vectorized_at"} <= set(stored.facts)
    assert "error_report" in stored.facts["patterns"]


def test_process_content_makes_a_temp_vector_of_what_is_only_new(m: VectorManager) -> None:
    result = m.process_content(NOVEL, {})
    assert result["status"] == "temp_vectorized"
    assert result["temp_vector_id"] == result["id"]
    assert result["vector_id"] is None
    assert "novelty 1.00 >= 0.8" in result["strategy"]["reasoning"]
    assert tier_of(m, result.id) is Tier.TEMP


def test_process_content_queues_an_error_seen_before(m: VectorManager) -> None:
    m.process_content(f"{FAILURE} {FAILURE} {FAILURE}")
    result = m.process_content(f"{FAILURE} {FAILURE}")
    assert result["status"] == "queued"
    assert result["priority"] == "high"
    assert result["strategy"]["action"] == "queue_vectorize"
    assert any("error pattern" in reason for reason in result["strategy"]["reasoning"])
    assert tier_of(m, result.id) is Tier.QUEUED


def test_process_content_caches_what_is_neither(m: VectorManager) -> None:
    m.process_content("the sky over the bay is grey and the sky over the hills is grey")
    result = m.process_content("the sky over the hills is grey and the sky over the bay")
    assert result["status"] == "cached_only"
    assert result["strategy"]["action"] == "cache_only"
    assert (result.vector_id, result.temp_vector_id, result.priority) == (None, None, None)
    assert tier_of(m, result.id) is Tier.CACHED
    m.drain()
    assert tier_of(m, result.id) is Tier.CACHED


def test_process_content_answers_an_error_by_key_too(m: VectorManager) -> None:
    result = m.process_content(None)  # type: ignore[arg-type]
    assert result["status"] == "error"
    assert "content" in result["error"]
    assert result["strategy"] is None


def test_a_result_reads_like_a_dictionary(m: VectorManager) -> None:
    result = m.process_content(NOVEL)
    assert "status" in result
    assert "colour" not in result
    assert result.get("colour", 5) == 5
    assert dict(result)["id"] == result.id
    with pytest.raises(KeyError):
        result["colour"]
    with pytest.raises(AttributeError):
        result.status = "queued"  # type: ignore[misc, assignment]


@pytest.mark.parametrize("text", [IMPORTANT, NOVEL])
def test_a_failing_embedder_means_queued_and_nothing_is_lost(m: VectorManager, embedder: HashEmbedder, text: str) -> None:
    embedder.failing = True
    result = m.process_content(text)
    assert result.status == "queued"
    assert result.error is None
    assert [hit.id for hit in m.search("cormorants billing", mode="lexical")] == [result.id]
    embedder.failing = False
    m.drain()
    assert tier_of(m, result.id) is (Tier.PERSISTENT if text is IMPORTANT else Tier.TEMP)


def test_without_an_embedder_texts_wait_in_the_queue(clock: FakeClock, tmp_path: Path) -> None:
    with VectorManager(tmp_path / "store.db", clock=clock) as m:
        assert m.process_content(IMPORTANT, id="a").status == "queued"
        assert m.drain().waiting == 1
    with VectorManager(tmp_path / "store.db", clock=clock, embedder=HashEmbedder()) as m:
        assert m.drain().embedded == 1
        assert tier_of(m, "a") is Tier.PERSISTENT


@pytest.mark.parametrize(("text", "status"), [(IMPORTANT, "vectorized"), (NOVEL, "temp_vectorized"), ("", "cached_only")])
def test_a_duplicate_has_its_originals_status(m: VectorManager, embedder: HashEmbedder, text: str, status: str) -> None:
    first = m.process_content(text)
    second = m.process_content(f"  {text.upper()} ", {"n": 2})
    assert (first.status, first.duplicate_of) == (status, None)
    assert (second.status, second.duplicate_of) == (status, first.id)
    assert second.id != first.id
    assert len(embedder.seen) <= 1
    assert m.explain(str(second.id)).duplicate_of == first.id


def test_duplicates_do_not_cross_namespaces(m: VectorManager) -> None:
    m.process_content(NOVEL, namespace="a")
    assert m.process_content(NOVEL, namespace="b").duplicate_of is None


# --- through the manager, with scores of the test's choice


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let texts say their own scores: "i0.9 n0.2 error ..."."""

    def analyze(self: PatternEngine, content: str, metadata: Any = None) -> ContentAnalysis:
        found = re.match(r"i([\d.]+) n([\d.]+)", content)
        kinds = [kind for kind in (ERROR, WORKFLOW) if kind.value in content]
        return analysis(float(found[1]) if found else 0.0, float(found[2]) if found else 0.0, *kinds)

    monkeypatch.setattr(PatternEngine, "analyze_content", analyze)


@pytest.mark.usefixtures("scored")
@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("i0.8 n0.7", "vectorized"),
        ("i0.79 n0.7", "queued"),
        ("i0.8 n0.69", "queued"),
        ("i0.69 n0.8", "temp_vectorized"),
        ("i0.69 n0.79", "cached_only"),
        ("i0.1 n0.1 error", "queued"),
        ("i0.1 n0.1 user_workflow", "queued"),
    ],
)
def test_process_content_obeys_the_rules_as_written(m: VectorManager, text: str, status: str) -> None:
    assert m.process_content(text).status == status


@pytest.mark.usefixtures("scored")
@pytest.mark.parametrize(
    ("held", "text", "status"),
    [
        (90, "i0.9 n0.9", "vectorized"),
        (91, "i0.9 n0.9", "temp_vectorized"),
        (90, "i0 n0 user_workflow", "queued"),
        (91, "i0 n0 user_workflow", "cached_only"),
        (91, "i0 n0 error", "queued"),
    ],
)
def test_process_content_obeys_the_capacity_rule(embedder: HashEmbedder, held: int, text: str, status: str) -> None:
    with VectorManager(embedder=embedder, budget=Budget(max_items=100), settings=Settings(observer=SilentObserver())) as m:
        m.add([f"filler {letters(number)}" for number in range(held)])
        result = m.process_content(text)
        assert result.status == status
        assert result.strategy is not None
        assert result.strategy.utilisation == pytest.approx(held / 100)
        if held > 90 and status != "queued":
            assert any("utilisation 0.91 > 0.9" in reason for reason in result.strategy.reasoning)


def letters(number: int) -> str:
    """A word of letters for a number: texts that differ in digits alone would be twins."""
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


@pytest.mark.usefixtures("scored")
@pytest.mark.parametrize(("held", "tier"), [(95, Tier.PERSISTENT), (96, Tier.TEMP)])
def test_over_95_percent_the_queue_makes_temp_vectors(embedder: HashEmbedder, held: int, tier: Tier) -> None:
    with VectorManager(embedder=embedder, budget=Budget(max_items=100), settings=Settings(observer=SilentObserver())) as m:
        m.add([Item("i0.7 n0", id="queued"), *(f"filler {letters(number)}" for number in range(held - 1))])
        assert tier_of(m, "queued") is Tier.QUEUED
        m.drain()
        assert tier_of(m, "queued") is tier


@pytest.mark.usefixtures("scored")
def test_with_room_everything_added_is_embedded_in_the_end(m: VectorManager, embedder: HashEmbedder) -> None:
    ids = m.add([f"i0 n0 plain text {letters(number)}" for number in range(20)] + ["i0 n0 port 8080", "i0 n0 port 8081"])
    assert {item.tier for item in m.get(ids)} == {Tier.QUEUED}
    report = m.drain()
    assert (report.embedded, report.waiting) == (22, 0)
    assert {item.tier for item in m.get(ids)} == {Tier.PERSISTENT}


@pytest.mark.usefixtures("scored")
def test_add_wait_embeds_before_it_returns(m: VectorManager) -> None:
    ids = m.add(["i0 n0 plain", "i0.7 n0 queued", "i0 n0.9 new"], wait=True)
    assert [item.tier for item in m.get(ids)] == [Tier.PERSISTENT, Tier.PERSISTENT, Tier.TEMP]


@pytest.mark.usefixtures("scored")
def test_critical_by_argument_by_item_and_by_metadata(m: VectorManager) -> None:
    by_argument = m.process_content("i0 n0 one", priority="critical")
    by_metadata = m.process_content("i0 n0 two", {"vectopt_priority": "critical"})
    assert by_argument.priority == by_metadata.priority == "critical"
    assert by_argument.status == by_metadata.status == "queued"
    (by_item,) = m.add([Item("i0 n0 three", priority=CRITICAL)])
    assert m.explain(by_item).decision.priority is CRITICAL
    assert m.process_content("i0 n0 four", {"vectopt_priority": "low"}, priority=CRITICAL).priority == "critical"
    assert m.get([str(by_metadata.id)])[0].metadata == {"vectopt_priority": "critical"}


# --- statistics

KEYS = ("total_processed", "vectorized_count", "queued_count", "temp_vector_count", "cached_count", "skipped_count")
COUNTED = dict(zip(("vectorized", "queued", "temp_vectorized", "cached_only", "error"), KEYS[1:], strict=True))


def test_an_empty_store_has_counted_nothing(m: VectorManager) -> None:
    assert [m.stats()[key] for key in KEYS] == [0] * 6


@pytest.mark.usefixtures("scored")
@pytest.mark.parametrize("failing", [False, True])
def test_statistics_count_the_answers_given(m: VectorManager, embedder: HashEmbedder, failing: bool) -> None:
    texts = ["i0.9 n0.9 a", "i0.7 n0 b", "i0.7 n0 c", "i0 n0.9 d", "i0 n0 e", "i0 n0 f", "i0 n0 g", "lone \ud800", "i0 n0 e"]
    embedder.failing = failing
    answers = Counter(str(m.process_content(text).status) for text in texts)
    stats = m.stats()
    assert {status: stats[key] for status, key in COUNTED.items()} == {status: answers[status] for status in COUNTED}
    assert stats["total_processed"] == 8


@pytest.mark.usefixtures("scored")
def test_statistics_are_a_namespaces_own_and_survive(tmp_path: Path, embedder: HashEmbedder) -> None:
    with VectorManager(tmp_path / "store.db", embedder=embedder) as m:
        m.process_content("i0.9 n0.9 a", namespace="x")
        m.process_content("i0 n0 b", namespace="y")
    with VectorManager(tmp_path / "store.db", embedder=embedder) as m:
        assert [m.stats(namespace="x")[key] for key in KEYS] == [1, 1, 0, 0, 0, 0]
        assert [m.stats(namespace="y")[key] for key in KEYS] == [1, 0, 0, 0, 1, 0]
        assert [m.stats()[key] for key in KEYS] == [2, 1, 0, 0, 1, 0]
        assert m.stats().namespaces == ("x", "y")


# --- the queue


@pytest.mark.usefixtures("scored")
def test_the_queue_is_worked_in_the_order_of_priority_then_age(m: VectorManager, embedder: HashEmbedder) -> None:
    given: list[tuple[str, Priority]] = [("a", LOW), ("b", MEDIUM), ("c", CRITICAL), ("d", HIGH), ("e", CRITICAL), ("f", LOW), ("g", HIGH)]
    for name, priority in given:
        m.process_content(f"i0 n0 {name}", priority=priority)
    m.drain()
    assert "".join(text[-1] for text in embedder.seen) == "cedgbaf"


@pytest.mark.usefixtures("scored")
def test_drain_can_be_limited(m: VectorManager, embedder: HashEmbedder) -> None:
    m.add([Item(f"i0 n0 {letters(number)}", priority=CRITICAL if number == 7 else LOW) for number in range(8)])
    report = m.drain(limit=3)
    assert (report.embedded, report.waiting) == (3, 5)
    assert embedder.seen == ["i0 n0 h", "i0 n0 a", "i0 n0 b"]


@pytest.mark.usefixtures("scored")
def test_adding_again_with_a_higher_priority_moves_a_waiting_text_forward(m: VectorManager, embedder: HashEmbedder) -> None:
    m.add([Item("i0 n0 a"), Item("i0 n0 b", id="b")])
    m.add([Item("i0 n0 b", id="b", priority=CRITICAL)])
    m.drain()
    assert embedder.seen == ["i0 n0 b", "i0 n0 a"]


@pytest.mark.usefixtures("scored")
def test_three_attempts_then_a_dead_letter_that_can_be_retried(m: VectorManager, embedder: HashEmbedder) -> None:
    (id,) = m.add(["i0 n0 unlucky"])
    embedder.failing = True
    for attempt in (1, 2):
        report = m.drain()
        assert (report.failed, report.dead, report.waiting) == (1, 0, 1)
        assert "the embedder is down" in str(report.error)
        assert m.explain(id).facts["attempts"] == attempt
        assert m.dead_letters() == []
    report = m.drain()
    assert (report.failed, report.dead, report.waiting) == (1, 1, 0)
    (letter,) = m.dead_letters()
    assert (letter.ids, letter.namespace, letter.attempts) == ((id,), "default", 3)
    assert letter["error"] == "ConnectionError: the embedder is down"
    assert m.dead_letters(namespace="other") == []
    assert m.stats().dead_letters == 1
    assert [hit.id for hit in m.search("unlucky", mode="lexical")] == [id]

    embedder.failing = False
    assert m.drain().embedded == 0  # a dead letter waits for its retry
    assert m.retry_dead_letters(namespace="other") == 0
    assert m.retry_dead_letters() == 1
    assert m.dead_letters() == []
    assert m.drain().embedded == 1
    assert tier_of(m, id) is Tier.PERSISTENT


@pytest.mark.usefixtures("scored")
def test_one_bad_text_does_not_take_its_batch_with_it(m: VectorManager, embedder: HashEmbedder) -> None:
    embedder.poison = {"i0 n0 poison"}
    ids = m.add(["i0 n0 a", "i0 n0 poison", "i0 n0 b", "i0 n0 c"])
    for _ in range(3):
        m.drain()
    assert [letter.ids for letter in m.dead_letters()] == [(ids[1],)]
    assert sorted(embedder.seen) == ["i0 n0 a", "i0 n0 b", "i0 n0 c"]


@pytest.mark.usefixtures("scored")
def test_a_failure_goes_back_at_low(m: VectorManager, embedder: HashEmbedder) -> None:
    m.add([Item("i0 n0 first", priority=CRITICAL)])
    embedder.failing = True
    m.drain()
    embedder.failing = False
    m.add([Item("i0 n0 second", priority=MEDIUM)])
    m.drain()
    assert embedder.seen == ["i0 n0 second", "i0 n0 first"]


@pytest.mark.usefixtures("scored")
def test_a_dead_letter_that_brings_its_own_vector_is_dead_no_more(m: VectorManager, embedder: HashEmbedder) -> None:
    (id,) = m.add(["i0 n0 unlucky"])
    embedder.failing = True
    for _ in range(3):
        m.drain()
    m.add([Item("i0 n0 unlucky", id=id, vector=embedder.vector("own"))])
    assert tier_of(m, id) is Tier.PERSISTENT
    assert m.dead_letters() == []
    assert m.stats().dead_letters == 0


# --- the temp tier


def make_temp(m: VectorManager, text: str = NOVEL, **more: Any) -> str:
    result: ProcessResult = m.process_content(text, **more)
    assert result.status == "temp_vectorized"
    return str(result.id)


def test_a_temp_vector_lives_24_hours_and_then_its_text_stays(m: VectorManager, clock: FakeClock) -> None:
    id = make_temp(m)
    assert m.explain(id).facts["expires_at"] == clock.now() + 24 * HOUR
    clock.advance(24 * HOUR - 1)
    assert m.drain().expired == 0
    assert tier_of(m, id) is Tier.TEMP
    clock.advance(1)
    report = m.drain()
    assert (report.expired, report.promoted) == (1, 0)
    assert tier_of(m, id) is Tier.CACHED
    assert m.stats().vectors == 0
    assert m.get([id])[0].content == NOVEL
    assert [hit.id for hit in m.search("cormorants")] == [id]
    assert "time to live" in m.explain(id).history[-1].reason


def test_an_item_can_say_how_long_its_temp_vector_lives(m: VectorManager, clock: FakeClock) -> None:
    (id,) = m.add([Item(NOVEL, ttl_seconds=60)])
    assert tier_of(m, id) is Tier.TEMP
    assert m.explain(id).facts["expires_at"] == clock.now() + 60


def test_the_time_to_live_can_be_set(clock: FakeClock, embedder: HashEmbedder) -> None:
    chosen = Settings(temp=TempSettings(ttl_seconds=10), observer=SilentObserver())
    with VectorManager(embedder=embedder, clock=clock, settings=chosen) as m:
        id = make_temp(m)
        clock.advance(10)
        m.drain()
        assert tier_of(m, id) is Tier.CACHED


def test_an_added_temp_vector_is_kept_at_expiry_while_there_is_room(m: VectorManager, clock: FakeClock) -> None:
    (id,) = m.add([NOVEL])
    assert tier_of(m, id) is Tier.TEMP
    clock.advance(25 * HOUR)
    report = m.drain()
    assert (report.promoted, report.expired) == (1, 0)
    assert tier_of(m, id) is Tier.PERSISTENT


def test_a_text_processed_first_and_added_later_is_kept_as_well(m: VectorManager, clock: FakeClock) -> None:
    make_temp(m)
    (id,) = m.add([NOVEL])
    clock.advance(25 * HOUR)
    m.drain()
    assert tier_of(m, id) is Tier.PERSISTENT


def test_a_temp_text_added_with_its_own_vector_stays(m: VectorManager, clock: FakeClock, embedder: HashEmbedder) -> None:
    id = make_temp(m)
    m.add([Item(NOVEL, id=id, vector=embedder.vector(NOVEL))])
    clock.advance(25 * HOUR)
    m.drain()
    assert tier_of(m, id) is Tier.PERSISTENT


def test_without_room_an_added_temp_vector_expires_like_any(clock: FakeClock, embedder: HashEmbedder) -> None:
    with VectorManager(embedder=embedder, clock=clock, budget=Budget(max_items=10), settings=Settings(observer=SilentObserver())) as m:
        (id,) = m.add([NOVEL])
        m.add([f"filler {letters(number)}" for number in range(8)])
        clock.advance(25 * HOUR)
        m.drain()
        assert tier_of(m, id) is Tier.CACHED
        assert [hit.id for hit in m.search("cormorants", mode="lexical")] == [id]


def test_three_distinct_queries_earn_promotion(m: VectorManager, clock: FakeClock) -> None:
    id = make_temp(m)
    for query in ("cormorants", "basalt"):
        m.search(query)
    assert m.drain().promoted == 0
    m.search("harbour")
    assert m.drain().promoted == 1
    stored = m.get([id])[0]
    assert stored.tier is Tier.PERSISTENT
    assert stored.facts["promoted_from_temp"] is True
    assert stored.facts["temp_access_count"] == 3
    assert stored.facts["promoted_at"] == clock.now()
    assert stored.metadata == {}
    clock.advance(48 * HOUR)
    m.drain()
    assert tier_of(m, id) is Tier.PERSISTENT


def test_the_same_query_thrice_earns_nothing(m: VectorManager) -> None:
    id = make_temp(m)
    for query in ("cormorants", "cormorants", "basalt", "basalt", "cormorants"):
        m.search(query)
    assert m.drain().promoted == 0
    facts = m.explain(id).facts
    assert facts["distinct_queries"] == 2
    assert facts["access_count"] == 5


def test_queries_by_vector_count_too(m: VectorManager, embedder: HashEmbedder) -> None:
    id = make_temp(m)
    for query in ("one", "two", "three"):
        m.search(embedder.vector(query))
    m.drain()
    assert tier_of(m, id) is Tier.PERSISTENT


def test_queries_that_did_not_show_it_earn_nothing(m: VectorManager) -> None:
    id = make_temp(m)
    for query in ("cormorants", "basalt", "harbour"):
        m.search(query, filter={"nothing": "like this"})
        m.search(query, tiers=["persistent"])
        m.search(query, namespace="other")
    m.drain()
    assert tier_of(m, id) is Tier.TEMP


def test_queries_are_remembered_over_a_restart(tmp_path: Path, clock: FakeClock, embedder: HashEmbedder) -> None:
    for query in ("cormorants", "basalt", "harbour"):
        with VectorManager(tmp_path / "store.db", embedder=embedder, clock=clock) as m:
            if not m.get(["a"]):
                make_temp(m, id="a")
            m.search(query)
    with VectorManager(tmp_path / "store.db", embedder=embedder, clock=clock) as m:
        assert m.drain().promoted == 1


def test_expiry_asks_first_whether_promotion_was_earned(m: VectorManager, clock: FakeClock) -> None:
    id = make_temp(m)
    for query in ("cormorants", "basalt", "harbour"):
        m.search(query)
    clock.advance(25 * HOUR)
    report = m.drain()
    assert (report.promoted, report.expired) == (1, 0)
    assert tier_of(m, id) is Tier.PERSISTENT


@pytest.mark.usefixtures("scored")
def test_one_drain_promotes_all_that_earned_it(m: VectorManager) -> None:
    m.add([f"i0 n0.9 {letters(number)}" for number in range(600)])
    for query in ("one", "two", "three"):
        assert len(m.search(query, 600)) == 600
    assert m.drain().promoted == 600


def test_a_caller_can_promote(m: VectorManager, clock: FakeClock) -> None:
    id = make_temp(m, metadata={"mine": 1})
    m.search("cormorants")
    clock.advance(60)
    assert m.promote_temp_vector(id) == id
    stored = m.get([id])[0]
    assert stored.tier is Tier.PERSISTENT
    assert (stored.facts["promoted_from_temp"], stored.facts["temp_access_count"], stored.facts["promoted_at"]) == (True, 1, clock.now())
    assert stored.metadata == {"mine": 1}
    assert m.promote_temp_vector(id) is None
    assert m.promote_temp_vector("nobody") is None


def test_search_temp_vectors_cuts_at_07_limits_and_sorts(m: VectorManager, embedder: HashEmbedder) -> None:
    m.add([Item("persistent", vector=embedder.vector("query"))])
    ids = [make_temp(m, text) for text in ("walrus tundra", "quartz geyser", "violin sonata")]
    texts = ["walrus tundra", "quartz geyser", "violin sonata"]
    mixed = 0.8 * embedder.vector(texts[0]) + 0.75 * embedder.vector(texts[1]) + 0.1 * embedder.vector(texts[2])
    hits = m.search_temp_vectors(mixed.tolist())
    cosines = {id: float(embedder.vector(text) @ mixed) / float((mixed @ mixed) ** 0.5) for id, text in zip(ids, texts, strict=True)}
    expected = [id for id in sorted(ids, key=lambda one: -cosines[one]) if cosines[id] > 0.7]
    assert 1 <= len(expected) < 3, "the vectors don't say anything: choose other texts"
    assert [hit.id for hit in hits] == expected
    assert [hit.similarity for hit in hits] == pytest.approx([cosines[id] for id in expected], abs=1e-5)
    assert {hit.tier for hit in hits} == {Tier.TEMP}
    assert [hit.id for hit in m.search_temp_vectors(mixed, 1)] == expected[:1]
    assert m.search_temp_vectors(mixed, namespace="other") == []


def test_search_temp_vectors_returns_five_at_the_most(m: VectorManager, clock: FakeClock) -> None:
    for number in range(7):
        m.process_content(f"{letters(number)}zephyr {letters(number)}quartz", id=str(number))
    ids = [item.id for item in m.scan() if item.tier is Tier.TEMP]
    assert len(ids) == 7
    query = m.get(["3"], with_vectors=True)[0].vector
    assert query is not None
    assert m.search_temp_vectors(query)[0].id == "3"
    wide = Settings(temp=TempSettings(similarity=0.0), observer=SilentObserver())
    with VectorManager(embedder=HashEmbedder(2), clock=clock, settings=wide) as other:
        for number in range(40):
            other.process_content(f"{letters(number)}zephyr {letters(number)}quartz")
        assert len(other.search_temp_vectors([1.0, 0.2])) == 5


def test_the_cut_is_not_applied_to_the_merged_search(m: VectorManager) -> None:
    ids = {make_temp(m, text) for text in ("walrus tundra", "quartz geyser", "violin sonata")}
    assert {hit.id for hit in m.search("unrelated", 3, mode="dense")} == ids


# --- own vectors


def own_vector(m: VectorManager, id: str) -> list[float]:
    vector = m.get([id], with_vectors=True)[0].vector
    assert vector is not None
    return [float(value) for value in vector]


def test_an_own_vector_is_taken_as_it_is(m: VectorManager, embedder: HashEmbedder) -> None:
    m.add([Item("amber", id="a", vector=[float(number) for number in range(16)])])
    stored = m.get(["a"])[0]
    assert own_vector(m, "a") == [float(number) for number in range(16)]
    assert (stored.tier, stored.facts["vector_origin"]) == (Tier.PERSISTENT, "caller")
    assert embedder.seen == []


def test_copies_of_a_text_whose_vectors_disagree_keep_their_own(m: VectorManager, embedder: HashEmbedder) -> None:
    vectors = {id: embedder.vector(id) for id in ("a", "b")}
    for id, vector in vectors.items():
        m.add([Item("the same text", id=id, vector=vector)])
    m.add([Item("the same text", id="c", vector=vectors["a"])])
    assert m.stats().vectors == 2
    for id in ("a", "b"):
        assert own_vector(m, id) == pytest.approx(vectors[id].tolist())
        assert next(hit.id for hit in m.search(vectors[id])) == id
    assert m.explain("c").duplicate_of == "a"


def test_an_item_that_keeps_its_text_keeps_its_own_vector(m: VectorManager, embedder: HashEmbedder) -> None:
    """New metadata for the same text, given without the vector, must not take it away."""
    for id in ("a", "b"):
        m.add([Item("the same text", id=id, vector=embedder.vector(id))])
    for id in ("a", "b"):
        m.add([Item("the same text", {"n": 1}, id)])
        assert own_vector(m, id) == pytest.approx(embedder.vector(id).tolist())
        assert m.get([id])[0].metadata == {"n": 1}
    assert m.stats().vectors == 2
    assert embedder.seen == []
