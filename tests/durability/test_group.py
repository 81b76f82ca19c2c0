"""Group commit: one commit for all who wait, and each for itself."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vectopt import Budget, VectorManager
from vectopt.errors import CapacityExceeded, StoreError, StoreFull
from vectopt.ledger import records, transaction
from vectopt.vectorizer import bind_space

from .checker import counter_faults, letters
from .child import open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[VectorManager]:
    with open_store(str(tmp_path / "store.db")) as opened:
        yield opened


def together(store: VectorManager, calls: list[Callable[[], Any]]) -> list[Any]:
    """Make the calls in a thread each, all waiting before the first commits; return their values or errors."""
    writer = store._ledger._writer
    outcomes: list[Any] = [None] * len(calls)

    def run(place: int) -> None:
        try:
            outcomes[place] = calls[place]()
        except BaseException as error:
            outcomes[place] = error

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(calls))]
    with writer._commit_lock:
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 10
        while len(writer._waiting) < len(calls):
            assert time.monotonic() < deadline
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    return outcomes


def _sequence(store: VectorManager) -> int:
    with store._ledger.reading() as db:
        return int(records.meta(db, "change"))


def _check(store: VectorManager, present: set[str]) -> None:
    """The store holds these items and no others, also after it was opened again."""
    store.close()
    with VectorManager(store.path) as again:
        assert {item.id for item in again.scan()} == present
        for id in present:
            assert [hit.id for hit in again.search(f"zq{id}", 2, mode="lexical")] == [id]
        with again._ledger.reading() as db:
            assert counter_faults(db) == []
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def _add(store: VectorManager, id: str) -> Callable[[], list[str]]:
    vector = [1.0] * 16  # a vector of its own: the call is one write
    return lambda: store.add([{"id": id, "content": f"zq{id} text", "vector": vector}])


def _names(count: int) -> list[str]:
    return [letters(n) for n in range(count)]


def test_those_who_wait_are_committed_together(store: VectorManager) -> None:
    before = _sequence(store)
    names = _names(24)
    assert together(store, [_add(store, id) for id in names]) == [[id] for id in names]
    assert _sequence(store) == before + 1
    _check(store, set(names))


def test_more_than_one_group_can_hold(store: VectorManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction, "_MAX_GROUP", 4)
    names = _names(19)
    assert together(store, [_add(store, id) for id in names]) == [[id] for id in names]
    _check(store, set(names))


def test_work_that_fails_goes_alone(store: VectorManager) -> None:
    """Its own rows and counts are undone; those of the others stand."""

    def broken(tx: transaction.Transaction) -> None:
        tx.db.execute("DELETE FROM item")
        tx.count("default", "items", -100)
        raise ValueError("broken")

    _add(store, "first")()
    names = _names(9)
    calls: list[Callable[[], Any]] = [_add(store, id) for id in names]
    calls[4:4] = [lambda: store._ledger.write(broken)] * 2
    outcomes = together(store, calls)
    assert [type(outcome) for outcome in outcomes[4:6]] == [ValueError] * 2
    assert outcomes[:4] + outcomes[6:] == [[id] for id in names]
    _check(store, {"first", *names})


def test_capacity_refuses_those_that_are_too_many(tmp_path: Path) -> None:
    store = VectorManager(tmp_path / "store.db", budget=Budget(max_items=5))
    names = _names(8)
    outcomes = together(store, [_add(store, id) for id in names])
    refused = [id for id, outcome in zip(names, outcomes, strict=True) if isinstance(outcome, CapacityExceeded)]
    stored = [id for id, outcome in zip(names, outcomes, strict=True) if outcome == [id]]
    assert (len(refused), len(stored)) == (3, 5)
    _check(store, set(stored))


def test_a_failed_statement_is_told_as_ours(store: VectorManager) -> None:
    """Alone or in a group, sqlite3's own errors don't reach the caller."""

    def broken(tx: transaction.Transaction) -> None:
        tx.db.execute("INSERT INTO item (namespace, id) VALUES ('default', NULL)")

    with pytest.raises(StoreError) as alone:
        store._ledger.write(broken)
    assert isinstance(alone.value.__cause__, sqlite3.Error)
    outcomes = together(store, [_add(store, "one"), lambda: store._ledger.write(broken), _add(store, "two")])
    assert outcomes[0] == ["one"]
    assert outcomes[2] == ["two"]
    assert isinstance(outcomes[1], StoreError), repr(outcomes[1])
    _check(store, {"one", "two"})


def test_a_full_disk_in_a_group(store: VectorManager) -> None:
    """Whoever doesn't fit is told StoreFull, and nothing of that call is there; the others' is, or they are told too."""
    _add(store, "first")()
    db = store._ledger._writer.db
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {pages + 20}")
    big = [{"id": f"big-{n}", "content": f"{n} " + "filler " * 500} for n in range(100)]
    names = _names(4)
    calls: list[Callable[[], Any]] = [_add(store, id) for id in names]
    calls.insert(2, lambda: store.add(big))
    outcomes = together(store, calls)
    assert isinstance(outcomes.pop(2), StoreFull)
    stored = {id for id, outcome in zip(names, outcomes, strict=True) if outcome == [id]}
    for id, outcome in zip(names, outcomes, strict=True):
        assert id in stored or isinstance(outcome, StoreFull)
    assert {item.id for item in store.scan()} == {"first", *stored}
    db.execute("PRAGMA max_page_count = 1000000")
    assert _add(store, "later")() == ["later"]
    _check(store, {"first", "later", *stored})


def test_an_interrupt_in_one_call_is_not_the_others(store: VectorManager) -> None:
    """Ctrl-C reaches the thread that commits for all; the others' calls are stored or fail with a StoreError."""

    def interrupted(tx: transaction.Transaction) -> None:
        raise KeyboardInterrupt

    outcomes = together(store, [_add(store, "one"), lambda: store._ledger.write(interrupted), _add(store, "two")])
    assert [type(outcome) for outcome in outcomes].count(KeyboardInterrupt) == 1, outcomes  # in the thread that committed
    assert all(isinstance(outcome, (list, StoreError, KeyboardInterrupt)) for outcome in outcomes), outcomes
    stored = {id for outcome in outcomes if isinstance(outcome, list) for id in outcome}
    assert {item.id for item in store.scan()} == stored
    assert _add(store, "later")() == ["later"]
    _check(store, {"later", *stored})


