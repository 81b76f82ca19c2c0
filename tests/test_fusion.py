"""One ranking from words and vectors: properties that hold whatever the scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from vectopt.strategy import fuse, maximal_marginal_relevance

QUICK = settings(deadline=None, derandomize=True, max_examples=200)
NAN = float("nan")
Floats = NDArray[np.float32]


def floats(*values: float) -> Floats:
    return np.array(values, np.float32)


BM25 = st.one_of(st.just(0.0), st.floats(0.125, 30, width=32))
COSINE = st.one_of(st.just(NAN), st.floats(-1, 1, width=32))
LISTS = st.lists(st.tuples(BM25, COSINE), min_size=1, max_size=30).map(
    lambda pairs: (floats(*(a for a, _ in pairs)), floats(*(b for _, b in pairs)))
)
WEIGHT = st.floats(0, 1)
DEPTH = st.integers(1, 40)


@QUICK
@given(LISTS, WEIGHT, DEPTH)
def test_scores_are_finite_and_in_0_to_1(lists: tuple[Floats, Floats], weight: float, depth: int) -> None:
    fused = fuse(*lists, weight, depth)
    assert len(fused.score) == len(fused.similarity) == len(fused.predicted) == len(lists[0])
    assert ((fused.score >= 0) & (fused.score <= 1)).all()
    assert np.isfinite(fused.similarity).all()
    assert (np.abs(fused.similarity) <= 1 + 1e-6).all()


@QUICK
@given(LISTS, WEIGHT, DEPTH)
def test_measured_cosines_are_kept_and_only_missing_ones_are_predicted(lists: tuple[Floats, Floats], weight: float, depth: int) -> None:
    lexical, dense = lists
    before = lexical.copy(), dense.copy()
    fused = fuse(lexical, dense, weight, depth)
    assert (fused.predicted == np.isnan(dense)).all()
    assert (fused.similarity[~fused.predicted] == dense[~fused.predicted]).all()
    np.testing.assert_array_equal(lexical, before[0])
    np.testing.assert_array_equal(dense, before[1])


@QUICK
@given(LISTS, WEIGHT, DEPTH)
def test_better_in_both_lists_is_never_ranked_lower(lists: tuple[Floats, Floats], weight: float, depth: int) -> None:
    lexical, dense = lists
    fused = fuse(lexical, dense, weight, depth)
    for one in range(len(lexical)):
        worse = (lexical <= lexical[one]) & (fused.similarity <= fused.similarity[one])
        assert (fused.score[worse] <= fused.score[one]).all()


@QUICK
@given(LISTS, DEPTH)
def test_at_the_ends_of_the_weight_one_list_ranks_and_the_other_breaks_ties(lists: tuple[Floats, Floats], depth: int) -> None:
    lexical, dense = lists
    words, vectors = fuse(lexical, dense, 1.0, depth), fuse(lexical, dense, 0.0, depth)
    for one in range(len(lexical)):
        assert (words.score[lexical < lexical[one]] <= words.score[one] + 1e-6).all()
        assert (vectors.score[vectors.similarity < vectors.similarity[one]] <= vectors.score[one] + 1e-6).all()
        equal = lexical == lexical[one]
        np.testing.assert_allclose(words.score[equal], words.score[one], atol=1e-6)
        assert (words.mixed[equal & (words.similarity < words.similarity[one] - 0.01)] < words.mixed[one]).all()


@QUICK
@given(LISTS, WEIGHT, DEPTH, st.randoms(use_true_random=False))
def test_the_order_in_which_texts_stand_does_not_matter(lists: tuple[Floats, Floats], weight: float, depth: int, random: object) -> None:
    lexical, dense = lists
    order = list(range(len(lexical)))
    random.shuffle(order)  # type: ignore[attr-defined]
    straight, shuffled = fuse(lexical, dense, weight, depth), fuse(lexical[order], dense[order], weight, depth)
    np.testing.assert_allclose(straight.score[order], shuffled.score, atol=2e-3)


def test_without_any_text_or_vector_there_is_nothing_to_warn_of() -> None:
    assert len(fuse(floats(), floats(), 0.5, 300).score) == 0
    only_words = fuse(floats(0, 2, 1), floats(NAN, NAN, NAN), 0.35, 300)
    assert np.argsort(-only_words.score).tolist() == [1, 2, 0]
    assert only_words.similarity.tolist() == [0, 0, 0]
    assert only_words.predicted.all()


@QUICK
@given(LISTS, WEIGHT, DEPTH, st.data())
def test_what_a_text_gets_besides_moves_it_and_no_other(
    lists: tuple[Floats, Floats], weight: float, depth: int, data: st.DataObject
) -> None:
    besides = floats(*data.draw(st.lists(st.floats(-3, 3, width=32), min_size=len(lists[0]), max_size=len(lists[0]))))
    plain, moved = fuse(*lists, weight, depth), fuse(*lists, weight, depth, besides=besides)
    np.testing.assert_allclose(moved.mixed, plain.mixed + besides, atol=1e-9)
    assert (moved.similarity == plain.similarity).all()


def test_equal_scores_stay_equal() -> None:
    assert len(set(fuse(floats(1, 1, 1), floats(0.5, 0.5, 0.5), 0.35, 300).score.tolist())) == 1


# --- prediction of what has no vector


def predict(lexical: Floats, dense: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    fused = fuse(lexical, dense, 0.5, 300)
    return fused.similarity, fused.predicted


def test_a_text_that_shares_no_word_is_predicted_at_the_mean() -> None:
    similarity, missing = predict(floats(0, 0, 0, 5), floats(0.2, 0.4, NAN, 0.6))
    assert missing.tolist() == [False, False, True, False]
    assert similarity[2] == pytest.approx(0.4)


def test_a_line_fitted_over_five_texts_or_more_predicts_the_others() -> None:
    lexical = floats(1, 2, 3, 4, 5, 6, 0)
    similarity, _ = predict(lexical, floats(0.1, 0.2, 0.3, 0.4, 0.5, NAN, NAN))
    assert similarity[5] == pytest.approx(0.6, abs=1e-5)
    assert similarity[6] == pytest.approx(0.3, abs=1e-5)
    few, _ = predict(lexical, floats(0.1, 0.2, 0.3, 0.4, NAN, NAN, NAN))
    assert few[5] == pytest.approx(0.25, abs=1e-5)


def test_a_falling_line_is_not_believed() -> None:
    similarity, _ = predict(floats(1, 2, 3, 4, 5, 6), floats(0.5, 0.4, 0.3, 0.2, 0.1, NAN))
    assert similarity[5] == pytest.approx(0.3, abs=1e-5)


def test_predictions_stay_within_what_a_cosine_can_be() -> None:
    similarity, _ = predict(floats(1, 2, 3, 4, 5, 100), floats(0.5, 0.6, 0.7, 0.8, 0.9, NAN))
    assert similarity[5] == 1


@QUICK
@given(LISTS)
def test_more_shared_words_never_predict_less(lists: tuple[Floats, Floats]) -> None:
    lexical, dense = lists
    similarity, missing = predict(lexical, dense)
    guessed = np.flatnonzero(missing & (lexical > 0))
    ranked = guessed[np.argsort(lexical[guessed], kind="stable")]
    assert (np.diff(similarity[ranked]) >= -1e-6).all()


# --- maximal marginal relevance


def unit(*values: float) -> Floats:
    vector = floats(*values)
    return vector / np.linalg.norm(vector)


def test_mmr_takes_the_most_relevant_first_and_then_something_else() -> None:
    query = unit(1, 0.4, 0)
    vectors = np.stack([unit(1, 0.1, 0), unit(1, 0.11, 0), unit(0, 1, 0.2)])
    assert maximal_marginal_relevance(vectors @ query, vectors, 2, 1.0) == [1, 0]
    assert maximal_marginal_relevance(vectors @ query, vectors, 2, 0.3) == [1, 2]


@QUICK
@given(st.integers(0, 8), st.integers(1, 10), WEIGHT, st.integers(0, 1000))
def test_mmr_chooses_without_repeating_itself_as_the_plain_loop_does(count: int, k: int, share: float, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    relevance = vectors @ unit(1, 2, 3, 4)
    chosen = maximal_marginal_relevance(relevance, vectors, k, share)
    assert len(chosen) == len(set(chosen)) == min(k, count)
    for place, one in enumerate(chosen):

        def value(i: int, before: list[int] = chosen[:place]) -> float:
            return float(share * relevance[i] - (1 - share) * max((float(vectors[i] @ vectors[j]) for j in before), default=0.0))

        if place:
            assert value(one) >= max(value(i) for i in range(count) if i not in chosen[:place]) - 1e-5
        else:
            assert relevance[one] == relevance.max()
