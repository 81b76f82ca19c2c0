"""Pinecone as the place where persistent vectors go: the real client, against a double on loopback."""

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests.vectorstores import VectorStoreIntegrationTests
from pinecone import Pinecone

from langchain_vectopt import VectOptVectorStore
from vectopt import Item, OutsideSettings, QueueSettings, Record, Settings, StrategySettings, VectorManager
from vectopt.stores.keys import key_of
from vectopt.stores.pinecone import PineconeStore, place_of
from vectopt.testing import FakeClock, HashEmbedder, SilentObserver, VectorStoreContract

from .crash_child import patch_retries
from .double import Faults, Index, Server, serving

DIMENSIONS = 16
LONG = os.environ.get("VECTOPT_LONG") == "1"
WORDS = ("amber", "birch", "cedar", "dunes", "ember", "flint", "grove", "heath", "inlet", "jetty", "knoll", "larch")


class Service:
    """A server and a client of it, made once; every test has an index of its own behind them."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.client: Any = Pinecone(api_key="pc-canary").Index(host=server.address)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with serving(Index(DIMENSIONS, lambda: 0.0)) as server:
        one = Service(server)
        yield one
        one.client.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def index(clock: FakeClock, service: Service) -> Index:
    service.server.index = Index(DIMENSIONS, clock.now)
    return service.server.index


@pytest.fixture
def client(service: Service, index: Index) -> Any:
    return service.client


@pytest.fixture(autouse=True)
def no_waiting() -> None:
    patch_retries()


class TestPinecone(VectorStoreContract):
    @pytest.fixture(autouse=True)
    def served(self, client: Any) -> None:
        self.client = client

    def make_store(self) -> PineconeStore:
        return PineconeStore(self.client, settle_seconds=0)


@pytest.mark.skipif(not LONG, reason="make test-long")
class TestPineconeWithTexts(VectorStoreContract):
    @pytest.fixture(autouse=True)
    def served(self, client: Any) -> None:
        self.client = client

    def make_store(self) -> PineconeStore:
        return PineconeStore(self.client, settle_seconds=0, texts=True)


class TestLangChainsSuiteOverPinecone(VectorStoreIntegrationTests):
    """LangChain's own suite, unmodified, with Pinecone as the persistent tier and reads that lag by up to a minute."""

    @pytest.fixture
    def vectorstore(self, tmp_path: Path, clock: FakeClock, service: Service) -> Iterator[VectorStore]:
        strategy = StrategySettings(immediate_importance=0.0, immediate_novelty=0.0)  # every text is persistent at once
        settings = Settings(strategy=strategy, queue=QueueSettings(upkeep_seconds=1e-9), observer=SilentObserver())
        service.server.index = Index(6, clock.now, delay=60)
        outside = PineconeStore(service.client)
        with VectOptVectorStore(
            self.get_embeddings(), path=tmp_path / "store.db", settings=settings, clock=Ticking(clock), store=outside
        ) as store:
            yield store