def test_an_item_added_by_all_at_once_is_there_once(store: VectorManager) -> None:
    contents = [f"zqsame text of {letters(n)}" for n in range(12)]
    calls = [lambda content=content: store.add([{"id": "same", "content": content, "vector": [1.0] * 16}]) for content in contents]
    assert together(store, calls) == [["same"]] * 12
    (item,) = store.scan()
    assert item.content in contents
    assert [hit.content for hit in store.search("zqsame", 3, mode="lexical")] == [item.content]
    store.delete(["same"])
    _check(store, set())


def test_what_is_committed_is_told_as_stored_though_the_checkpoint_fails(store: VectorManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error, or Ctrl-C, that comes after the commit must not read as "nothing was stored"."""
    writer = store._ledger._writer
    for number, error in enumerate((OSError("no more descriptors"), KeyboardInterrupt())):

        def fails(error: BaseException = error) -> None:
            raise error

        monkeypatch.setattr(writer, "_checkpoint", fails)
        outcomes = together(store, [_add(store, f"one{number}"), _add(store, f"two{number}")])
        monkeypatch.undo()
        assert not [outcome for outcome in outcomes if isinstance(outcome, StoreError)], outcomes
        assert {f"one{number}", f"two{number}"} <= {item.id for item in store.scan()}


def test_every_commit_is_synced(store: VectorManager) -> None:
    """What makes an acknowledged add survive a power cut."""
    db = store._ledger._writer.db
    assert db.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL
    assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert db.execute("PRAGMA wal_autocheckpoint").fetchone()[0] == 0


def test_a_write_that_fails_does_not_bind_the_store_to_its_dimensions() -> None:
    with VectorManager() as fresh:

        def fails(tx: transaction.Transaction) -> None:
            bind_space(tx, None, 3)
            assert fresh._ledger.dimensions(tx.db) == 3
            raise RuntimeError("after all, no")

        with pytest.raises(RuntimeError):
            fresh._ledger.write(fails)
        fresh.add([{"content": "of five dimensions", "vector": [1.0] * 5}])
        assert fresh.stats().vectors == 1
