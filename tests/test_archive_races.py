"""Two at once: what is archived, restored, written anew or deleted while somebody else reads, changes or archives it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vectopt import (
    Budget,
    CapacitySettings,
    DynamicCapacityManager,
    Item,
    MergingSettings,
    Settings,
    StorageSettings,
    Tier,
    VectorManager,
    unarchiving,
)
from vectopt.archive import open_target, salvage
from vectopt.archive.local import LocalTarget
from vectopt.errors import ArchiveUnavailable, CapacityExceeded, StoreError, StoreFull
from vectopt.ledger import archived

from .fakes import FakeClock, HashEmbedder, SilentObserver

Open = Callable[..., VectorManager]


class Meanwhile(LocalTarget):
    """A folder in which, right before or after something is done to it for the first time, something else happens."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._then: dict[str, Callable[[], object]] = {}

    def on(self, moment: str, do: Callable[[], object]) -> None:
        self._then[moment] = do

    def _reach(self, moment: str) -> None:
        do = self._then.pop(moment, None)
        if do is not None:
            do()

    def write(self, name: str, data: bytes) -> None:
        self._reach("before a write")
        super().write(name, data)
        self._reach("after a write")

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        self._reach("before a read")
        return super().read(name, start, length)


@pytest.fixture
def target(tmp_path: Path) -> Meanwhile:
    return Meanwhile(tmp_path / "archive")


@pytest.fixture
def opened(tmp_path: Path, target: Meanwhile) -> Iterator[Open]:
    managers: list[VectorManager] = []

    def make(**named: Any) -> VectorManager:
        options: dict[str, Any] = {"embedder": HashEmbedder(), "clock": FakeClock(), "archive": target}
        settings = Settings(
            capacity=named.pop("capacity", CapacitySettings(grace_seconds=0)),
            storage=named.pop("storage", StorageSettings()),
            merging=named.pop("merging", MergingSettings()),
            observer=SilentObserver(),
        )
        managers.append(VectorManager(tmp_path / "store.db", settings=settings, **(options | named)))
        return managers[-1]

    yield make
    for manager in managers:
        manager.close()


@pytest.fixture
def m(opened: Open) -> VectorManager:
    manager = opened()
    manager.add([Item(f"{word} grows by the river", {"n": place}, f"id{place}") for place, word in enumerate(WORDS)], wait=True)
    return manager


WORDS = ("amber", "birch", "cedar", "dill", "elm", "fern")
IDS = [f"id{place}" for place in range(len(WORDS))]


def seen(m: VectorManager, ids: list[str] = IDS) -> dict[str, str]:
    return {item.id: item.content for item in m.get(ids)}