class Ticking:
    """A clock that a minute passes on between any two looks, so that everything that can move does."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def now(self) -> float:
        self._clock.advance(7)
        return self._clock.now()


def a_manager(tmp_path: Path, client: Any, clock: FakeClock, observer: Any = None, **options: Any) -> VectorManager:
    settings = Settings(observer=observer or SilentObserver(), outside=OutsideSettings(patience_seconds=10, rest_seconds=1e-9))
    store = PineconeStore(client, **options)
    return VectorManager(tmp_path / "store.db", embedder=HashEmbedder(DIMENSIONS), clock=clock, settings=settings, store=store)


def items(*words: str) -> list[Item]:
    return [Item(word, id=word, vector=HashEmbedder(DIMENSIONS).vector(word)) for word in words]


def until_settled(manager: VectorManager, clock: FakeClock, most: int = 60) -> None:
    for _ in range(most):
        manager.drain()
        report = manager.reconcile()
        if not report.pending and not report.leaving:
            return
        clock.advance(61)
    raise AssertionError(f"never settled: {report}")


def test_a_promoted_item_answers_from_here_until_the_index_shows_it(tmp_path: Path, index: Index, client: Any, clock: FakeClock) -> None:
    index.delay = 60
    with a_manager(tmp_path, client, clock) as manager:
        manager.add(items(*WORDS))
        manager.drain()
        assert index.true_ids() == {"default": set(index.writes["default"])}
        stats = manager.stats()
        assert stats.vector_bytes == len(WORDS) * DIMENSIONS * 4  # sent, but not let go of: a read may not show them yet
        for _ in range(9):
            clock.advance(7)
            for word in WORDS:
                assert manager.search(HashEmbedder(DIMENSIONS).vector(word), 1)[0].id == word
        until_settled(manager, clock)
        assert manager.stats().vector_bytes == 0
        for word in WORDS:
            hit = manager.search(HashEmbedder(DIMENSIONS).vector(word), 1)[0]
            assert (hit.id, hit.similarity) == (word, pytest.approx(1, abs=1e-4))


def test_a_deleted_item_never_returns_while_the_index_still_shows_it(tmp_path: Path, index: Index, client: Any, clock: FakeClock) -> None:
    with a_manager(tmp_path, client, clock) as manager:
        manager.add(items(*WORDS))
        until_settled(manager, clock)
        index.delay = 60
        manager.delete(["amber"])
        manager.add([Item("another text", id="birch", vector=HashEmbedder(DIMENSIONS).vector("another text"))])
        for _ in range(12):
            manager.drain()
            clock.advance(9)
            found = {hit.id: hit.content for hit in manager.search(HashEmbedder(DIMENSIONS).vector("amber"), 20)}
            assert found.keys() == set(WORDS) - {"amber"}
            assert found["birch"] == "another text"
        until_settled(manager, clock)
        assert {len(ids) for ids in index.true_ids().values()} == {len(WORDS) - 1}


@pytest.mark.parametrize("seed", range(20 if LONG else 1))
def test_under_faults_and_late_reads_nothing_is_lost_and_nothing_returns(
    tmp_path: Path, index: Index, client: Any, clock: FakeClock, seed: int
) -> None:
    index.delay, index.rng = 60, Random(seed)
    index.faults = Faults(busy=0.05, down=0.05, cut=0.05, partial=0.05)
    rng, live, number = Random(seed), dict[str, str](), 0
    with a_manager(tmp_path, client, clock) as manager:
        for _ in range(60):
            kind = rng.random()
            if kind < 0.5 or not live:
                number += 1
                id = rng.choice([*live, f"id-{number}"]) if live else f"id-{number}"
                live[id] = f"text {'abcdefghij'[number % 10]}{number}"
                manager.add([Item(live[id], id=id, vector=HashEmbedder(DIMENSIONS).vector(live[id]))])
            elif kind < 0.7:
                gone = rng.choice(sorted(live))
                manager.delete([gone])
                del live[gone]
            else:
                manager.drain()
                clock.advance(rng.uniform(0, 40))
            asked = rng.choice(sorted(live)) if live else None
            found = {hit.id: hit.content for hit in manager.search(HashEmbedder(DIMENSIONS).vector(live.get(asked, "x")), 100)}
            assert found == live
        index.faults = Faults()
        until_settled(manager, clock)
        clock.advance(120)
        report = manager.reconcile(repair=True)
        clock.advance(120)
        until_settled(manager, clock)
        assert manager.reconcile().clean, report
        with manager._ledger.reading() as db:
            vectors = db.execute("SELECT count(*) FROM vector").fetchone()[0]
        assert sum(len(ids) for ids in index.true_ids().values()) == vectors == len(live)


def test_the_clients_limits_are_kept(service: Service, clock: FakeClock) -> None:
    """Large vectors go in several requests; all of them pass the double's checks."""
    index = service.server.index = Index(1536, clock.now)
    store = PineconeStore(service.client, settle_seconds=0, texts=True)
    vectors = np.random.default_rng(1).standard_normal((100, 1536)).astype(np.float32)
    metadata = {"long": "x" * 60_000, "none": None, "deep": {"a": [1]}, "nan": float("nan"), "page": 3}
    records = [Record(key_of(1, n), vector, "a text " * 9000, metadata) for n, vector in enumerate(vectors)]
    assert store.upsert("default", records) == []
    assert index.calls.count("/vectors/upsert") > 1
    found = store.fetch("default", [record.key for record in records])
    assert len(found) == 100
    np.testing.assert_allclose(found[records[7].key], vectors[7], rtol=1e-6)
    assert store.count("default") == 100
    assert len(store.query("default", vectors[0], 5000)) == 100


