"""The weight of words follows what a namespace's own queries tell, before anybody said what is useful."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vectopt import Hit, Item, SearchSettings, Settings, VectorManager
from vectopt.strategy import Contrast

from .fakes import HashEmbedder, SilentObserver

DEFAULT = 0.35
QUICK = settings(deadline=None, derandomize=True, max_examples=100)
CONTRASTS = st.lists(st.floats(-20, 20), max_size=300)


def after(contrasts: list[float]) -> Contrast:
    state = Contrast()
    for one in contrasts:
        state = state.seen(one)
    return state


def test_fewer_than_eight_queries_change_nothing() -> None:
    assert after([9.0] * 7).weight(DEFAULT) == DEFAULT
    assert after([9.0] * 8).weight(DEFAULT) > DEFAULT


@pytest.mark.parametrize(("contrast", "weight"), [(-9.0, 0.05), (0.4, 0.15), (1.4, 0.35), (2.4, 0.55), (9.0, 0.9)])
def test_the_list_that_tells_its_best_more_clearly_weighs_more(contrast: float, weight: float) -> None:
    assert after([contrast] * 8).weight(DEFAULT) == weight


def test_a_default_of_the_caller_s_is_what_moves() -> None:
    assert after([1.4] * 8).weight(0.6) == 0.6
    assert after([2.4] * 8).weight(0.6) == 0.8


@QUICK
@given(CONTRASTS)
def test_the_weight_is_in_bounds_and_in_steps_and_moves_when_queries_double_only(contrasts: list[float]) -> None:
    state, before = Contrast(), DEFAULT
    for number, contrast in enumerate(contrasts, 1):
        state = state.seen(contrast)
        weight = state.weight(DEFAULT)
        assert 0.05 <= weight <= 0.9
        assert round(weight * 20) == pytest.approx(weight * 20)
        assert weight == before or number in (8, 16, 32, 64, 128, 256)
        before = weight


@QUICK
@given(CONTRASTS)
def test_what_is_kept_says_the_same(contrasts: list[float]) -> None:
    state = after(contrasts)
    assert Contrast.from_bytes(state.to_bytes()) == state


@pytest.mark.parametrize("data", [b"", b"x", zlib.compress(b"something else")])
def test_what_can_t_be_read_is_nothing_seen(data: bytes) -> None:
    assert Contrast.from_bytes(data) == Contrast()


def test_a_stream_that_changes_is_followed() -> None:
    state = after([0.0] * 2_000)
    assert state.weight(DEFAULT) < 0.1
    for _ in range(6_000):
        state = state.seen(4.0)
    assert state.weight(DEFAULT) > 0.75


SETTINGS = Settings(search=SearchSettings(depth=20), observer=SilentObserver())


@pytest.fixture
def rare(tmp_path: Path) -> Iterator[VectorManager]:
    """Texts of rare words; the vectors tell nothing."""
    with VectorManager(tmp_path / "store.db", embedder=HashEmbedder(64), settings=SETTINGS) as m:
        m.add([Item(word(n), id=str(n)) for n in range(60)])
        m.drain()
        yield m


def word(number: int) -> str:
    """A word without digits."""
    return "".join(chr(ord("a") + int(digit)) for digit in f"{number:05}") + " a note"


def seen(hits: list[Hit]) -> list[tuple[str, float]]:
    return [(hit.id, round(hit.score, 5)) for hit in hits]


@pytest.mark.parametrize(("asked", "more"), [("{} please", True), ("{}", False)])
def test_the_weight_follows_what_queries_tell_without_any_feedback(rare: VectorManager, asked: str, more: bool) -> None:
    """The vector of a text asked for with one word more is as good as random; that of the text itself is its own."""
    at_first = seen(rare.search(asked.format(word(0)), 5))
    assert at_first == seen(rare.search(asked.format(word(0)), 5, lexical_weight=DEFAULT))
    for number in range(1, 9):
        rare.search(asked.format(word(number)), 5)
    now = seen(rare.search(asked.format(word(0)), 5))
    weights = [weight / 20 for weight in range(1, 19)]
    (weight,) = [weight for weight in weights if seen(rare.search(asked.format(word(0)), 5, lexical_weight=weight)) == now]
    assert weight > DEFAULT if more else weight < DEFAULT


def test_what_queries_told_is_there_when_the_store_is_opened_again(rare: VectorManager, tmp_path: Path) -> None:
    for number in range(1, 17):
        rare.search(word(number), 5)
    learned = seen(rare.search(word(0), 5))
    rare.close()
    with VectorManager(tmp_path / "store.db", embedder=HashEmbedder(64), settings=SETTINGS) as again:
        assert seen(again.search(word(0), 5)) == learned


def test_a_namespace_smaller_than_the_statistics_are_deep_stays_at_the_default(tmp_path: Path) -> None:
    with VectorManager(tmp_path / "store.db", embedder=HashEmbedder(64), settings=SETTINGS) as m:
        m.add([word(n) for n in range(19)])
        m.drain()
        for number in range(19):
            m.search(word(number), 5)
        assert seen(m.search(word(0), 5)) == seen(m.search(word(0), 5, lexical_weight=DEFAULT))


def test_feedback_has_the_last_word(rare: VectorManager) -> None:
    for number in range(1, 17):
        rare.search(word(number), 5)
    embedded = seen(rare.search(word(3), 10, mode="dense"))
    for _ in range(6):  # useful is what only the vectors find
        weight = rare.feedback(word(3), [id for id, _ in embedded[1:]])
    assert weight < DEFAULT


@pytest.mark.parametrize("alone", [0.0, 1.0])
def test_a_caller_who_wants_one_list_alone_gets_it(alone: float) -> None:
    assert after([5.0] * 64).weight(alone) == alone
    assert after([-5.0] * 64).weight(alone) == alone


def test_processes_that_ask_little_learn_together(tmp_path: Path) -> None:
    for run in range(3):
        with VectorManager(tmp_path / "store.db", embedder=HashEmbedder(64), settings=SETTINGS) as m:
            if not run:
                m.add([Item(word(n), id=str(n)) for n in range(60)])
                m.drain()
            for number in range(4):
                m.search(f"{word(number)} please", 5)
            default = seen(m.search(f"{word(0)} please", 5, lexical_weight=DEFAULT))
            assert (seen(m.search(f"{word(0)} please", 5)) == default) == (not run)