class TestReading:
    """An item that exists all the time is found all the time."""

    def test_what_is_restored_between_two_looks_is_not_missed(self, m: VectorManager, monkeypatch: pytest.MonkeyPatch) -> None:
        everything = seen(m)
        calls: list[tuple[Callable[[], Any], Any]] = [
            (lambda: seen(m), everything),
            (lambda: {item.id: item.content for item in m.scan()}, everything),
            (lambda: m.explain("id1").id, "id1"),
        ]
        spots = archived.spots
        for call, wanted in calls:
            m.archive(["id1", "id2"])

            def then(*arguments: Any) -> Any:
                monkeypatch.setattr(archived, "spots", spots)
                m.restore(["id1", "id2"])
                return spots(*arguments)

            monkeypatch.setattr(archived, "spots", then)
            assert call() == wanted
            monkeypatch.setattr(archived, "spots", spots)

    def test_what_is_written_anew_before_it_is_read_is_read_there(self, m: VectorManager, target: Meanwhile) -> None:
        everything = seen(m)
        m.archive(IDS)
        m.delete(["id0"])
        del everything["id0"]
        target.on("before a read", m.compact)
        assert seen(m) == everything
        m.delete(["id1"])
        del everything["id1"]
        target.on("before a read", m.compact)
        assert {item.id: item.content for item in m.scan()} == everything
        m.delete(["id2"])
        target.on("before a read", m.compact)
        assert m.explain("id3").tier is Tier.ARCHIVED

    def test_what_is_written_anew_before_it_is_read_or_placed_is_restored(
        self, m: VectorManager, target: Meanwhile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        m.archive(IDS)
        m.delete(["id0"])
        target.on("before a read", m.compact)
        assert m.restore(["id1"]).restored == 1
        restorable = unarchiving.Unarchiver._restorable

        def then(self: Any, *arguments: Any) -> Any:
            for portion in restorable(self, *arguments):
                monkeypatch.setattr(unarchiving.Unarchiver, "_restorable", restorable)
                m.compact()
                yield portion

        monkeypatch.setattr(unarchiving.Unarchiver, "_restorable", then)
        assert m.restore(["id2", "id3"]).restored == 2
        assert m.archived_ids() == ["id4", "id5"]
        assert m.doctor() == []

    def test_an_archive_that_is_away_is_asked_once(self, m: VectorManager, target: Meanwhile, tmp_path: Path) -> None:
        m.archive(IDS)
        (tmp_path / "archive").rename(tmp_path / "away")
        for call in (lambda: m.get(["id1"]), m.scan, lambda: m.explain("id1"), lambda: m.restore(IDS)):
            with pytest.raises(ArchiveUnavailable):
                call()
        (tmp_path / "away").rename(tmp_path / "archive")
        assert m.restore(IDS).restored == 6


class TestWriting:
    """What changes while it is being archived stays, as it is then."""

    def test_changed_deleted_joined_or_pinned_meanwhile(self, m: VectorManager, target: Meanwhile, opened: Open) -> None:
        other = opened()

        def change() -> None:
            other.add([Item("amber grows by the river", {"n": "new"}, "id0")])  # its metadata alone
            other.add([Item("quite another text", {}, "id1")])
            other.delete(["id2"])
            other.add([Item("dill grows by the river", {}, "a copy")])

        target.on("after a write", change)
        assert m.archive(IDS) == 2
        assert m.archived_ids() == ["id4", "id5"]
        assert {item.id: item.metadata.get("n") for item in m.get([*IDS, "a copy"])} == {
            "id0": "new", "id1": None, "id3": 3, "id4": 4, "id5": 5, "a copy": None,
        }  # fmt: skip
        assert other.doctor() == []
        m.compact()
        assert seen(other)["id1"] == "quite another text"
        assert m.doctor() == []

    def test_a_pin_set_during_a_pass_holds(self, opened: Open, target: Meanwhile) -> None:
        m = opened(budget=Budget(max_items=6), capacity=CapacitySettings(grace_seconds=0, archive_after_seconds=0, most_a_pass=1.0))
        m.add([Item(f"{word} grows by the river", {}, id) for word, id in zip(WORDS, IDS, strict=True)])
        watch = DynamicCapacityManager({}, m)
        leaving = {id for step in watch.plan().steps for id in step.ids}
        pinned = min(leaving)
        target.on("after a write", lambda: m.pin([pinned]))
        assert watch.run_once().archived == len(leaving) - 1
        assert set(m.archived_ids()) == leaving - {pinned}

    def test_what_comes_in_while_a_pass_deletes_is_not_deleted(self, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        m = opened(archive=None, budget=Budget(max_items=6), capacity=CapacitySettings(grace_seconds=0, policy="delete", most_a_pass=1.0))
        m.add([Item(f"{word} grows by the river", {}, id) for word, id in zip(WORDS, IDS[:5], strict=False)])
        m.add([Item("one more, so that it is full", {}, "more")])
        watch = DynamicCapacityManager({}, m)
        leaving = sorted({id for step in watch.plan().steps for id in step.ids})
        text, other = seen(m, leaving)[leaving[0]], leaving[1]
        delete = watch._store.keeper._actions.delete

        def late(*arguments: Any) -> int:
            m.delete(["more"])
            m.add([Item(text, {}, "a copy that was acknowledged")])
            m.pin([other])
            return delete(*arguments)

        monkeypatch.setattr(watch._store.keeper._actions, "delete", late)
        watch.run_once()
        assert set(seen(m, [*leaving, "a copy that was acknowledged"])) >= {leaving[0], other, "a copy that was acknowledged"}

    def test_what_is_deleted_while_it_is_written_anew(self, m: VectorManager, target: Meanwhile, monkeypatch: pytest.MonkeyPatch) -> None:
        m.archive(IDS)
        m.delete(["id0"])
        target.on("after a write", lambda: m.delete(["id1"]))
        m.compact()
        assert set(seen(m)) == set(IDS[2:])
        m.compact()
        assert m.doctor() == []
        spots = archived.spots_in

        def all_gone(*arguments: Any) -> Any:
            monkeypatch.setattr(archived, "spots_in", spots)
            m.delete(IDS)
            return spots(*arguments)

        m.delete(["id2"])
        monkeypatch.setattr(archived, "spots_in", all_gone)
        m.compact()
        assert m.doctor() == []
        assert os.listdir(Path(target.describe())) == []

    def test_an_object_somebody_removed_keeps_no_other_from_being_tidied(self, m: VectorManager, target: Meanwhile) -> None:
        m.archive(["id0", "id1"])
        (lost,) = target.names()
        m.archive(["id2", "id3"])
        m.delete(["id0", "id2"])
        Path(target.describe(), lost).unlink()
        m.compact()
        assert m.get(["id3"])[0].content == "dill grows by the river"
        assert len(target.names()) == 1
        assert [finding.what for finding in m.doctor()] == ["archive_unavailable"]
        with pytest.raises(ArchiveUnavailable):
            m.get(["id1"])

    def test_a_text_too_large_for_a_record_stays_and_keeps_no_other_back(self, m: VectorManager, monkeypatch: pytest.MonkeyPatch) -> None:
        from vectopt.archive import record

        m.add([Item("elm " * 5_000, {}, "large")])
        monkeypatch.setattr(record, "MAX_LINE", 15_000)
        assert m.archive([*IDS, "large"]) == 6
        assert m.archived_ids() == IDS
        assert m.archive(["large"]) == 0
        assert m.get(["large"])[0].content == "elm " * 5_000
        m.compact()
        assert m.doctor() == []


class TestComingBack:
    """Restoring gives back what there was, within the budget."""

    def test_callers_vectors_of_one_text_come_back_each_to_its_own_item(self, opened: Open) -> None:
        for precision in ("float32", "float16", "int8"):
            m = opened(storage=StorageSettings(precision=precision))  # type: ignore[arg-type]
            rows = np.random.default_rng(3).standard_normal((3, 16)).astype(np.float32)
            m.add([Item("one text", {}, f"v{place}", vector=row) for place, row in enumerate(rows)], namespace=precision)
            before = {item.id: item for item in m.get(["v0", "v1", "v2"], namespace=precision, with_vectors=True)}
            assert m.archive(["v0", "v1", "v2"], namespace=precision) == 3
            m._clock.advance(100)  # type: ignore[attr-defined]
            assert m.restore(["v2", "v1", "v0"], namespace=precision).restored == 3
            for item in m.get(["v0", "v1", "v2"], namespace=precision, with_vectors=True):
                was = before[item.id]
                np.testing.assert_array_equal(item.vector, was.vector)
                assert item.facts == was.facts
            assert m.doctor() == []
            m.close()

    def test_vectors_given_before_the_store_had_an_embedder_come_back(self, opened: Open) -> None:
        vector = np.arange(16, dtype=np.float32)
        m = opened(embedder=None)
        m.add([Item("given with its vector", {}, "given", vector=vector)])
        m.archive(["given"])
        m.close()
        m = opened()
        m.add(["the first text that is embedded here"], wait=True)
        m.restore(["given"])
        np.testing.assert_array_equal(m.get(["given"], with_vectors=True)[0].vector, vector)

    def test_texts_archived_with_another_embedder_are_found_and_come_back(self, opened: Open) -> None:
        m = opened()
        m.add([Item("amber grows by the river", {}, "old"), Item("birch grows by the river", {}, "kept")], wait=True)
        m.archive(["old"])
        assert m.reembed(HashEmbedder(8, name="newer")).finished
        assert m.get(["old"], with_vectors=True)[0].vector is None  # none of this space
        m.add([Item("cedar grows by the river", {}, "new")], wait=True)
        m.archive(["new"])
        for mode in ("hybrid", "dense", "lexical"):
            assert {hit.id for hit in m.search_archived("amber and cedar", 5, mode=mode)} == {"old", "new"}  # type: ignore[arg-type]
        assert m.restore(["old", "new"]).restored == 2
        m.drain()
        assert {item.vector.shape for item in m.get(["old", "new", "kept"], with_vectors=True) if item.vector is not None} == {(8,)}
        assert m.get(["old"])[0].tier is Tier.PERSISTENT
        assert m.doctor() == []

    def test_where_texts_are_not_merged_nothing_is_merged_by_coming_back(self, opened: Open) -> None:
        m = opened()
        m.add([Item("amber grows by the river", {}, "one")])
        m.close()
        m = opened(merging=MergingSettings(near_duplicates=False))
        m.add([Item("by the river amber grows", {}, "two")])
        assert m.stats().texts == 2
        m.archive(["two"])
        m.restore(["two"])
        assert m.stats().texts == 2

    def test_items_do_not_come_back_beyond_max_items(self, opened: Open) -> None:
        m = opened(budget=Budget(max_items=2))
        m.add([Item("amber grows by the river", {}, "one"), Item("birch grows by the river", {}, "two")])
        m.archive(["one"])
        m.add([Item("cedar grows by the river", {}, "three")])
        with pytest.raises(CapacityExceeded, match="max_items"):
            m.restore(["one"])
        assert m.get(["one"])[0].tier is Tier.ARCHIVED
        m.delete(["three"])
        assert m.restore(["one"]).restored == 1

    def test_the_budget_of_vector_bytes_holds_whatever_precision_comes_back(self, opened: Open) -> None:
        m = opened()
        rows = np.random.default_rng(5).standard_normal((40, 16)).astype(np.float32)
        ids = [f"v{place}" for place in range(len(rows))]
        m.add([Item(f"text {place} of forty, {WORDS[place % 6]}", {}, id, vector=rows[place]) for place, id in enumerate(ids)])
        m.archive(ids)
        m.close()
        m = opened(budget=Budget(max_vector_bytes=1000), storage=StorageSettings(precision="int8"))  # type: ignore[arg-type]
        m.restore(ids)
        stats = m.stats()
        assert stats.vector_bytes + stats.sketch_bytes <= 1000
        assert len(m.get(ids)) == len(ids)
        assert m.doctor() == []


def test_what_a_store_archived_after_its_backup_is_not_removed_as_an_orphan(opened: Open, tmp_path: Path) -> None:
    """Set back to a backup, a store doesn't know its newest objects; they may hold the last copy of what came after it."""
    m = opened()
    m.add([Item("amber grows by the river", {}, "old")])
    m.archive(["old"])
    m.close()
    backup = (tmp_path / "store.db").read_bytes()
    m = opened()
    m.add([Item("birch grows by the river", {}, "new"), Item("cedar grows by the river", {}, "gone")])
    m.archive(["new"])
    m.close()
    (tmp_path / "store.db").write_bytes(backup)
    m = opened()
    (finding,) = m.doctor(repair=True)
    assert (finding.what, finding.repaired) == ("archive_orphan", False)
    assert "nowhere else" in finding.detail
    kept = [name for name in open_target(tmp_path / "archive").names() if name in finding.detail]
    (record,) = salvage(open_target(tmp_path / "archive"), kept[0])
    assert not isinstance(record, Exception)
    assert record["items"][0]["content"] == "birch grows by the river"


class TestTheWatch:
    """The thread that runs the passes."""

    def test_it_outlives_a_failure_that_cannot_even_be_noted(self, m: VectorManager, monkeypatch: pytest.MonkeyPatch) -> None:
        watch, failed, went_on = DynamicCapacityManager({"interval_seconds": 0.01}, m), [], threading.Event()

        def fail(*_: Any) -> None:
            failed.append(1)
            if len(failed) > 2:
                went_on.set()
            raise StoreFull

        monkeypatch.setattr(m.keeper, "run", fail)
        monkeypatch.setattr(m.keeper.alarm, "trouble", fail)
        watch.start_monitoring()
        assert went_on.wait(20)
        watch.stop_monitoring()

    def test_stopping_during_a_pass_waits_for_it_and_closing_ends_it(self, opened: Open, target: Meanwhile) -> None:
        m = opened(budget=Budget(max_items=6), capacity=CapacitySettings(grace_seconds=0, archive_after_seconds=0))
        m.add([Item(f"{word} grows by the river", {}, id) for word, id in zip(WORDS, IDS, strict=True)])
        inside, go_on = threading.Event(), threading.Event()

        def slow() -> None:
            inside.set()
            go_on.wait(20)

        target.on("before a write", slow)
        watch = DynamicCapacityManager({"interval_seconds": 60}, m)
        watch.start_monitoring()
        assert inside.wait(20)
        stopping = threading.Thread(target=watch.stop_monitoring)
        stopping.start()
        go_on.set()
        stopping.join(20)
        assert len(m.archived_ids()) == 1
        assert len(m.scan()) == 6
        m.add([Item("one more", {}, "more")])
        inside.clear()
        go_on.clear()
        target.on("before a write", slow)
        watch.start_monitoring()
        thread = watch._thread
        assert inside.wait(20)
        assert thread is not None
        m.close()
        go_on.set()
        thread.join(20)
        assert not thread.is_alive()
        m = opened(budget=Budget(max_items=6))
        assert len(m.scan()) == 7
        m.compact()
        assert m.doctor() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_during_a_pass_neither_holds_nor_ends_it(m: VectorManager, tmp_path: Path) -> None:
    """The lock of the one that acts ends with it, though a child of before lives on; and the child can't end it."""
    with m.keeper.acting():
        here, there = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(there)
            try:
                m.compact()
            except StoreError as error:
                os.read(here, 1)  # until the parent has ended
                os._exit(0 if type(error).__name__ == "ForkedProcess" else 1)
            os._exit(2)
        with VectorManager(m.path) as other:
            assert other.keeper.run(CapacitySettings()).held
    with VectorManager(m.path, settings=Settings(busy_seconds=0.2), archive=open_target(tmp_path / "archive")) as other:
        other.compact()
    os.close(there)
    os.close(here)
    assert os.waitpid(pid, 0)[1] == 0
