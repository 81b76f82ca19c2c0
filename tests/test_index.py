"""The vector index: exact cosines, and codes that leave out what can't be near."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vectopt import Item, VectorManager
from vectopt.index.rotation import Rotation
from vectopt.index.vectors import VectorMatrix

Floats = NDArray[np.float32]


def clustered(rng: np.random.Generator, count: int, dimensions: int) -> Floats:
    centres = rng.normal(size=(count // 100, dimensions))
    return (centres[rng.integers(len(centres), size=count)] + 0.6 * rng.normal(size=(count, dimensions))).astype(np.float32)


def skewed(rng: np.random.Generator, count: int, dimensions: int) -> Floats:
    """Few directions hold most of the variance, and all vectors share a part: the hard case for signs."""
    return (rng.normal(size=(count, dimensions)) * np.exp(-np.arange(dimensions) / 80) + 0.2).astype(np.float32)


def filled(rows: Floats) -> VectorMatrix:
    matrix = VectorMatrix(rows.shape[1])
    for position, row in enumerate(rows):
        matrix.put(position, row)
    return matrix


def truth(rows: Floats, query: Floats, count: int, dead: set[int] = frozenset()) -> tuple[list[int], Floats]:
    unit = rows.astype(np.float64) / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    cosines = unit @ (query.astype(np.float64) / np.linalg.norm(query.astype(np.float64)))
    cosines[list(dead)] = -2
    order = np.argsort(-cosines, kind="stable")[:count]
    return order.tolist(), cosines[order]


@pytest.mark.parametrize("make", [clustered, skewed])
@pytest.mark.parametrize(("count", "dimensions"), [(12_000, 384), (16_000, 200), (17_000, 131)])
def test_nearest_by_codes_is_nearest(make, count: int, dimensions: int) -> None:
    rng = np.random.default_rng(5)
    rows = make(rng, count, dimensions)
    view = filled(rows).view()
    answered = missed = wanted = 0
    for query in rows[:60] + 0.2 * rng.normal(size=(60, dimensions)).astype(np.float32):
        found = view.nearest(query, 10)
        if found is None:
            continue
        answered += 1
        best, cosines = truth(rows, query, 10)
        wanted += 10
        missed += len(set(best) - set(found[0].tolist()))
        assert np.all(np.diff(found[1]) <= 0)
        np.testing.assert_allclose(found[1][:1], cosines[:1], atol=1e-5)
    assert answered >= 50
    assert missed <= 0.001 * wanted + 1


def test_what_is_removed_or_replaced_is_never_found_as_it_was() -> None:
    rng = np.random.default_rng(6)
    rows = clustered(rng, 12_000, 384)
    matrix = filled(rows)
    assert matrix.view().nearest(rows[7], 5) is not None
    dead = set(range(0, 6000, 3))
    for position in dead:
        matrix.remove(position)
    rows[1] = rows[11_000] + 0.01
    matrix.put(1, rows[1])
    extra = clustered(rng, 8000, 384)  # growth and compaction on the way
    for offset, row in enumerate(extra):
        matrix.put(12_000 + offset, row)
    everything = np.vstack((rows, extra))
    view = matrix.view()
    for query in (rows[0], rows[1], rows[11_000], extra[17]):
        found = view.nearest(query, 10)
        assert found is not None
        best, _ = truth(everything, query, 10, dead)
        assert set(found[0].tolist()) == set(best)


def test_a_view_stays_as_it_was() -> None:
    rng = np.random.default_rng(7)
    rows = clustered(rng, 6000, 384)
    matrix = filled(rows)
    view = matrix.view()
    before = view.scan(rows[3], 6000)
    for position in range(6000, 14_000):
        matrix.put(position, rows[3])
    after = view.scan(rows[3], 6000)
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("dimensions", [1, 7, 64, 97, 384, 1000, 1536])
def test_a_rotation_keeps_lengths_and_angles(dimensions: int) -> None:
    rng = np.random.default_rng(8)
    rows = rng.normal(size=(5, dimensions)).astype(np.float32)
    turned = Rotation(dimensions)(rows)
    np.testing.assert_allclose(turned @ turned.T, rows @ rows.T, rtol=1e-3, atol=1e-2)
    np.testing.assert_array_equal(turned, Rotation(dimensions)(rows))


def test_zero_vectors_are_kept_and_like_nothing() -> None:
    matrix = filled(np.array([[0, 0], [1, 0]], np.float32))
    np.testing.assert_array_equal(matrix.view().scan(np.array([1, 0], np.float32), 3), [0, 1, np.nan])


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
