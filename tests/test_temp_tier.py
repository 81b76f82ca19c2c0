"""How long temp vectors live: use makes them live longer, within bounds, and no query counts twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from vectopt import Item, Settings, Tier, VectorManager
from vectopt.ledger.connection import connect, migrate, schema_scripts
from vectopt.settings import TempSettings

from .fakes import HOUR, FakeClock, HashEmbedder, SilentObserver

TEXT = "cormorants nest along basalt cliffs above the harbour"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def m(clock: FakeClock) -> Iterator[VectorManager]:
    """A store in which no number of queries earns promotion."""
    settings = Settings(temp=TempSettings(promotion_queries=1000), observer=SilentObserver())
    with VectorManager(embedder=HashEmbedder(), clock=clock, settings=settings) as manager:
        manager.process_content(TEXT, id="a")
        assert manager.get(["a"])[0].tier is Tier.TEMP
        yield manager


def expires_at(m: VectorManager) -> float:
    m._retrieval.save_found()
    return float(m.explain("a").facts["expires_at"])


def test_a_hit_makes_it_live_for_half_its_time_from_then_on(m: VectorManager, clock: FakeClock) -> None:
    made = clock.now()
    clock.advance(6 * HOUR)
    m.search("basalt")
    assert expires_at(m) == made + 24 * HOUR, "that is more than half of it away"
    clock.advance(14 * HOUR)
    m.search("cormorants")
    assert expires_at(m) == made + 32 * HOUR
    clock.advance(11 * HOUR)
    assert m.drain().expired == 0
    clock.advance(HOUR)
    assert m.drain().expired == 1
    assert m.get(["a"])[0].content == TEXT
    assert [hit.id for hit in m.search("cormorants")] == ["a"]


def test_the_time_of_the_hit_counts_whenever_it_is_written(m: VectorManager, clock: FakeClock) -> None:
    m.search("basalt")
    clock.advance(25 * HOUR)
    assert m.drain().expired == 1


def test_the_same_query_counts_once(m: VectorManager, clock: FakeClock) -> None:
    """A result that is fed back as the same question keeps nothing alive."""
    made = clock.now()
    for _ in range(4):
        clock.advance(5 * HOUR)
        for _ in range(3):
            m.search(m.search("basalt")[0].content)
        expires_at(m)
    assert expires_at(m) == made + 24 * HOUR
    assert m.explain("a").facts["distinct_queries"] == 2
    clock.advance(4 * HOUR)
    assert m.drain().expired == 1


def test_use_makes_none_live_beyond_seven_times_its_time(m: VectorManager, clock: FakeClock) -> None:
    made = clock.now()
    for number in range(20):
        clock.advance(11 * HOUR)
        m.search(f"basalt {number}")
        if m.drain().expired:
            break
        assert expires_at(m) <= made + 7 * 24 * HOUR
    assert clock.now() == made + 11 * 16 * HOUR, "the first step after the seventh day"
    assert m.get(["a"])[0].tier is Tier.CACHED


def test_an_items_own_time_to_live_is_extended_by_its_own_half(m: VectorManager, clock: FakeClock) -> None:
    m.delete(["a"])
    m.add([Item("a walrus plays violin sonatas in the tundra", id="a", ttl_seconds=60)], wait=True)
    made = clock.now()
    clock.advance(50)
    m.search("walrus")
    assert expires_at(m) == made + 80


def test_a_temp_vector_of_before_lives_as_it_was_given(clock: FakeClock, tmp_path: Path) -> None:
    path, now = tmp_path / "old.db", clock.now()
    db = connect(path, busy_seconds=1, writable=True)
    migrate(db, path, [one for one in schema_scripts() if one[0] < 4])
    db.execute(
        "INSERT INTO slot (namespace, text, exact, masked, tier, importance, novelty, patterns, worth, tokens, members, created_at,"
        " changed) VALUES ('default', 'basalt', x'01', x'02', 'temp', 0.5, 0.5, '[]', 1, 9, 1, 0, 1)"
    )
    db.execute("INSERT INTO vector VALUES (1, ?, 'embedder', ?, NULL, 'float32')", (HashEmbedder().vector("basalt").tobytes(), now - 10))
    db.execute("INSERT INTO temp VALUES (1, ?, 0)", (now + 90,))
    migrate(db, path, schema_scripts())
    assert db.execute("SELECT expires_at, ttl, latest FROM temp").fetchall() == [(now + 90, 100, now - 10 + 700)]
    db.close()
