"""Feedback moves the weight between words and vectors, and tells whether long or short texts are worth finding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from vectopt import Hit, Item, SearchSettings, Settings, VectorManager, ranking
from vectopt.errors import NoEmbedder
from vectopt.index import NamespaceIndex, View
from vectopt.ledger import records
from vectopt.quantization import Query
from vectopt.retrieval import Mode
from vectopt.strategy import SLOPES, WEIGHTS, Gains, Tally, Weighing, fuse

from .fakes import HashEmbedder, SilentObserver

QUICK = settings(deadline=None, derandomize=True, max_examples=200)
Floats = NDArray[np.float32]
SHORT, LONG = "a word of amber", "a word of amber and then very much besides that says nothing but goes on and on about this and that"


def floats(*values: float) -> Floats:
    return np.array(values, np.float32)


def tried(lexical: Floats, dense: Floats, useful: NDArray[np.bool_], lengths: Floats | None = None) -> Gains:
    lengths = np.zeros(len(lexical), np.float32) if lengths is None else lengths
    return Gains.of_query(fuse(lexical, dense, 0.35, 300), useful, lengths, Weighing(0.35))


# --- what each choice would have gained


def test_gains_are_1_where_all_that_is_useful_stands_first() -> None:
    lexical, dense = floats(9, 0, 0), floats(0.1, 0.9, 0.5)
    first, second = np.array([True, False, False]), np.array([False, True, False])
    assert tried(lexical, dense, first).by_weight.gains[-1] == pytest.approx(1)
    assert tried(lexical, dense, second).by_weight.gains[0] == pytest.approx(1)
    assert tried(lexical, dense, first).by_weight.gains[0] == pytest.approx(1 / np.log2(4))


def test_a_slope_gains_where_the_useful_are_long() -> None:
    alike, long = floats(1, 1, 1), floats(-1, 0, 1)
    by_slope = tried(alike, alike, np.array([False, False, True]), long).by_slope.gains
    assert by_slope[-1] == pytest.approx(1)
    assert by_slope[0] == pytest.approx(1 / np.log2(4))


@QUICK
@given(
    st.lists(st.tuples(st.floats(0, 30, width=32), st.floats(-1, 1, width=32), st.floats(-3, 3, width=32), st.booleans()), min_size=1),
    st.sampled_from(WEIGHTS),
    st.sampled_from(SLOPES),
)
def test_one_gain_a_choice_each_in_0_to_1(texts: list[tuple[float, float, float, bool]], weight: float, slope: float) -> None:
    lexical, dense, lengths, told = zip(*texts, strict=True)
    useful, now = np.array(told), Weighing(weight, slope)
    fused = fuse(floats(*lexical), floats(*dense), weight, 300)
    found = Gains.of_query(fused, useful, floats(*lengths), now)
    if not useful.any():
        assert found == Gains()
        return
    assert (len(found.by_weight.gains), len(found.by_slope.gains)) == (len(WEIGHTS), len(SLOPES))
    assert all(0 <= gain <= 1 + 1e-9 for gain in (*found.by_weight.gains, *found.by_slope.gains))
    order = np.argsort(-(fused.mixed + slope * floats(*lengths)), kind="stable")[:10]
    ideal = sum(1 / np.log2(rank + 2) for rank in range(min(10, int(useful.sum()))))
    plain = sum(1 / np.log2(rank + 2) for rank, place in enumerate(order) if useful[place]) / ideal
    for tally, choice in ((found.by_weight, WEIGHTS.index(weight)), (found.by_slope, SLOPES.index(slope))):
        if len(set(tally.gains)) == 1:  # whatever is chosen, it gains as much: that tells nothing
            assert tally == Tally.none(len(tally.gains))
        else:
            assert tally.count == 1
            assert tally.gains[choice] == pytest.approx(plain)


# --- what is chosen


def sure(choice: int, count: int) -> Gains:
    """So many judgements, each of which gains a tenth by one of the weights, and by one of the slopes."""
    by_weight, by_slope = ([0.9 * count] * len(some) for some in (WEIGHTS, SLOPES))
    by_weight[choice] = by_slope[choice] = 1.0 * count
    return Gains(Tally(count, tuple(by_weight)), Tally(count, tuple(by_slope)))


@pytest.mark.parametrize("default", [0.35, 0.42, 0.0, 1.0])
def test_without_feedback_the_defaults_stay(default: float) -> None:
    assert Gains().best(default) == Weighing(default, 0)


@pytest.mark.parametrize("default", [0.35, 0.85, 0.0, 1.0, 0.42, 0.999])
def test_equal_gains_move_nothing(default: float) -> None:
    assert Gains(Tally(20, (5.0,) * len(WEIGHTS)), Tally(20, (5.0,) * len(SLOPES))).best(default) == Weighing(default, 0)


def test_much_feedback_outweighs_the_default_and_little_does_not() -> None:
    assert sure(-1, 1).best(0.35) == Weighing(0.35, 0)
    assert sure(-1, 3).best(0.35) == Weighing(0.35, 0)
    assert sure(-1, 200).best(0.35) == Weighing(WEIGHTS[-1], SLOPES[-1])
    assert sure(0, 200).best(0.35) == Weighing(WEIGHTS[0], SLOPES[0])


@QUICK
@given(
    st.integers(1, 1000),
    st.lists(st.floats(0, 1), min_size=len(WEIGHTS), max_size=len(WEIGHTS)),
    st.lists(st.floats(0, 1), min_size=len(SLOPES), max_size=len(SLOPES)),
    st.floats(0, 1),
)
def test_what_is_chosen_is_one_of_the_choices_and_what_is_kept_says_the_same(
    count: int, by_weight: list[float], by_slope: list[float], default: float
) -> None:
    gains = Gains(*(Tally(count, tuple(count * gain for gain in some)) for some in (by_weight, by_slope)))
    assert gains.best(default).lexical in (*WEIGHTS, default)
    assert gains.best(default).length in SLOPES
    assert Tally.from_bytes(gains.by_weight.to_bytes(), len(WEIGHTS)) == gains.by_weight
    assert Gains() + gains == gains + Gains() == gains


def test_a_stream_that_changes_is_followed() -> None:
    total = Gains()
    for _ in range(5_000):
        total += sure(0, 1)
    assert total.by_weight.count <= 1_025
    for _ in range(2_000):
        total += sure(-1, 1)
    assert total.best(0.35) == Weighing(WEIGHTS[-1], SLOPES[-1])


CAN_T_BE = [(np.nan, 0), (1, np.nan), (-5, 0), (1e-320, 0), (1e308, 1e308), (1, 1e6), (0, 1), (3, -1)]


@pytest.mark.parametrize("data", [b"", b"x", np.zeros(11).tobytes(), *(np.array([n, *[gain] * 9]).tobytes() for n, gain in CAN_T_BE)])
def test_what_can_t_be_read_is_nothing_judged(data: bytes) -> None:
    assert Tally.from_bytes(data, len(SLOPES)) == Tally.none(len(SLOPES))


# --- in a store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[VectorManager]:
    """Texts of which a short and a long one suit each query alike."""
    embedder = HashEmbedder()
    with VectorManager(tmp_path / "store.db", embedder=embedder, settings=Settings(observer=SilentObserver())) as m:
        for namespace in ("told", "other"):
            for number in range(12):
                query = f"amber {chr(97 + number)}"
                for name, text in (("short", SHORT), ("long", LONG)):
                    m.add([Item(f"{text} {number}", id=f"{name} {number}", vector=embedder.vector(query))], namespace=namespace)
        yield m


def tell(m: VectorManager, useful: str) -> None:
    for number in range(12):
        m.feedback(f"amber {chr(97 + number)}", [f"{useful} {number}"], namespace="told")


def first_of_pairs(m: VectorManager) -> set[str]:
    """Which length comes first, of two texts that suit a query alike."""
    found = [hit.id.split() for hit in m.search("amber", 24, namespace="told")]
    return {next(length for length, number in found if number == str(pair)) for pair in range(12)}


def about_length(hits: list[Hit]) -> list[str]:
    return [reason for hit in hits for reason in hit.reasons if reason.startswith("length")]


def test_without_feedback_length_is_no_reason(store: VectorManager) -> None:
    assert not about_length(store.search("amber", 24, namespace="told"))
    assert first_of_pairs(store) == {"short"}  # as BM25 has it


@pytest.mark.parametrize("useful", ["short", "long"])
def test_texts_as_long_as_the_useful_ones_come_first_in_their_namespace_and_it_lasts(
    store: VectorManager, tmp_path: Path, useful: str
) -> None:
    tell(store, useful)
    assert first_of_pairs(store) == {useful}
    assert not about_length(store.search("amber", 24, namespace="other"))
    with VectorManager(tmp_path / "store.db", embedder=HashEmbedder()) as again:
        assert first_of_pairs(again) == {useful}


def test_who_sets_the_weight_gets_that_and_nothing_learned(store: VectorManager) -> None:
    before = store.search("amber", 24, namespace="told", lexical_weight=0.5)
    tell(store, "long")
    assert store.search("amber", 24, namespace="told", lexical_weight=0.5) == before


@pytest.mark.parametrize("mode", ["dense", "lexical"])
def test_one_list_alone_knows_nothing_of_length(store: VectorManager, mode: Mode) -> None:
    before = store.search("amber", 24, namespace="told", mode=mode)
    tell(store, "long")
    assert store.search("amber", 24, namespace="told", mode=mode) == before


def test_feedback_moves_the_weight_of_its_namespace_alone_and_lasts(tmp_path: Path) -> None:
    """The words say nothing here and the vectors everything: the weight must fall."""
    embedder, chosen = HashEmbedder(), Settings(search=SearchSettings(lexical_weight=0.8), observer=SilentObserver())
    with VectorManager(tmp_path / "store.db", embedder=embedder, settings=chosen) as m:
        for number in range(12):
            query = f"query {chr(97 + number)}"
            m.add([Item("nothing shared here", id=f"useful {number}", vector=embedder.vector(query))], namespace="a")
            m.add([Item(f"{query} {query} words only", vector=-embedder.vector(query))], namespace="a")
        default = m.settings.search.lexical_weight
        for number in range(12):
            weight = m.feedback(f"query {chr(97 + number)}", [f"useful {number}"], namespace="a")
        assert weight < default == 0.8
        assert m.feedback("query a", ["nobody"], namespace="b") == default
    with VectorManager(tmp_path / "store.db", embedder=embedder, settings=chosen) as m:
        assert m.feedback("query a", [], namespace="a") == weight


def test_feedback_needs_an_embedder() -> None:
    with VectorManager() as m, pytest.raises(NoEmbedder):
        m.feedback("query", ["a"])


def test_a_query_without_a_known_word_says_nothing_for_words(tmp_path: Path) -> None:
    """All texts are equal by words; the oldest one comes first among equals, and was useful each time."""
    with VectorManager(tmp_path / "store.db", embedder=HashEmbedder(), settings=Settings(observer=SilentObserver())) as m:
        m.add([Item(f"stone w{number} x{number}", id=str(number)) for number in range(60)], wait=True)
        weights = [m.feedback(f"unknown{number}", ["0"]) for number in range(40)]
        assert weights[-1] <= m.settings.search.lexical_weight


def test_feedback_finds_another_embedder_s_vectors_as_a_search_does(tmp_path: Path) -> None:
    class Overtaken(HashEmbedder):
        """While it embeds a query, another one takes over."""

        def embed(self, texts: Sequence[str], role: str) -> Floats:
            if role == "query":
                m.reembed(HashEmbedder(8, "new"))
            return super().embed(texts, role)

    with VectorManager(tmp_path / "store.db", embedder=Overtaken(16, "old"), settings=Settings(observer=SilentObserver())) as m:
        m.add([Item("alpha", id="a"), Item("beta", id="b")], wait=True)
        assert m.feedback("alpha", ["a"]) == m.settings.search.lexical_weight
        assert m.embedder is not None
        assert m.embedder.name == "new"


def test_what_was_found_by_one_embedder_s_vectors_says_nothing_of_another_s(store: VectorManager) -> None:
    tell(store, "long")
    with store._ledger.reading() as db:
        fresh = store._retrieval._weighings.of(db, "told")
        old = records.space(db)
    assert fresh.length > 0
    store.reembed(HashEmbedder(8, store.embedder.name if store.embedder else ""))  # of one name, and other dimensions
    gains = Gains(Tally(100, (*[0.0] * 20, 100.0)), Tally.none(len(SLOPES)))
    weighing = store._ledger.write(lambda tx: store._retrieval._weighings.learn(tx, "told", gains, old))  # judged before, and late
    assert weighing == Weighing(store.settings.search.lexical_weight, fresh.length)


# --- among many texts


@pytest.fixture(scope="module")
def view() -> View:
    """More texts than are looked at for few hits, of all lengths."""
    rng = np.random.default_rng(7)
    index, texts = NamespaceIndex(), [[f"w{n}" for n in rng.integers(0, 300, int(rng.integers(1, 60)))] for _ in range(1_500)]
    vectors = rng.normal(size=(len(texts), 16)).astype("<f4")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index.put([(n, str(n).encode(), "persistent", "float32", row.tobytes()) for n, row in enumerate(vectors)], 16)
    index.add_words(range(len(texts)), texts)
    return index.view()


@pytest.mark.parametrize("weight", [0.35, 0.0, 1.0])
@pytest.mark.parametrize("slope", [-0.8, 0.0, 0.8])
@pytest.mark.parametrize("filtered", [False, True])
def test_few_are_the_first_of_all(view: View, weight: float, slope: float, filtered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    moved = 0
    for _ in range(50):
        query, terms = Query(rng.normal(size=16).astype(np.float32)), rng.integers(0, 300, 3).tolist()
        allowed = rng.random(len(view)) < 0.3 if filtered else None
        lexical = view.lexical.scores(terms, None, len(view))
        few = ranking.by_both(view, query, lexical, 5, allowed, Weighing(weight, slope), 20)
        plain = ranking.by_both(view, query, lexical, 5, allowed, Weighing(weight), 20)
        moved += few.positions.tolist() != plain.positions.tolist()
        with monkeypatch.context() as patched:
            patched.setattr(ranking, "_WORTH", 10**6)  # look at all
            every = ranking.by_both(view, query, lexical, 5, allowed, Weighing(weight, slope), 20)
        assert few.positions.tolist() == every.positions.tolist()
        np.testing.assert_allclose(few.score, every.score, atol=1e-6)
    assert moved > 15 or not slope


def test_lengths_are_counted_in_deviations(view: View) -> None:
    assert view.lengths.mean() == pytest.approx(0, abs=0.1)
    assert view.lengths.std() == pytest.approx(1, abs=0.1)
    assert np.abs(view.lengths).max() <= 3
    assert (np.argsort(view.lengths, kind="stable") == np.argsort(view.lexical.lengths[: len(view)], kind="stable")).mean() > 0.9