def test_requests_that_fail_are_told_apart_from_those_that_worked(index: Index, client: Any) -> None:
    store = PineconeStore(client, settle_seconds=0)
    good = Record(key_of(1, 1), HashEmbedder(DIMENSIONS).vector("a"))
    with pytest.raises(Exception, match="dimension"):
        store.upsert("default", [Record(key_of(1, 2), HashEmbedder(8).vector("b"))])
    assert store.upsert("default", [good]) == []
    index.faults = Faults(down=1.0)
    with pytest.raises(Exception, match=r"told to fail|503"):
        store.fetch("default", [good.key])
    index.faults = Faults()
    assert list(store.fetch("default", [good.key])) == [good.key]


def test_usage_agrees_with_the_index(tmp_path: Path, client: Any, clock: FakeClock) -> None:
    with a_manager(tmp_path, client, clock, settle_seconds=0) as manager:
        manager.add(items(*WORDS))
        manager.add([Item("elsewhere", id="e", vector=HashEmbedder(DIMENSIONS).vector("elsewhere"))], namespace="デフォルト")
        until_settled(manager, clock)
        manager.delete(["amber"])
        until_settled(manager, clock)
        store = PineconeStore(client)
        assert store.count("default") == manager.stats(namespace="default").vectors == len(WORDS) - 1
        assert store.count("デフォルト") == manager.stats(namespace="デフォルト").vectors == 1


def test_orphans_are_removed_on_repair_alone_and_what_is_missing_is_sent_again(
    tmp_path: Path, index: Index, client: Any, clock: FakeClock
) -> None:
    with a_manager(tmp_path, client, clock, settle_seconds=0) as manager:
        manager.add(items(*WORDS))
        until_settled(manager, clock)
        ids = sorted(index.true_ids()["default"])
        theirs, orphan = {"theirs", key_of(1, 1)}, ids[0][:-4] + "ffff"
        for id in (*theirs, orphan):
            index.write("default", id, {"id": id, "values": [1.0] * DIMENSIONS})
        index.write("default", ids[1], None)
        report = manager.reconcile()
        assert (report.orphans, report.missing) == ((orphan,), (ids[1],))
        manager.reconcile(repair=True)
        until_settled(manager, clock)
        assert manager.reconcile().clean
        there = index.true_ids()["default"]
        assert theirs <= there
        assert orphan not in there
        assert len(there) == len(WORDS) + len(theirs)


@pytest.mark.parametrize("namespace", ["default", "a/b", "__default__", "", "x" * 300, "vectopt-x", "with space", "デフォルト", "a\0b"])
def test_every_namespace_has_a_place_that_pinecone_takes(namespace: str) -> None:
    place = place_of(namespace)
    assert place.isascii()
    assert 1 <= len(place) <= 512
    assert place != "__default__"
    assert (place == namespace) is (namespace in ("default", "a/b"))


def test_the_key_is_in_no_message(tmp_path: Path, index: Index, client: Any, clock: FakeClock) -> None:
    told: list[str] = []

    class Listening:
        def notify(self, event: Any) -> None:
            told.append(repr(event))

    index.faults = Faults(down=1.0)
    with a_manager(tmp_path, client, clock, Listening()) as manager:
        manager.add(items("amber"))
        manager.drain()
        assert manager.search("amber", 1)[0].id == "amber"
        with manager._ledger.reading() as db:
            (error,) = db.execute("SELECT error FROM outside").fetchone()
        assert "outside_failed" in "".join(told)
        assert "pc-canary" not in "".join([*told, error, repr(manager._shipping._store), manager._shipping._store.name])


def test_connecting_by_address(service: Service, index: Index) -> None:
    store = PineconeStore.connect(service.server.address, api_key="pc-canary", settle_seconds=0)
    assert store.name == PineconeStore(service.client).name == f"pinecone:{service.server.address.removeprefix('http://')}"
    assert store.count("default") == 0
    store.close()
