"""What a score means: 0.8 is above 80 % of what the namespace has seen."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vectopt import Budget, PatternEngine, VectorManager
from vectopt.analysis import Calibration, Scale
from vectopt.errors import CapacityExceeded

from .fakes import HashEmbedder

QUICK = settings(deadline=None, derandomize=True, max_examples=200)
SCORES = st.floats(0, 1)


def after(raws: list[float]) -> Calibration:
    calibration = Calibration()
    for raw in raws:
        calibration.observe(raw)
    return calibration


# --- the scores


@pytest.mark.parametrize("raw", [0.0, 0.1, 0.5, 0.62, 1.0])
def test_before_anything_was_seen_a_score_stands_for_itself(raw: float) -> None:
    assert Calibration().score(raw) == raw


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.3, 0.5), (0.90, 0.99)])
def test_a_score_is_the_share_that_is_lower_wherever_the_corpus_scores(low: float, high: float) -> None:
    random = Random(1)
    calibration = after([random.uniform(low, high) for _ in range(6000)])
    for share in (0.1, 0.5, 0.7, 0.8, 0.95):
        assert calibration.score(low + share * (high - low)) == pytest.approx(share, abs=0.04)


def test_the_reference_counts_as_the_first_hundred() -> None:
    assert after([0.1] * 100).score(0.5) == pytest.approx((100 * 0.5 + 100) / 200)
    assert after([0.1] * 900).score(0.5) == pytest.approx((100 * 0.5 + 900) / 1000)


def test_equals_share_the_middle_of_their_ranks() -> None:
    assert after([0.4] * 5000).score(0.4) == pytest.approx(0.5, abs=0.01)


def test_a_stream_that_changes_is_followed() -> None:
    calibration = after([0.9] * 20_000)
    for _ in range(20_000):
        calibration.observe(0.1)
    assert calibration.score(0.5) > 0.9


@pytest.mark.parametrize("raw", [-1.0, 2.0])
def test_raw_scores_out_of_range_count_as_its_ends(raw: float) -> None:
    assert after([raw]).score(raw) == after([min(1.0, max(0.0, raw))]).score(min(1.0, max(0.0, raw)))


@QUICK
@given(st.lists(SCORES, max_size=300), SCORES, SCORES)
def test_scores_are_in_0_to_1_in_the_order_of_the_raw_ones(seen: list[float], one: float, other: float) -> None:
    calibration = after(seen)
    low, high = sorted((one, other))
    assert 0 <= calibration.score(low) <= calibration.score(high) <= 1


@QUICK
@given(st.lists(SCORES, max_size=300), SCORES)
def test_the_state_survives_being_written_down(seen: list[float], raw: float) -> None:
    calibration = after(seen)
    again = Calibration.from_bytes(calibration.to_bytes())
    assert again.score(raw) == calibration.score(raw)
    assert again.to_bytes() == calibration.to_bytes()


def test_the_state_is_some_hundred_bytes() -> None:
    random = Random(2)
    scale = Scale()
    for _ in range(50_000):
        scale.observe(random.random(), random.random())
    assert len(scale.to_bytes()) < 1100
    assert Scale.from_bytes(scale.to_bytes()).to_bytes() == scale.to_bytes()


@pytest.mark.parametrize("data", [b"", b"x", b"\xff" * 4, b"x" * 5000, Calibration().to_bytes()[:-3]], ids=len)
def test_damaged_state_is_learned_anew(data: bytes) -> None:
    assert Calibration.from_bytes(data).score(0.3) == 0.3
    assert Scale.from_bytes(data).importance.score(0.3) == 0.3


# --- in the analysis


def sentences(count: int, seed: int = 0) -> list[str]:
    random = Random(seed)
    return [" ".join(f"w{random.randrange(300)}" for _ in range(random.randint(4, 40))) for _ in range(count)]


def test_thresholds_mean_the_same_share_on_every_corpus() -> None:
    """Of a dull stream as many texts are above 0.8 as of a lively one: a fifth."""
    for prefix in ("", "error: ", "copyright (c) "):
        engine = PatternEngine()
        above = 0
        for number, text in enumerate(sentences(3000)):
            above += number >= 1000 and engine.analyze_content(prefix + text).importance_score >= 0.8
            engine.observe(prefix + text)
        assert above < 2000 * 0.25


def test_analysing_leaves_the_scale_alone_and_observing_moves_it() -> None:
    engine = PatternEngine()
    for text in sentences(20):
        engine.analyze_content(text)
    assert engine.scale.to_bytes() == Scale().to_bytes()
    engine.observe("a text with words")
    assert engine.scale.to_bytes() != Scale().to_bytes()


@pytest.mark.parametrize("text", ["", " \n", "?!"])
def test_a_text_without_words_says_nothing_of_the_others(text: str) -> None:
    engine = PatternEngine()
    engine.observe(text)
    assert engine.scale.to_bytes() == Scale().to_bytes()


def test_the_same_stream_gives_the_same_scores() -> None:
    def scores() -> list[tuple[float, float]]:
        engine = PatternEngine()
        found = []
        for text in sentences(300):
            analysis = engine.analyze_content(text)
            found.append((analysis.importance_score, analysis.novelty_score))
            engine.observe(text)
        return found

    assert scores() == scores()


# --- in the store


def test_what_scores_mean_survives_a_restart(tmp_path: object) -> None:
    texts = sentences(400)
    probe = "Error: w1 w2 new words"
    with VectorManager(f"{tmp_path}/store.db") as m:
        m.add(texts)
        before = m.why_not(probe).decision
    with VectorManager(f"{tmp_path}/store.db") as m:
        assert m.why_not(probe).decision == before
        assert m.why_not(probe, namespace="other").decision.importance_score != before.importance_score


def test_why_not_changes_no_scale() -> None:
    probe = "Error: w1 w2 new words"
    with VectorManager() as m:
        m.add(sentences(50))
        before = m.why_not(probe).decision
        for text in sentences(20, seed=1):
            m.why_not(text)
        assert m.why_not(probe).decision == before


def test_two_managers_on_one_file_see_one_stream(tmp_path: object) -> None:
    """What one writes the other takes in, once: their scales are those of one manager that wrote it all."""
    path = f"{tmp_path}/store.db"
    texts = sentences(60)
    with VectorManager(path) as one, VectorManager(path) as other:
        for number, text in enumerate(texts):
            (one, other)[number % 2].add([text])
        both = [m.why_not("w1 w2 w3 something unheard of").decision for m in (one, other)]
    with VectorManager() as alone:
        for text in texts:
            alone.add([text])
        expected = alone.why_not("w1 w2 w3 something unheard of").decision
    for decision in both:
        assert decision.importance_score == pytest.approx(expected.importance_score, abs=0.01)
        assert decision.novelty_score == pytest.approx(expected.novelty_score, abs=0.03)


def test_a_call_that_fails_leaves_no_trace_in_the_scale(tmp_path: object) -> None:
    with VectorManager(f"{tmp_path}/store.db", budget=Budget(max_items=3)) as m:
        m.add(["alpha beta", "gamma delta", "epsilon zeta"])
        before = m.why_not("error: some words").decision
        with pytest.raises(CapacityExceeded):
            m.add(sentences(50))
        assert m.why_not("error: some words").decision == before


def test_an_error_in_a_fresh_store_is_treated_as_one() -> None:
    with VectorManager(embedder=HashEmbedder()) as m:
        result = m.process_content("Error: the disk is full")
        assert result["status"] == "temp_vectorized"
        assert "error pattern found" in result["strategy"]["reasoning"]
        assert result["strategy"]["novelty_score"] == 1.0
