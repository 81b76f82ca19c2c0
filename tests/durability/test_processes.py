"""Several threads and processes on one file."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vectopt import Budget, Settings, VectorManager
from vectopt.errors import CapacityExceeded, StoreBusy
from vectopt.ledger import guard, transaction
from vectopt.protocols import Role as TextRole

from .checker import DIMENSIONS, Later, counter_faults
from .child import Peer, Role, hammer, open_store
from .embedder import HashEmbedder

SECONDS = 3.0
THREADS = 8


def test_threads_and_processes_on_one_file(zygote: Role, tmp_path: Path) -> None:
    """8 threads and 2 more processes write, search and drain: none is refused, nothing is lost, nothing is there twice."""
    path = tmp_path / "store.db"
    results: list[dict[str, Any]] = []
    with open_store(str(path)) as store:
        orders = [
            {"do": "hammer", "path": str(path), "who": who, "seconds": SECONDS, "result": str(tmp_path / str(who))} for who in (101, 102)
        ]
        pids = [zygote.ask(order) for order in orders]
        threads = [threading.Thread(target=lambda who=who: results.append(hammer(store, who, SECONDS))) for who in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for pid in pids:
            assert zygote.ask({"reap": pid}) == 0
        results += [json.loads(Path(order["result"]).read_text()) for order in orders]

        assert [error for result in results for error in result["errors"]] == []
        assert len(results) == THREADS + 2
        assert all(result["calls"] >= 10 for result in results)  # none was starved
        mine = {id: (content, metadata) for result in results for id, (content, metadata) in result["mine"].items()}
        scanned = [item for item in store.scan() if not item.id.startswith("copy-")]
        assert len(scanned) == len(mine)
        assert {item.id: (item.content, item.metadata) for item in scanned} == mine
        _check_shared(store)
        for id, (content, metadata) in mine.items():
            hits = store.search(metadata["word"], 3, mode="lexical")
            assert [(hit.id, hit.content, hit.metadata) for hit in hits] == [(id, content, metadata)]
        for result in results:
            for word in result["gone"]:
                assert store.search(word, 1, mode="lexical") == []
    _check_whole(path)


def _check_shared(store: VectorManager) -> None:
    """All wrote the ids `shared-0` to `shared-3`: each is there once, as one of them wrote it."""
    shared = store.scan(namespace="side")
    assert sorted(item.id for item in shared) == [f"shared-{n}" for n in range(4)]
    for item in shared:
        assert item.content == f"written by {item.metadata['who']}"
    texts = {item.content for item in store.scan() if item.id.startswith("copy-")}
    found = store.search("a text of everyone's", 50, mode="lexical")
    assert sorted(hit.content for hit in found if hit.content.startswith("a text of everyone's")) == sorted(texts)


def _check_whole(path: Path) -> None:
    with open_store(str(path)) as store, store._ledger.reading() as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert counter_faults(db) == []


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("two") / "store.db"


@pytest.fixture(scope="module")
def peer(path: Path) -> Iterator[Peer]:
    with Peer(str(path)) as other:
        yield other


@pytest.fixture
def here(path: Path, peer: Peer) -> Iterator[VectorManager]:
    with open_store(str(path)) as store:
        peer("delete_all")
        peer("delete_all", namespace="side")
        yield store


def _ids(store: VectorManager | Peer, word: str, **named: Any) -> list[str]:
    if isinstance(store, VectorManager):
        return [hit.id for hit in store.search(word, 3, mode="lexical", **named)]
    return [hit[0] for hit in store("search", word, 3, mode="lexical", **named)]


def test_the_others_add_is_found_by_the_next_search(here: VectorManager, peer: Peer) -> None:
    for n, word in enumerate(("zqone", "zqtwo", "zqthree")):  # from the second on, both have searched before
        assert _ids(here, word) == _ids(peer, word) == []
        peer("add", [{"id": f"theirs-{n}", "content": f"{word} of theirs"}])
        assert _ids(here, word) == [f"theirs-{n}"]
        here.add([{"id": f"mine-{n}", "content": f"{word}{word} of mine"}])
        assert _ids(peer, word + word) == [f"mine-{n}"]


def test_the_others_update_is_found_by_the_next_search(here: VectorManager, peer: Peer) -> None:
    here.add([{"id": "a", "content": "zqold text", "metadata": {"v": 1}}])
    assert _ids(peer, "zqold") == ["a"]
    here.add([{"id": "a", "content": "zqnew text", "metadata": {"v": 2}}])
    assert _ids(peer, "zqold") == []
    assert peer("search", "zqnew", 1, mode="lexical") == [["a", "zqnew text", {"v": 2}]]
    peer("add", [{"id": "a", "content": "zqnew text", "metadata": {"v": 3}}])  # the same text: no index changes
    assert here.search("zqnew", 1, mode="lexical")[0].metadata == {"v": 3}
    peer("add", [{"id": "a", "content": "zqnewest text", "metadata": {"v": 4}}])
    assert _ids(here, "zqnew") == []
    assert _ids(here, "zqnewest") == ["a"]
    assert here.get(["a"])[0].metadata == {"v": 4}


def test_the_others_deletion_is_seen_by_the_next_search(here: VectorManager, peer: Peer) -> None:
    here.add([{"id": id, "content": f"zq{id} text"} for id in ("left", "right", "kept")])
    assert _ids(peer, "zqleft") == ["left"]
    assert _ids(here, "zqright") == ["right"]
    assert here.delete(["left"]) == 1
    assert _ids(peer, "zqleft") == []
    assert peer("delete", ["right", "left"]) == 1
    assert _ids(here, "zqright") == []
    assert here.get(["left", "right"]) == []
    assert _ids(here, "zqkept") == _ids(peer, "zqkept") == ["kept"]


def test_the_others_vector_is_found_by_the_next_search(here: VectorManager, peer: Peer) -> None:
    query = [1.0] + [0.0] * 15
    near, far = [1.0] + [0.1] * 15, [-1.0] + [0.1] * 15
    here.add([{"id": "a", "content": "first", "vector": far}])
    assert [hit.id for hit in here.search(query, 1)] == ["a"]
    peer("add", [{"id": "b", "content": "second", "vector": near}])
    assert [hit.id for hit in here.search(query, 2)] == ["b", "a"]
    peer("delete", ["b"])
    assert [hit.id for hit in here.search(query, 2)] == ["a"]


def test_what_one_queues_the_other_embeds(here: VectorManager, peer: Peer) -> None:
    waiting = VectorManager(here.path)  # without an embedder
    waiting.add([{"id": "q", "content": "zqqueued by one", "priority": "high"}])
    waiting.close()
    assert here.get(["q"])[0].tier == "queued"
    assert here.search("zqqueued by one", 1)[0].tier == "queued"
    assert peer("drain") == 1
    assert here.get(["q"])[0].tier in ("temp", "persistent")
    (hit,) = here.search("zqqueued by one", 1, mode="dense")
    assert (hit.id, hit.predicted) == ("q", False)
    assert hit.similarity == pytest.approx(1.0, abs=1e-5)


def test_namespaces_do_not_leak(here: VectorManager, peer: Peer) -> None:
    here.add([{"id": "same", "content": "zqmine text"}], namespace="side")
    peer("add", [{"id": "same", "content": "zqtheirs text"}])
    assert _ids(peer, "zqmine") == _ids(here, "zqmine") == []
    assert _ids(peer, "zqmine", namespace="side") == ["same"]
    assert _ids(here, "zqtheirs", namespace="side") == []
    assert peer("delete_all", namespace="side") == 1
    assert _ids(here, "zqmine", namespace="side") == []
    assert _ids(here, "zqtheirs") == ["same"]


class Slow(HashEmbedder):
    """Waits for leave in every call."""

    def __init__(self) -> None:
        super().__init__(DIMENSIONS)
        self.called, self.leave = threading.Event(), threading.Event()

    def embed(self, texts: Sequence[str], role: TextRole) -> NDArray[np.float32]:
        self.called.set()
        assert self.leave.wait(10)
        return super().embed(texts, role)


@pytest.mark.parametrize("meanwhile", ["embedded", "taken over", "deleted", "replaced", "deleted and added again"])
def test_a_slow_embedder_changes_nothing_that_went_on_without_it(tmp_path: Path, meanwhile: str) -> None:
    """Its lease is over and another has taken the text, or the text is gone: the late answer is refused."""
    path, embedder, second = tmp_path / "store.db", Slow(), Slow()
    if meanwhile != "taken over":
        second.leave.set()
    vector = [1.0] * DIMENSIONS
    late: list[Any] = []
    with VectorManager(path, embedder=embedder) as slow, VectorManager(path, embedder=second, clock=Later()) as other:
        with VectorManager(path) as plain:
            plain.add([{"id": "a", "content": "zqold text", "priority": "high"}])
        thread = threading.Thread(target=lambda: late.append(slow.drain()))
        thread.start()
        assert embedder.called.wait(10)
        if meanwhile == "embedded":
            assert other.drain().embedded == 1
        elif meanwhile == "taken over":
            taker = threading.Thread(target=other.drain)
            taker.start()
            assert second.called.wait(10)
        elif meanwhile == "replaced":
            other.add([{"id": "a", "content": "zqnew text", "vector": vector}])
        else:
            assert other.delete(["a"]) == 1
            if meanwhile != "deleted":
                other.add([{"id": "a", "content": "zqold text", "vector": vector}])
        embedder.leave.set()
        thread.join()
        assert late[0].embedded == 0
        if meanwhile == "taken over":
            second.leave.set()
            taker.join()
        assert other.drain().waiting == 0
        items = other.get(["a"], with_vectors=True)
        wanted = {"deleted": [], "replaced": ["zqnew text"]}.get(meanwhile, ["zqold text"])
        assert [item.content for item in items] == wanted
        for item in items:
            assert item.vector is not None
            assert (item.vector.tolist() == vector) == (meanwhile not in ("embedded", "taken over"))
        assert other.stats().embeddings_made == (meanwhile in ("embedded", "taken over"))
    _check_whole(path)


def test_two_stores_of_one_process_on_one_file(tmp_path: Path) -> None:
    """Opening or closing one must not drop the other's locks, as closing any descriptor of the file would.

    A process that finds the file unlocked takes itself for the last one: it removes the log, and the first one's
    further writes go to a file without a name.
    """
    path = tmp_path / "store.db"
    with open_store(str(path)) as first:
        first.add([{"id": "a", "content": "zqa text"}])
        assert _ids(first, "zqa") == ["a"]
        open_store(str(path)).close()
        with open_store(str(path)) as second:
            with Peer(str(path)) as other:
                other("add", [{"id": "b", "content": "zqb text"}])
            first.add([{"id": "c", "content": "zqc text"}])
            second.add([{"id": "d", "content": "zqd text"}])
        with Peer(str(path)) as another:
            for id in ("a", "b", "c", "d"):
                assert _ids(another, f"zq{id}") == _ids(first, f"zq{id}") == [id]
    _check_whole(path)


def test_a_store_opened_while_a_closed_one_is_still_read(tmp_path: Path) -> None:
    """A search that outlasts the close holds the file open, and the next store of this process relies on its locks."""
    path = tmp_path / "store.db"
    inside, leave = threading.Event(), threading.Event()

    def slow(item: Any) -> bool:
        inside.set()
        return leave.wait(10)

    first = open_store(str(path))
    first.add([{"id": "a", "content": "zqa text"}])
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.extend(first.search("zqa", 1, mode="lexical", filter=slow)))
    thread.start()
    assert inside.wait(10)
    first.close()
    with open_store(str(path)) as second:
        with Peer(str(path)) as other:
            other("add", [{"id": "b", "content": "zqb text"}])
        second.add([{"id": "c", "content": "zqc text"}])
        leave.set()
        thread.join()
        assert [hit.id for hit in found] == ["a"]
        second.add([{"id": "d", "content": "zqd text"}])
        with Peer(str(path)) as another:
            for id in ("a", "b", "c", "d"):
                assert _ids(another, f"zq{id}") == _ids(second, f"zq{id}") == [id]
    _check_whole(path)


def test_every_commit_and_checkpoint_is_made_under_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No process can checkpoint while another commits, which corrupts files with many releases of SQLite."""
    monkeypatch.setattr(transaction, "_CHECKPOINT_BYTES", 1)
    path = tmp_path / "store.db"
    other = guard.WriteLock(path.with_name("store.db.lock"), 0.001)
    seen: list[tuple[str, bool]] = []

    def note(statement: str) -> None:
        try:
            with other.held():
                seen.append((statement, False))
        except StoreBusy:
            seen.append((statement, True))

    with open_store(str(path)) as store:
        store._ledger._writer.db.set_trace_callback(note)
        store.add(["a text", "another"], wait=True)
        store._ledger._writer.db.set_trace_callback(None)
    other.close()
    words = {word for statement, _ in seen for word in ("BEGIN", "COMMIT", "wal_checkpoint", "INSERT") if word in statement}
    assert words == {"BEGIN", "COMMIT", "wal_checkpoint", "INSERT"}
    assert [statement for statement, held in seen if not held] == []


