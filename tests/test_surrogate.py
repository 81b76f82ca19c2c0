"""Texts without a vector are found by meaning too: what an embedder would say of them is learned from those it was asked about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vectopt import Budget, Hit, Item, SearchSettings, Settings, VectorManager, ranking
from vectopt.index import NamespaceIndex, surrogate
from vectopt.index.forward import BUCKETS, Forward
from vectopt.index.lexical import LexicalIndex
from vectopt.index.surrogate import Surrogate
from vectopt.quantization import Query
from vectopt.strategy import Weighing
from vectopt.testing import FakeClock, SilentObserver

Floats = NDArray[np.float32]

SYNONYMS = {"automobile": "car", "physician": "doctor", "feline": "cat", "infant": "baby"}
WHERE = ["harbour", "market", "station", "garden", "bridge", "tower", "meadow", "cellar", "chapel", "quarry"]
FILLERS = [f"{a}{b}" for a in ("ka", "lo", "mi", "nu", "pe") for b in ("bar", "dor", "fin", "gul", "hem", "jas")]


class MeaningEmbedder:
    """Sums the meanings of words; synonyms mean the same."""

    name = "meaning"
    dimensions: int | None = 64

    def embed(self, texts: Sequence[str], role: str) -> Floats:
        rows = np.stack([np.sum([self._word(word) for word in text.lower().split()], axis=0) for text in texts])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    @staticmethod
    def _word(word: str) -> Any:
        meant = SYNONYMS.get(word, word)
        weight = 3.0 if meant in SYNONYMS.values() else 1.0
        return weight * np.random.default_rng(list(meant.encode())).normal(size=64)


def stream() -> list[Item]:
    """240 texts, each with a word that has a synonym, among others."""
    rng = np.random.default_rng(5)
    told = list(SYNONYMS)
    return [
        Item(f"the {told[n % 4]} by the {WHERE[n % 10]} {' '.join(rng.choice(FILLERS, 3))}", {"kind": told[n % 4]}, id=str(n))
        for n in range(240)
    ]


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[VectorManager]:
    """A store of which tokens allow half."""
    with VectorManager(
        tmp_path / "store.db",
        embedder=MeaningEmbedder(),
        budget=Budget(max_tokens_per_day=1_400),
        clock=FakeClock(0.0),
        settings=Settings(observer=SilentObserver(), search=SearchSettings(depth=50)),
    ) as m:
        m.add(stream())
        m.drain()
        yield m


def share_of_kind(hits: list[Hit], kind: str) -> float:
    return sum(hit.metadata["kind"] == kind for hit in hits) / len(hits)


def test_texts_without_a_vector_are_found_by_words_that_they_don_t_have(limited: VectorManager) -> None:
    assert 60 <= limited.stats().vectors <= 180
    for kind, query in SYNONYMS.items():
        bare = [hit for hit in limited.search(query, 240) if hit.predicted]
        assert len(bare) >= 60
        assert share_of_kind(bare[:10], kind) >= 0.9
        assert not limited.search(query, 240, mode="lexical")


def test_a_search_for_few_gives_the_first_of_a_search_for_all(limited: VectorManager) -> None:
    rng = np.random.default_rng(1)
    for text in ("baby", "the cat garden", "zebra", "cellar kabar"):
        for filter in (None, {"kind": "feline"}):
            weight = float(rng.uniform(0, 0.9))
            few = limited.search(text, 3, filter=filter, lexical_weight=weight)
            every = limited.search(text, 1_000, filter=filter, lexical_weight=weight)
            assert [hit.score for hit in few] == pytest.approx([hit.score for hit in every[:3]], abs=1e-5)


def test_asked_again_or_opened_anew_the_answer_is_the_same(limited: VectorManager, tmp_path: Path) -> None:
    first = [(hit.id, hit.score) for hit in limited.search("car harbour", 20)]
    assert [(hit.id, hit.score) for hit in limited.search("car harbour", 20)] == first
    with VectorManager(tmp_path / "store.db", embedder=MeaningEmbedder(), settings=Settings(search=SearchSettings(depth=50))) as again:
        assert [(hit.id, pytest.approx(hit.score)) for hit in again.search("car harbour", 20)] == first


def test_what_was_deleted_is_neither_found_nor_judged_by(limited: VectorManager) -> None:
    limited.search("car", 5)
    gone = [item.id for item in limited.scan()][:100]
    limited.delete(gone)
    for query in SYNONYMS.values():
        found = {hit.id for hit in limited.search(query, 240)}
        assert len(found) == 140
        assert not found & {*gone}


def test_feedback_judges_the_ranking_that_is_in_use(limited: VectorManager, tmp_path: Path) -> None:
    """What is useful shares no word with the query, and half of it has no vector: the weight of words has to fall."""
    settings = Settings(search=SearchSettings(depth=50, lexical_weight=1.0))
    with VectorManager(tmp_path / "store.db", embedder=MeaningEmbedder(), settings=settings) as m:
        for number, (kind, query) in enumerate(SYNONYMS.items()):
            elsewhere = WHERE[1 - number % 2]  # no text of this kind is set there
            weight = m.feedback(f"{query} {elsewhere}", [item.id for item in m.scan() if item.metadata["kind"] == kind])
    assert weight < 1


def index_of(texts: Sequence[str], vectors: Floats, measured: int) -> NamespaceIndex:
    index = NamespaceIndex()
    data = [row.astype("<f4").tobytes() for row in vectors]
    rows = [(n, str(n).encode(), "persistent" if n < measured else "cached") for n in range(len(texts))]
    index.put([(*row, "float32" if n < measured else None, data[n] if n < measured else None) for n, row in enumerate(rows)], 64)
    index.add_words(range(len(texts)), [text.split() for text in texts])
    return index


def test_nothing_is_learned_where_nothing_is_unknown_or_little_is_known() -> None:
    items = stream()
    texts = [item.content for item in items]
    vectors = MeaningEmbedder().embed(texts, "document")
    assert index_of(texts, vectors, 240).view().learned is None
    assert index_of(texts, vectors, 230).view().learned is None
    assert index_of(texts, vectors, surrogate.LEAST - 1).view().learned is None
    assert index_of(texts, vectors, surrogate.LEAST).view().learned is not None


def test_predictions_are_near_the_truth_and_get_nearer_the_more_is_known() -> None:
    texts = [item.content for item in stream()]
    vectors = MeaningEmbedder().embed(texts, "document")
    query = Query(MeaningEmbedder().embed(["physician"], "query")[0])
    errors = []
    for measured in (70, 200):
        view = index_of(texts, vectors, measured).view()
        inferred = view.inferred(query)
        assert inferred is not None
        told, truth = inferred[200:], vectors[200:] @ query.unit
        errors.append(float(np.abs(told - truth).mean()))
        assert np.corrcoef(told, truth)[0, 1] > 0.9
        assert errors[-1] < 0.5 * np.abs(truth - truth.mean()).mean()
    assert errors[1] < errors[0]


def test_words_turned_round_are_the_texts_words_however_they_came() -> None:
    rng = np.random.default_rng(3)
    texts = [[f"w{n}" for n in rng.zipf(1.3, size=rng.integers(0, 12)) % 20_000] for _ in range(700)]
    at_once, grown = LexicalIndex(), LexicalIndex()
    at_once.add(np.arange(700), texts)
    grown.forward()
    for start in range(0, 700, 37):
        grown.add(np.arange(start, min(700, start + 37)), texts[start : start + 37])
    for index in (at_once, grown):
        forward = index.forward()
        assert len(forward) == 700
        for place, text in enumerate(texts):
            counts, buckets = forward.of(np.array([place]))
            assert counts.tolist() == [len(set(text))]
            assert Counter(buckets.tolist()) == Counter(term % BUCKETS for term in index.terms([*set(text)]))


def test_memory_is_bounded_whatever_the_length_of_the_stream() -> None:
    rng = np.random.default_rng(4)
    learner = Surrogate(8)
    lexical = LexicalIndex()
    texts = [[f"w{n}" for n in rng.integers(0, 60_000, size=8)] for _ in range(6_000)]
    lexical.add(np.arange(6_000), texts)
    forward = lexical.forward()
    vectors = rng.normal(size=(6_000, 8)).astype(np.float32)
    for known in (2_000, 4_000, 6_000):
        learner.follow(np.arange(6_000) < known, forward, vectors.__getitem__, np.zeros(8, np.float32))
    view = learner.view()
    assert view is not None
    assert len(view.words) <= BUCKETS
    assert len(view.held) == len(view.predictions) <= 512
    assert np.isfinite(view.words).all()
    assert 0 <= view.trust <= 1


def test_what_is_random_is_not_trusted() -> None:
    rng = np.random.default_rng(6)
    lexical, learner = LexicalIndex(), Surrogate(32)
    lexical.add(np.arange(900), [[f"w{n}" for n in rng.integers(0, 300, size=10)] for _ in range(900)])
    vectors = rng.normal(size=(900, 32)).astype(np.float32)
    learner.follow(np.arange(900) < 600, lexical.forward(), vectors.__getitem__, np.zeros(32, np.float32))
    view = learner.view()
    assert view is not None
    assert view.trust < 0.1


def test_an_empty_forward_index_has_no_words() -> None:
    assert Forward([], 3).view().counts.tolist() == [0, 0, 0]


def test_texts_without_words_may_come_last() -> None:
    """They make a part of the postings in which there is nothing."""
    texts = [item.content for item in stream()]
    vectors = MeaningEmbedder().embed(texts, "document")
    index = index_of(texts, vectors, 0)
    index.put([(240, b"wordless", "cached", None, None)], 64)
    index.add_words([240], [[]])
    index.view()
    index.put([(n, str(n).encode(), "persistent", "float32", vectors[n].astype("<f4").tobytes()) for n in range(120)], 64)
    view = index.view()
    inferred = view.inferred(Query(vectors[0]))
    assert inferred is not None
    assert inferred[240] == pytest.approx(view.mean(Query(vectors[0])))


def test_memory_is_let_go_when_all_texts_have_vectors() -> None:
    texts = [item.content for item in stream()]
    vectors = MeaningEmbedder().embed(texts, "document")
    index = index_of(texts, vectors, 200)
    index.view()
    held = index.nbytes
    index.put([(n, str(n).encode(), "persistent", "float32", vectors[n].astype("<f4").tobytes()) for n in range(200, 240)], 64)
    assert index.view().learned is None
    assert index.nbytes < held


def test_few_are_looked_at_though_all_predictions_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    vectors = rng.normal(size=(4_000, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    view = index_of(["same words"] * 4_000, vectors, 400).view()
    assert view.learned is not None
    looked_at: list[int] = []
    among = ranking._Both.among
    monkeypatch.setattr(ranking._Both, "among", lambda self, positions: (looked_at.append(len(positions)), among(self, positions))[1])
    ranking.by_both(view, Query(vectors[5]), np.zeros(4_000, np.float32), 10, None, Weighing(0.35), 50)
    assert max(looked_at) < 1_000
