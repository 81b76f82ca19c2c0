"""The vector index: exact cosines, and codes that leave out what can't be near."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vectopt import Item, VectorManager
from vectopt.index.vectors import VectorMatrix
from vectopt.model import Precision
from vectopt.quantization import Query, Rotation, encoding

Floats = NDArray[np.float32]


def clustered(rng: np.random.Generator, count: int, dimensions: int) -> Floats:
    centres = rng.normal(size=(count // 100, dimensions))
    return (centres[rng.integers(len(centres), size=count)] + 0.6 * rng.normal(size=(count, dimensions))).astype(np.float32)


def skewed(rng: np.random.Generator, count: int, dimensions: int) -> Floats:
    """Few directions hold most of the variance, and all vectors share a part: the hard case for signs."""
    return (rng.normal(size=(count, dimensions)) * np.exp(-np.arange(dimensions) / 80) + 0.2).astype(np.float32)


def put(matrix: VectorMatrix, positions: list[int], rows: Floats) -> None:
    matrix.put(np.array(positions), matrix.encoding.to_bytes(np.asarray(rows, np.float32)))


def filled(rows: Floats, precision: Precision = Precision.FLOAT32) -> VectorMatrix:
    matrix = VectorMatrix(encoding(precision, rows.shape[1]), rows.shape[1])
    for start in range(0, len(rows), 3000):
        put(matrix, list(range(start, min(len(rows), start + 3000))), rows[start : start + 3000])
    while matrix.view() and matrix.behind:
        pass
    return matrix


def truth(rows: Floats, query: Floats, count: int, out: NDArray[np.bool_] | None = None) -> tuple[list[int], Floats]:
    unit = rows.astype(np.float64) / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    cosines = unit @ (query.astype(np.float64) / np.linalg.norm(query.astype(np.float64)))
    if out is not None:
        cosines[out] = -2
    order = np.argsort(-cosines, kind="stable")[:count]
    return order.tolist(), cosines[order]


@pytest.mark.parametrize("count", [10, 50])
@pytest.mark.parametrize("make", [clustered, skewed])
@pytest.mark.parametrize(("size", "dimensions"), [(12_000, 384), (36_000, 200), (17_000, 131)])
def test_nearest_by_codes_is_nearest(make, size: int, dimensions: int, count: int) -> None:
    rng = np.random.default_rng(5)
    rows = make(rng, size, dimensions)
    view = filled(rows).view()
    assert view.codes is not None
    assert view.codes.used > size - 256
    asked = []
    reaching = type(view.codes).reaching
    missed = wanted = 0
    for query in rows[:60] + 0.2 * rng.normal(size=(60, dimensions)).astype(np.float32):
        asked.append(reaching(view.codes, Query(query), count, lambda which, q=query: view._some(which, Query(q)), np.array([], int)))
        positions, cosines = view.nearest(Query(query), count, None, exact=False)
        best, exact = truth(rows, query, count)
        wanted += count
        missed += len(set(best) - set(positions.tolist()))
        assert np.all(np.diff(cosines) <= 0)
        np.testing.assert_allclose(cosines[:1], exact[:1], atol=1e-5)
    assert sum(found is not None for found in asked) >= 50  # by the codes, that is
    assert missed <= 0.001 * wanted + 1


@pytest.mark.parametrize("share", [0.002, 0.05, 0.5, 0.95])
def test_nearest_among_some_is_nearest_of_those(share: float) -> None:
    rng = np.random.default_rng(12)
    rows = clustered(rng, 30_000, 256)
    view = filled(rows).view()
    allowed = rng.random(len(rows)) < share
    missed = 0
    for query in rows[:40] + 0.2 * rng.normal(size=(40, 256)).astype(np.float32):
        positions, _ = view.nearest(Query(query), 10, allowed, exact=False)
        assert allowed[positions].all()
        missed += len(set(truth(rows, query, 10, ~allowed)[0]) - set(positions.tolist()))
    assert missed <= 1  # of 400


def test_what_is_removed_or_replaced_is_never_found_as_it_was() -> None:
    rng = np.random.default_rng(6)
    rows = clustered(rng, 12_000, 384)
    matrix = filled(rows)
    dead = np.arange(0, 6000, 3)
    matrix.remove(dead)
    rows[1] = rows[11_000] + 0.01
    put(matrix, [1], rows[1:2])
    extra = clustered(rng, 8000, 384)
    put(matrix, list(range(12_000, 20_000)), extra)
    everything = np.vstack((rows, extra))
    out = np.zeros(len(everything), np.bool_)
    out[dead] = True
    for view in (matrix.view(), matrix.compacted(np.arange(len(everything))).view()):
        for query in (rows[0], rows[1], rows[11_000], extra[17]):
            positions, _ = view.nearest(Query(query), 10, None, exact=False)
            assert set(positions.tolist()) == set(truth(everything, query, 10, out)[0])


def test_a_view_stays_as_it_was() -> None:
    rng = np.random.default_rng(7)
    rows = clustered(rng, 8000, 384)
    matrix = filled(rows)
    view = matrix.view()
    query = Query(rows[3])
    before = view.nearest(query, 200, None, exact=False), view.scores(np.arange(8000), query)
    matrix.remove(np.arange(0, 8000, 2))
    put(matrix, [3], -rows[3:4])
    put(matrix, list(range(8000, 16_000)), np.repeat(rows[3:4], 8000, axis=0))
    matrix.view()
    after = view.nearest(query, 200, None, exact=False), view.scores(np.arange(8000), query)
    np.testing.assert_array_equal(before[0][0], after[0][0])
    np.testing.assert_array_equal(before[1], after[1])


def test_a_centre_that_drifted_is_replaced_while_searches_go_on() -> None:
    rng = np.random.default_rng(13)
    near, far = clustered(rng, 6000, 384) + 2, clustered(rng, 30_000, 384) - 2
    matrix = filled(near)
    first = matrix.view().codes
    assert first is not None
    put(matrix, list(range(6000, 36_000)), far)
    everything = np.vstack((near, far))
    for number in range(30):
        query = far[number] + 0.1
        positions, _ = matrix.view().nearest(Query(query), 10, None, exact=False)
        assert set(positions.tolist()) == set(truth(everything, query, 10)[0])
    last = matrix.view().codes
    assert last is not None
    assert np.linalg.norm(last.centre - first.centre) > 0.1
    assert not matrix.behind


@pytest.mark.parametrize("precision", list(Precision))
def test_every_precision_is_found_by_its_own_scores(precision: Precision) -> None:
    rng = np.random.default_rng(14)
    rows = clustered(rng, 9000, 256)
    view = filled(rows, precision).view()
    assert view.codes is not None
    for query in rows[:30] + 0.2 * rng.normal(size=(30, 256)).astype(np.float32):
        every = view.all(Query(query))
        positions, cosines = view.nearest(Query(query), 10, None, exact=False)
        np.testing.assert_allclose(np.sort(every)[::-1][:10], cosines, atol=1e-5)
        np.testing.assert_allclose(every[positions], cosines, atol=1e-5)


@pytest.mark.parametrize("dimensions", [1, 7, 64, 97, 384, 1000, 1536])
def test_a_rotation_keeps_lengths_and_angles(dimensions: int) -> None:
    rng = np.random.default_rng(8)
    rows = rng.normal(size=(5, dimensions)).astype(np.float32)
    turned = Rotation(dimensions)(rows)
    np.testing.assert_allclose(turned @ turned.T, rows @ rows.T, rtol=1e-3, atol=1e-2)
    np.testing.assert_array_equal(turned, Rotation(dimensions)(rows))
    np.testing.assert_allclose(Rotation(dimensions).undone(turned)[:, :dimensions], rows, atol=1e-4)


def test_zero_vectors_are_kept_and_like_nothing() -> None:
    matrix = filled(np.array([[0, 0], [1, 0]], np.float32))
    np.testing.assert_array_equal(matrix.view().scores(np.arange(3), Query(np.array([1, 0], np.float32))), [0, 1, np.nan])


def test_data_without_contrast_is_answered_all_the_same() -> None:
    rng = np.random.default_rng(9)
    rows = rng.normal(size=(6000, 384)).astype(np.float32)
    with VectorManager() as manager:
        manager.add([Item(f"t{number}", id=str(number), vector=row) for number, row in enumerate(rows)])
        for query in rng.normal(size=(12, 384)).astype(np.float32):
            best, _ = truth(rows, query, 4)
            assert [int(hit.id) for hit in manager.search(query, 4)] == best


def test_exact_asks_every_vector() -> None:
    rng = np.random.default_rng(10)
    rows = clustered(rng, 8000, 384)
    with VectorManager() as manager:
        manager.add([Item(f"t{number}", id=str(number), vector=row) for number, row in enumerate(rows)])
        for query in rows[:10]:
            exact = manager.search(query, 10, exact=True)
            assert [int(hit.id) for hit in exact] == truth(rows, query, 10)[0]
            assert [hit.id for hit in manager.search(query, 10)] == [hit.id for hit in exact]


def test_memory_follows_what_is_there() -> None:
    rng = np.random.default_rng(15)
    with VectorManager() as manager:
        manager.add(
            [Item(f"text {number:b}", {"n": number}, id=str(number), vector=row) for number, row in enumerate(clustered(rng, 9000, 256))]
        )
        manager.search(np.ones(256), 3, text="text", mode="hybrid", filter={"n": {"$gte": 0}})
        full = manager.stats().ram_bytes
        manager.delete([str(number) for number in range(9000) if number % 10])
        assert len(manager.search(np.ones(256), 2000, text="text", mode="hybrid", filter={"n": {"$gte": 0}})) == 900
        assert manager.stats().ram_bytes < 0.15 * full
        manager.delete_all()
        assert manager.search(np.ones(256), 3) == []
        assert manager.stats().ram_bytes == 0
