"""What is important is learned from feedback, a namespace at a time, and is nobody's fixed belief."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vectopt import PatternEngine, VectorManager
from vectopt.analysis import Importance, read

from .fakes import HashEmbedder

QUICK = settings(deadline=None, derandomize=True, max_examples=200)


def raw(importance: Importance, text: str) -> float:
    return importance.raw(read(text).features(0.5))


def sentence(random: Random, count: int) -> str:
    return " ".join(f"word{random.randrange(5000)}" for _ in range(count))


# --- by itself


@QUICK
@given(st.text(max_size=300), st.floats(0, 1))
def test_without_feedback_importance_is_the_prior(text: str, novelty: float) -> None:
    reading = read(text)
    assert Importance().raw(reading.features(novelty)) == reading.prior
    assert Importance().neutral


@QUICK
@given(st.lists(st.tuples(st.text(max_size=200), st.floats(0, 1), st.booleans()), max_size=30), st.text(max_size=200))
def test_importance_stays_in_0_to_1_and_is_determined(lessons: list[tuple[str, float, bool]], text: str) -> None:
    def learned() -> Importance:
        importance = Importance()
        for one, novelty, useful in lessons:
            importance.learn(read(one).features(novelty), useful)
        return importance

    assert 0 <= raw(learned(), text) <= 1
    assert learned().to_bytes() == learned().to_bytes()
    assert Importance.from_bytes(learned().to_bytes()).to_bytes() == learned().to_bytes()


@pytest.mark.parametrize("long_is_useful", [True, False])
def test_what_was_useful_comes_to_be_important(long_is_useful: bool) -> None:
    random, importance = Random(3), Importance()
    for _ in range(30):
        importance.learn(read(sentence(random, 100)).features(0.5), long_is_useful)
        importance.learn(read(sentence(random, 5)).features(0.5), not long_is_useful)
    assert (raw(importance, sentence(random, 80)) > raw(importance, sentence(random, 6))) == long_is_useful


def test_a_fixed_belief_can_be_unlearned() -> None:
    """Errors weigh more at first; where nobody asks for them they come to weigh less."""
    importance, error, plain = Importance(), "Error: the disk of db1 is full", "The herons of the lake are back"
    assert raw(importance, error) > raw(importance, plain)
    for _ in range(60):
        importance.learn(read(plain).features(0.5), True)
        importance.learn(read(error).features(0.5), False)
    assert raw(importance, error) < raw(importance, plain)


def test_what_is_learned_is_bounded() -> None:
    importance = Importance()
    for _ in range(20_000):
        importance.learn(read("1 A 2 B ERROR: 3").features(1.0), True)
    assert abs(importance.weights).max() <= 5
    assert len(importance.to_bytes()) < 200


@pytest.mark.parametrize("data", [b"", b"x", b"\xff" * 136, b"\xff" * 4000], ids=len)
def test_damaged_state_is_nothing_learned(data: bytes) -> None:
    assert Importance.from_bytes(data).neutral


# --- in the store

LONG = [f"topic{n} report " + " ".join(f"detail{n}x{i}" for i in range(60)) for n in range(12)]
SHORT = [f"topic{n} report note{n}" for n in range(12)]


def taught(manager: VectorManager, namespace: str, useful: str) -> None:
    manager.add(
        [{"id": f"{kind} {n}", "content": text} for kind, texts in (("long", LONG), ("short", SHORT)) for n, text in enumerate(texts)],
        namespace=namespace,
    )
    for n in range(len(LONG)):
        manager.feedback(f"topic{n} report", [f"{useful} {n}"], namespace=namespace)


def importance(manager: VectorManager, text: str, namespace: str) -> float:
    return manager.why_not(text, namespace=namespace).decision.importance_score


NEW_LONG = "a further report " + " ".join(f"matter{i}" for i in range(55))
NEW_SHORT = "a further report on matters of all kinds that came up this week in the whole of the company and its many offices everywhere"


def test_feedback_teaches_each_namespace_what_is_important_there_and_it_lasts(tmp_path: object) -> None:
    path = f"{tmp_path}/store.db"
    with VectorManager(path, embedder=HashEmbedder()) as m, VectorManager(path, embedder=HashEmbedder()) as other:
        other.why_not("a text", namespace="long")
        taught(m, "long", "long")
        taught(m, "short", "short")
        before = [importance(m, text, name) for name in ("long", "short") for text in (NEW_LONG, NEW_SHORT)]
        assert [importance(other, text, "long") for text in (NEW_LONG, NEW_SHORT)] == pytest.approx(before[:2], abs=0.02)
    with VectorManager(path) as m:
        assert importance(m, NEW_LONG, "long") > importance(m, NEW_SHORT, "long")
        assert importance(m, NEW_LONG, "short") < importance(m, NEW_SHORT, "short")
        assert [importance(m, text, name) for name in ("long", "short") for text in (NEW_LONG, NEW_SHORT)] == before


def test_without_feedback_nothing_changes() -> None:
    with VectorManager(embedder=HashEmbedder()) as m:
        m.add(LONG)
        m.search("topic1 report", 5)
        m.feedback("topic1 report", ["nobody"])
        m.feedback("topic1 report", [])
        engine = PatternEngine()
        for text in LONG:
            engine.observe(text)
        assert m.why_not(NEW_LONG).decision.importance_score == engine.analyze_content(NEW_LONG).importance_score


def test_feedback_is_no_search() -> None:
    """It gives a temp vector no access, and so no promotion."""
    with VectorManager(embedder=HashEmbedder()) as m:
        m.process_content("Error: the disk is full")
        found = m.search("disk", 1)[0]
        m.feedback("full", [found.id])
        m._retrieval.save_found()
        assert m.explain(found.id).facts["access_count"] == 1
