"""How vectors are kept: precisions, and the sketches that dropped ones leave behind."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vectopt import Budget, Item, Priority, Settings, StorageSettings, VectorManager
from vectopt.errors import InvalidSettings
from vectopt.ledger import records
from vectopt.ledger.connection import connect, migrate, schema_scripts
from vectopt.model import Tier
from vectopt.testing import FakeClock, HashEmbedder, SilentObserver

Open = Callable[..., VectorManager]
DIMENSIONS = 256


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    managers = []

    def open_(*, budget: Budget | None = None, embedder: Any = None, **storage: Any) -> VectorManager:
        settings = Settings(storage=StorageSettings(**storage), observer=SilentObserver())
        managers.append(VectorManager(tmp_path / "store.db", budget=budget or Budget(), embedder=embedder, settings=settings))
        return managers[-1]

    yield open_
    for m in managers:
        m.close()


def vectors(count: int, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(count // 10, DIMENSIONS))[np.arange(count) // 10] + 0.7 * rng.normal(size=(count, DIMENSIONS))).astype(
        np.float32
    )


def audit(m: VectorManager) -> None:
    with m._ledger.reading() as db:
        counted = records.recount(db)
        for namespace in records.namespaces(db):
            kept = records.counters(db, namespace)
            for name in ("vectors", "vector_bytes", "sketches", "sketch_bytes"):
                assert kept.get(name, 0) == counted.get((namespace, name), 0), name


# --- precision


@pytest.mark.parametrize(("precision", "bytes_each", "off"), [("float32", 1024, 0), ("float16", 516, 1e-3), ("int8", 260, 0.02)])
def test_a_precision_is_a_number_of_bytes_and_a_loss(opened: Open, precision: str, bytes_each: int, off: float) -> None:
    given = vectors(200)
    m = opened(precision=precision)
    m.add([Item(f"text {n}", id=str(n), vector=row * 3) for n, row in enumerate(given)])
    assert m.stats().vector_bytes == 200 * bytes_each
    kept = np.stack([item.vector for item in m.get([str(n) for n in range(200)], with_vectors=True)])  # type: ignore[arg-type]
    assert np.abs(kept - given * 3).max() <= off * np.abs(given * 3).max()
    unit = given / np.linalg.norm(given, axis=1, keepdims=True)
    for query in vectors(200, seed=1)[::20]:
        cosines = unit @ (query / np.linalg.norm(query))
        for hit in m.search(query, 10):
            assert hit.similarity == pytest.approx(cosines[int(hit.id)], abs=0.01)
            assert not hit.predicted
    audit(m)


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_the_same_vector_again_is_the_same_text(opened: Open, precision: str) -> None:
    m = opened(precision=precision)
    row, other = vectors(20)[[0, 19]]
    m.add([Item("one text", id="a", vector=row)])
    m.add([Item("one text", id="b", vector=row), Item("one text", id="c", vector=other)])
    assert m.stats().texts == 2


def test_a_precision_chosen_later_holds_for_later_vectors(opened: Open) -> None:
    given = vectors(60)
    for number, precision in enumerate(["float32", "int8", "float16"]):
        with opened(precision=precision) as m:
            m.add([Item(f"text {n}", id=str(n), vector=given[n]) for n in range(20 * number, 20 * number + 20)])
    m = opened()
    assert m.stats().vector_bytes == 20 * (1024 + 260 + 516)
    for n in range(0, 60, 7):
        assert m.search(given[n], 1)[0].id == str(n)
    audit(m)


@pytest.mark.parametrize("bad", [{"precision": "float64"}, {"precision": "sketch"}, {"sketches": 1}, {"sidecar": "yes"}])
def test_settings_are_checked(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidSettings, match=next(iter(bad))):
        StorageSettings(**bad)


# --- sketches


def filled(opened: Open, given: Any, keep: int, **storage: Any) -> VectorManager:
    """A store whose budget holds the last vectors alone."""
    m = opened(budget=Budget(max_vectors=keep), **storage)
    for n, row in enumerate(given):
        priority = Priority.CRITICAL if n >= len(given) - keep else None
        m.add([Item(f"{'x' * n} text", id=str(n), vector=row, priority=priority)])
    return m


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_displaced_vector_leaves_a_sketch_that_answers_for_it(opened: Open, precision: str) -> None:
    given = vectors(120)
    m = filled(opened, given, 20, precision=precision)
    stats = m.stats()
    assert (stats.vectors, stats.sketches, stats.sketch_bytes) == (20, 100, 100 * (2 + DIMENSIONS // 4))
    unit = given / np.linalg.norm(given, axis=1, keepdims=True)
    for n in range(0, 100, 9):
        hits = m.search(given[n] + 0.3 * given[n - 1], 5)
        query = given[n] + 0.3 * given[n - 1]
        assert hits[0].id == str(n)
        assert hits[0].predicted
        assert hits[0].tier is Tier.CACHED
        assert hits[0].reasons[0].endswith("by its sketch")
        cosines = unit @ (query / np.linalg.norm(query))
        assert all(hit.similarity == pytest.approx(cosines[int(hit.id)], abs=0.12) for hit in hits)
    assert not m.search(given[110], 1)[0].predicted
    audit(m)


def test_sketches_are_there_after_reopening(opened: Open) -> None:
    given = vectors(60)
    before = filled(opened, given, 10)
    hits = before.search(given[3], 5)
    before.close()
    assert opened(budget=Budget(max_vectors=10)).search(given[3], 5) == hits


def test_without_sketches_a_dropped_vector_is_gone(opened: Open) -> None:
    m = filled(opened, vectors(30), 10, sketches=False)
    assert m.stats().sketches == 0
    assert [hit.tier for hit in m.search(vectors(30)[0], 30)].index(Tier.CACHED) == 10  # those without vectors come last


def test_a_vector_that_comes_back_takes_its_sketch_s_place(opened: Open) -> None:
    given = vectors(30)
    m = filled(opened, given, 10)
    m.close()
    m = opened()
    m.add([Item("x" * 3 + " text", id="3", vector=given[3])])
    assert (m.stats().vectors, m.stats().sketches) == (11, 19)
    assert not m.search(given[3], 1)[0].predicted
    audit(m)


def test_a_deleted_text_takes_its_sketch_with_it(opened: Open) -> None:
    given = vectors(30)
    m = filled(opened, given, 10)
    assert m.search(given[3], 1)[0].id == "3"
    m.delete(["3"])
    assert m.stats().sketches == 19
    assert "3" not in {hit.id for hit in m.search(given[3], 30)}
    audit(m)


def test_an_expired_temp_vector_leaves_a_sketch(tmp_path: Path) -> None:
    clock = FakeClock()
    with VectorManager(tmp_path / "s.db", embedder=HashEmbedder(DIMENSIONS), clock=clock) as m:
        assert m.process_content("a heron stood in the cold harbour").status == "temp_vectorized"
        clock.advance(25 * 3600)
        m.drain()
        assert m.stats().items_per_tier["temp"] == 0
        assert (m.stats().vectors, m.stats().sketches) == (0, 1)
        assert m.search("a heron stood in the cold harbour", 1)[0].similarity == pytest.approx(1, abs=0.1)
        audit(m)


def test_bytes_of_vectors_and_sketches_are_held_together(opened: Open) -> None:
    limit = 40 * 4 * DIMENSIONS
    m = opened(budget=Budget(max_vector_bytes=limit))
    for n, row in enumerate(vectors(1000)):
        m.add([Item(f"{n:b} text".replace("1", "one ").replace("0", "nil "), id=str(n), vector=row, priority=Priority.CRITICAL)])
        if n % 50 == 49:
            stats = m.stats()
            assert stats.vector_bytes + stats.sketch_bytes <= limit
            assert stats.sketch_bytes <= limit * 7 // 8
    assert m.stats().vectors >= 4
    audit(m)


def test_hybrid_and_mmr_use_sketches(opened: Open) -> None:
    given = vectors(60)
    m = filled(opened, given, 10)
    assert m.search(given[3], 1, text="nothing shared", mode="hybrid", lexical_weight=0)[0].id == "3"
    assert m.max_marginal_relevance(given[3], 3, fetch_k=10)[0].id == "3"


# --- files of before


def test_a_file_of_the_first_schema_opens(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    path.touch()
    db = connect(path, busy_seconds=1, writable=True)
    migrate(db, path, schema_scripts()[:1])
    row = vectors(10)[0]
    db.execute(
        "INSERT INTO slot (namespace, text, exact, masked, tier, importance, novelty, patterns, worth, tokens,"
        " members, created_at, changed)"
        " VALUES ('default', 'an old text', x'01', x'02', 'persistent', .5, .5, '[]', .5, 3, 1, 0, 1)"
    )
    db.execute("INSERT INTO vector VALUES (1, ?, 'caller', 0, NULL)", (row.tobytes(),))
    db.execute(
        "INSERT INTO item (namespace, id, slot, metadata, decision, created_at, updated_at)"
        """ VALUES ('default', 'a', 1, '{}', '["queue_vectorize", "low", [], 0.5, 0.5, 0.0]', 0, 0)"""
    )
    db.execute("INSERT INTO gone VALUES (7, 1)")
    db.execute("UPDATE meta SET value = 1 WHERE name = 'change'")
    db.execute("INSERT INTO meta VALUES ('dimensions', ?)", (DIMENSIONS,))
    db.close()
    with VectorManager(path) as m:
        hit = m.search(row, 1)[0]
        assert (hit.id, hit.content, hit.predicted) == ("a", "an old text", False)
        assert hit.similarity == pytest.approx(1)
        m.delete(["a"])
        assert m.search(row, 1) == []