def test_a_write_waits_for_the_other_process_and_gives_up_in_time(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with open_store(str(path)) as first, VectorManager(path, settings=Settings(busy_seconds=0.2)) as second:
        held, leave = threading.Event(), threading.Event()

        def hold(tx: transaction.Transaction) -> None:
            held.set()
            assert leave.wait(10)

        thread = threading.Thread(target=lambda: first._ledger.write(hold))
        thread.start()
        assert held.wait(10)
        with pytest.raises(StoreBusy, match="nothing was stored"):
            second.add([{"id": "a", "content": "zqa text"}])
        assert second.get(["a"]) == []  # reading waits for nobody
        assert _ids(second, "zqa") == []
        leave.set()
        thread.join()
        second.add([{"id": "a", "content": "zqa text"}])
        assert _ids(first, "zqa") == ["a"]
    _check_whole(path)


def test_feedback_while_a_text_comes_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread's search may take a deletion into the index after `feedback` began to read the file as it was before."""
    with open_store(str(tmp_path / "store.db")) as store:
        store.add([{"id": "a", "content": "zqfirst text"}])
        store.search("zqfirst")
        store.add([{"id": "b", "content": "zqsecond text"}])
        catch_up = store._retrieval._follower._catch_up
        turns = iter([True])

        def meanwhile(db: Any) -> None:
            if next(turns, False):
                store.delete(["b"])
                store.search("zqfirst")
            catch_up(db)

        monkeypatch.setattr(store._retrieval._follower, "_catch_up", meanwhile)
        assert 0 <= store.feedback("zqfirst", ["a"]) <= 1
        assert [hit.id for hit in store.search("zqfirst", 2, mode="lexical")] == ["a"]


def test_closing_under_load_loses_nothing(tmp_path: Path) -> None:
    """A close while other threads write: each write is refused with StoreClosed, or is there when the file is opened again."""
    path = str(tmp_path / "store.db")
    store = open_store(path)
    written: list[str] = []
    errors: list[str] = []

    def write(who: int) -> None:
        for n in range(10_000):
            try:
                written.extend(store.add([{"id": f"{who}-{n}", "content": f"text {who} {n}"}]))
                store.search("text", 2)
            except Exception as error:
                errors.append(type(error).__name__)
                return

    threads = [threading.Thread(target=write, args=(who,)) for who in range(6)]
    for thread in threads:
        thread.start()
    while len(written) < 50 and any(thread.is_alive() for thread in threads):
        time.sleep(0.001)
    store.close()
    for thread in threads:
        thread.join()
    assert set(errors) == {"StoreClosed"}
    with open_store(path) as again:
        assert {item.id for item in again.get(written)} == set(written)
    assert not Path(path + "-wal").exists()  # every connection was closed


def test_a_refused_add_is_nobody_elses_matter(tmp_path: Path) -> None:
    """While one thread's adds are refused, another's adds to the same namespace are stored."""
    with VectorManager(path=tmp_path / "store.db", budget=Budget(max_items=60)) as store:
        done = threading.Event()
        refused: list[str] = []

        def ask_for_too_much() -> None:
            while not done.is_set():
                try:
                    store.add([f"one of too many {n}" for n in range(61)])
                except CapacityExceeded:
                    refused.append("refused")

        thread = threading.Thread(target=ask_for_too_much)
        thread.start()
        try:
            for n in range(60):
                store.add([f"a text that fits {n}"])
        finally:
            done.set()
            thread.join()
        assert refused
        assert sum(1 for _ in store.scan()) == 60
