"""The archive: texts leave the file, can be read, searched on request, restored to the byte, and deleted for good."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vectopt import Budget, CapacitySettings, Change, DynamicCapacityManager, Item, Settings, Tier, VectorManager
from vectopt.errors import (
    ArchiveDamaged,
    ArchiveUnavailable,
    CapacityExceeded,
    InvalidInput,
    InvalidQuery,
    InvalidSettings,
    NoArchive,
    NotFound,
)

from .durability.embedder import HashEmbedder
from .fakes import DAY, FakeClock
from .test_capacity import DIMENSIONS, fill, sound, texts

Open = Callable[..., VectorManager]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def opened(tmp_path: Path, clock: FakeClock) -> Iterator[Open]:
    managers: list[VectorManager] = []

    def make(**named: Any) -> VectorManager:
        capacity = named.pop("capacity", CapacitySettings(grace_seconds=0))
        options = {
            "embedder": HashEmbedder(DIMENSIONS),
            "clock": clock,
            "archive": tmp_path / "archive",
            "settings": Settings(capacity=capacity),
        }
        managers.append(VectorManager(tmp_path / "store.db", **(options | named)))
        return managers[-1]

    yield make
    for manager in managers:
        manager.close()


@pytest.fixture
def m(opened: Open) -> VectorManager:
    return opened()


def objects(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "archive").iterdir())


class TestArchiving:
    """Leaving and coming back."""

    def test_an_archived_item_is_read_through_and_not_searched(self, m: VectorManager, tmp_path: Path) -> None:
        written = fill(m, 30)
        some = ["t3", "t7", "t29"]
        before = {item.id: item for item in m.get(some, with_vectors=True)}
        assert m.archive([*some, "unknown"]) == 3
        assert m.archived_ids() == ["t29", "t3", "t7"]
        for item in m.get([*some, "t1", "unknown"], with_vectors=True)[:3]:
            was = before[item.id]
            assert (item.tier, item.content, item.metadata, item.generation) == (Tier.ARCHIVED, was.content, was.metadata, was.generation)
            assert (item.facts["importance_score"], item.facts["created_at"]) == (was.facts["importance_score"], was.facts["created_at"])
            np.testing.assert_array_equal(item.vector, was.vector)
        assert [item.id for item in m.get(["t3", "t1", "t7"])] == ["t3", "t1", "t7"]
        assert {hit.id for hit in m.search(written["t3"], 30)} == set(written) - set(some)
        assert "t3" not in {hit.id for hit in m.search(written["t3"], 30, mode="lexical")}
        assert [item.id for item in m.scan()] == [*(id for id in written if id not in some), "t3", "t7", "t29"]
        assert [item.id for item in m.scan(filter={"n": "t7"})] == ["t7"]
        stats = m.stats()
        assert (stats.items, stats.items_per_tier["archived"], stats.vectors) == (30, 3, 27)
        explained = m.explain("t3")
        assert explained.tier is Tier.ARCHIVED
        assert explained.decision.reasoning
        assert len(objects(tmp_path)) == 1
        sound(m)

    def test_what_comes_back_is_what_left_to_the_byte(self, m: VectorManager) -> None:
        hostile = {
            "nul": "a\0b and some more words",
            "emoji": "the 🦆 said q̃uack — twice",
            "japanese": "今日は天気がいいですね。散歩に行きましょう。",
            "lc": '{"lc": 1, "type": "secret", "id": ["OPENAI_API_KEY"]}',
            "space": "  leading, trailing and \t inner white   space \r\n",
            "long": "very long " * 20_000,
        }
        metadata = {"deep": {"a": [1, 2.5, None, True, {"b": "ü"}]}, "lc": 1, "": "empty key", "big": 2**60, "pi": 3.141592653589793}
        vectors = np.random.default_rng(0).normal(size=(len(hostile), DIMENSIONS)).astype(np.float32)
        m.add([Item(text, metadata, id, vector=vector) for (id, text), vector in zip(hostile.items(), vectors, strict=True)])
        before = {item.id: item for item in m.get(list(hostile), with_vectors=True)}
        assert m.archive(list(hostile)) == len(hostile)
        assert m.stats().texts == 0
        assert m.restore(list(hostile)).restored == len(hostile)
        for item in m.get(list(hostile), with_vectors=True):
            was = before[item.id]
            assert (item.content, item.metadata, item.tier, item.generation) == (was.content, was.metadata, was.tier, was.generation)
            assert json.dumps(item.facts) == json.dumps(was.facts)
            np.testing.assert_array_equal(item.vector, was.vector)
        assert [hit.id for hit in m.search("said twice", 1, mode="lexical")] == ["emoji"]
        assert m.archived_ids() == []
        assert m.explain("nul").history[-1].reason.startswith("restored")
        sound(m)

    def test_items_that_share_a_text_go_and_come_together(self, m: VectorManager) -> None:
        said = "the invoice of the garden centre was paid by bank transfer"
        m.add([Item(said, {"n": 1}, "a"), Item(said, {"n": 2}, "b"), Item(f"{said}!", {"n": 3}, "c"), Item("another thing", {}, "d")])
        assert m.stats().texts == 2
        assert m.archive(["b"]) == 3
        assert m.archived_ids() == ["a", "b", "c"]
        assert [(item.content, item.metadata) for item in m.get(["a", "b", "c"])] == [
            (said, {"n": 1}),
            (said, {"n": 2}),
            (f"{said}!", {"n": 3}),
        ]
        m.delete(["a"])
        assert [item.id for item in m.get(["a", "b", "c"])] == ["b", "c"]
        assert m.restore(["c"]).restored == 1
        assert m.archived_ids() == ["b"]
        assert m.restore(["a", "b"]).restored == 1
        assert m.stats().texts == 2
        assert [item.content for item in m.get(["b", "c"])] == [said, f"{said}!"]
        sound(m)

    def test_by_filter_in_both_directions(self, m: VectorManager) -> None:
        fill(m, 10)
        assert m.archive(filter={"n": {"$in": ["t1", "t2", "t3"]}}) == 3
        assert m.restore(filter={"n": {"$in": ["t2", "t9"]}}).restored == 1
        assert m.archived_ids() == ["t1", "t3"]
        for call in (m.archive, m.restore):
            with pytest.raises(InvalidInput, match="either ids or a filter"):
                call()
            with pytest.raises(InvalidInput, match="either ids or a filter"):
                call(["t1"], filter={"n": "t1"})
        sound(m)

    def test_an_archived_id_that_is_added_again_is_replaced(self, m: VectorManager) -> None:
        fill(m, 5)
        m.archive(["t1", "t2"])
        m.add([Item("something else entirely", {"new": True}, "t1")])
        assert m.get(["t1"])[0].content == "something else entirely"
        assert m.archived_ids() == ["t2"]
        assert m.restore(["t1", "t2"]).restored == 1
        assert m.get(["t1"])[0].content == "something else entirely"
        assert m.stats().items == 5
        sound(m)

    def test_what_is_deleted_never_comes_back_and_leaves_no_byte(self, m: VectorManager, tmp_path: Path) -> None:
        fill(m, 6)
        m.archive(["t0", "t1", "t2"])
        assert m.delete(["t1"]) == 1
        assert m.get(["t1"]) == []
        assert m.restore(["t1"]).restored == 0
        with pytest.raises(NotFound):
            m.explain("t1")
        (before,) = objects(tmp_path)
        size = before.stat().st_size
        m.compact()
        (after,) = objects(tmp_path)
        assert after.name != before.name
        assert after.stat().st_size < size
        assert m.get(["t0", "t2"])[1].id == "t2"
        assert m.delete_all() == 5
        m.compact()
        assert objects(tmp_path) == []
        sound(m)

    def test_namespaces_never_meet_in_the_archive(self, m: VectorManager) -> None:
        names = ["a", "a/", "A", "a%", "a\0", "ä", "ä"]
        for name in names:
            m.add([Item(f"the secret of {name!r}", {"of": name}, "same")], namespace=name)
            m.archive(["same"], namespace=name)
        for name in names:
            (item,) = m.get(["same"], namespace=name)
            assert item.metadata == {"of": name}
        m.delete(["same"], namespace="a")
        assert m.get(["same"], namespace="a") == []
        assert len(m.get(["same"], namespace="A")) == 1
        assert m.restore(["same"], namespace="a/").restored == 1
        assert m.archived_ids(namespace="a%") == ["same"]
        assert set(m.stats().namespaces) == set(names) - {"a"}
        sound(m)

    def test_temp_vectors_and_texts_that_wait_can_be_archived(self, opened: Open) -> None:
        m = opened(embedder=None)
        m.add(["a text that waits for its embedding"])
        (item,) = m.scan()
        assert item.tier is Tier.QUEUED
        assert m.archive([item.id]) == 1
        assert m.stats().items_per_tier["queued"] == 0
        m.close()
        m = opened()
        assert m.restore([item.id]).restored == 1
        m.drain()
        assert m.get([item.id])[0].tier is Tier.PERSISTENT
        sound(m)

    def test_archived_items_are_searched_on_request(self, m: VectorManager) -> None:
        written = fill(m, 20)
        m.archive([f"t{number}" for number in range(10)])
        hits = m.search_archived(written["t4"], 3)
        assert (hits[0].id, hits[0].tier, hits[0].content) == ("t4", Tier.ARCHIVED, written["t4"])
        assert len(hits) == 3
        vector = m.get(["t7"], with_vectors=True)[0].vector
        assert vector is not None
        assert m.search_archived(vector, 1)[0].id == "t7"
        assert [hit.id for hit in m.search_archived(written["t4"], 5, filter={"n": "t2"})] == ["t2"]
        assert "t15" not in {hit.id for hit in m.search_archived(written["t15"], 20)}
        assert m.search_archived("anything", namespace="other") == []
        with pytest.raises(InvalidQuery, match="search_archived"):
            m.search("anything", tiers=["archived"])

    def test_vectors_come_back_only_as_far_as_the_budget_has_room(self, opened: Open) -> None:
        m = opened()
        fill(m, 10)
        m.archive([f"t{number}" for number in range(10)])
        m.close()
        m = opened(budget=Budget(max_vectors=4))
        assert m.restore([f"t{number}" for number in range(10)]).restored == 10
        stats = m.stats()
        assert (stats.items, stats.vectors, stats.sketches) == (10, 4, 6)
        sound(m)

    def test_a_vector_of_another_embedder_is_not_mixed_in(self, opened: Open, tmp_path: Path) -> None:
        m = opened()
        fill(m, 3)
        m.archive(["t0", "t1"])
        with m._ledger.reading() as db:
            spaces = db.execute("SELECT value FROM meta WHERE name = 'embedder'").fetchone()
        assert spaces
        m._ledger.write(lambda tx: tx.db.execute("UPDATE meta SET value = 'another' WHERE name = 'embedder'"))
        m.restore(["t0"])
        assert m.get(["t0"], with_vectors=True)[0].vector is None
        assert m.get(["t0"])[0].tier is Tier.CACHED

    def test_restoring_beyond_the_budget_of_bytes_is_refused(self, opened: Open) -> None:
        m = opened()
        fill(m, 200)
        m.archive([f"t{number}" for number in range(200)])
        m.compact()
        m.close()
        m = opened(budget=Budget(max_bytes=250_000))
        with pytest.raises(CapacityExceeded):
            m.restore([f"t{number}" for number in range(200)])
        assert m.stats().file_bytes <= 250_000
        assert len(m.get([f"t{number}" for number in range(200)])) == 200
        sound(m)

    def test_without_an_archive_it_says_so(self, opened: Open) -> None:
        m = opened()
        fill(m, 3)
        m.archive(["t1"])
        m.close()
        m = opened(archive=None)
        for call in (
            lambda: m.get(["t1"]),
            m.scan,
            lambda: m.restore(["t1"]),
            lambda: m.archive(["t2"]),
            lambda: m.explain("t1"),
        ):
            with pytest.raises(NoArchive, match="archive="):
                call()
        assert [item.id for item in m.get(["t0", "t2"])] == ["t0", "t2"]
        assert m.search("anything", 5)
        assert [finding.what for finding in m.doctor()] == ["archive_unknown"]
        assert m.delete(["t1"]) == 1
        assert m.get(["t1"]) == []

    @pytest.mark.parametrize("where", ["http://example.org/x", "s3://a::zip://b", 5, ""])
    def test_a_place_that_is_none_is_refused_before_anything_is_made(self, where: Any, tmp_path: Path) -> None:
        with pytest.raises(InvalidSettings):
            VectorManager(tmp_path / "new.db", archive=where)
        assert not (tmp_path / "new.db").exists()

    async def test_every_method_has_a_twin_that_can_be_awaited(self, m: VectorManager) -> None:
        written = fill(m, 3)
        assert await m.aarchive(["t1"]) == 1
        assert await m.aarchived_ids() == ["t1"]
        assert (await m.asearch_archived(written["t1"], 1))[0].id == "t1"
        assert (await m.aget(["t1"]))[0].tier is Tier.ARCHIVED
        assert (await m.arestore(["t1"])).restored == 1
        assert await m.aunpin(["t1"]) == 1


class TestDamage:
    """An archive that fails loses nothing that is not damaged itself."""

    def test_a_flipped_byte_costs_one_record(self, m: VectorManager, tmp_path: Path) -> None:
        fill(m, 10)
        m.archive([f"t{number}" for number in range(10)])
        with m._ledger.reading() as db:
            start, length = db.execute("SELECT start, length FROM archived WHERE id = 't4'").fetchone()
        (file,) = objects(tmp_path)
        data = bytearray(file.read_bytes())
        data[start + length // 2] ^= 0x10
        file.write_bytes(data)
        with pytest.raises(ArchiveDamaged, match="t4"):
            m.get(["t4"])
        assert len(m.get([f"t{number}" for number in range(10) if number != 4])) == 9
        findings = m.doctor()
        assert [finding.what for finding in findings] == ["archive_damaged"]
        assert "'t4'" in findings[0].detail
        report = m.restore([f"t{number}" for number in range(10)])
        assert (report.restored, report.damaged) == (9, ("t4",))
        assert m.archived_ids() == ["t4"]
        assert file.exists()
        m.compact()
        assert file.exists()  # what is damaged today may be mended

    def test_a_target_that_is_down_loses_nothing(self, m: VectorManager, tmp_path: Path) -> None:
        fill(m, 10)
        m.archive(["t0"])
        folder = tmp_path / "archive"
        folder.rename(tmp_path / "away")
        folder.write_text("a file is in its place")
        with pytest.raises(ArchiveUnavailable):
            m.archive(["t1", "t2"])
        with pytest.raises(ArchiveUnavailable):
            m.get(["t0"])
        assert len(m.get(["t1", "t2"])) == 2
        assert m.search("anything", 20)
        folder.unlink()
        (tmp_path / "away").rename(folder)
        assert m.archive(["t1", "t2"]) == 2
        assert len(m.get([f"t{number}" for number in range(10)])) == 10
        m.compact()
        sound(m)

    def test_a_pass_that_cannot_reach_it_says_so_and_removes_nothing(self, opened: Open, tmp_path: Path, clock: FakeClock) -> None:
        m = opened(budget=Budget(max_items=20))
        fill(m, 20)
        clock.advance(8 * DAY)
        folder = tmp_path / "archive"
        if folder.exists():
            folder.rmdir()
        folder.write_text("a file is in its place")
        watch = DynamicCapacityManager({}, m)
        report = watch.run_once()
        assert (report.archived, report.level) == (0, "emergency")
        assert len(report.problems) == 1
        assert [alert.alert_type for alert in watch.alerts] == ["emergency", "archive_unavailable"]
        assert m.stats().items == 20
        watch.run_once()
        assert len(watch.alerts) == 2  # what goes on is told once an hour
        clock.advance(3601)
        watch.run_once()
        assert len(watch.alerts) == 3
        folder.unlink()
        assert watch.run_once().archived == 4
        sound(m)

    def test_what_was_left_behind_is_found_and_only_ours_removed(self, m: VectorManager, tmp_path: Path) -> None:
        fill(m, 3)
        m.archive(["t0"])
        (mine,) = objects(tmp_path)
        orphan = mine.with_name(mine.name.replace(mine.name[40:50], "0123456789"))
        orphan.write_bytes(mine.read_bytes())
        foreign = mine.with_name("ffffffffffffffffffffffffffffffff-somebody-elses.jsonl.gz")
        foreign.write_bytes(b"x")
        assert [(finding.what, finding.repaired) for finding in m.doctor()] == [("archive_orphan", False)]
        assert [(finding.what, finding.repaired) for finding in m.doctor(repair=True)] == [("archive_orphan", True)]
        assert objects(tmp_path) == sorted([mine, foreign])
        sound(m)


class TestPasses:
    """What a pass archives."""

    def test_old_data_goes_first_and_undo_brings_it_back(self, opened: Open, clock: FakeClock) -> None:
        m = opened(budget=Budget(max_items=50))
        old = fill(m, 30)
        clock.advance(8 * DAY)
        m.add([{"id": f"new{number}", "content": text} for number, text in enumerate(texts(18, seed=5))])
        watch = DynamicCapacityManager({}, m)
        plan = watch.plan()
        (step,) = (step for step in plan.steps if step.action == "archive_old")
        assert (step.count, set(step.ids) <= set(old)) == (9, True)
        report = watch.run_once()
        assert (report.archived, report.number) == (9, 1)
        assert set(m.archived_ids()) == set(step.ids)
        assert m.stats().items == 48
        sound(m)
        assert watch.undo().archived == -9
        assert m.archived_ids() == []
        sound(m)

    def test_what_a_query_found_lately_is_not_old(self, opened: Open, clock: FakeClock) -> None:
        m = opened(budget=Budget(max_items=10))
        written = fill(m, 10)
        clock.advance(8 * DAY)
        for id in ("t0", "t1", "t2"):
            m.search(written[id], 1)
        m._retrieval.save_found()
        clock.advance(1)
        watch = DynamicCapacityManager({"most_a_pass": 1.0}, m)
        (step,) = (step for step in watch.plan().steps if step.action == "archive_old")
        assert set(step.ids).isdisjoint({"t0", "t1", "t2"})

    def test_ten_times_the_bytes_go_in_and_everything_can_be_had(self, opened: Open) -> None:
        limit = 600_000  # an empty file takes 170,000
        m = opened(budget=Budget(max_bytes=limit))
        stored: dict[str, str] = {}
        for batch in range(100):
            some = {f"{batch}-{number}": text for number, text in enumerate(texts(25, seed=batch))}
            m.add([{"id": id, "content": text} for id, text in some.items()])
            stored |= some
            assert m.stats().file_bytes <= limit + 30_000
        stats = m.stats()
        assert stats.items == len(stored) == 2500
        assert stats.items_per_tier["archived"] > 1500
        assert {item.id: item.content for item in m.get(list(stored))} == stored
        sound(m)


def test_what_deletes_itself_is_not_archived_and_leaves_in_its_time(m: VectorManager, clock: FakeClock) -> None:
    m.add([Item("ferns unfold in the shade", id="brief", delete_after_seconds=DAY), Item("moss covers the old wall", id="for good")])
    assert m.archive(["brief", "for good"]) == 1
    assert m.archived_ids() == ["for good"]
    clock.advance(DAY)
    assert [item.id for item in m.get(["brief", "for good"])] == ["for good"]
    assert [item.id for item in m.scan()] == ["for good"]
    assert m.delete_expired() == {"default": ["brief"]}


def test_the_parts_of_a_document_are_replaced_in_the_archive_too(m: VectorManager) -> None:
    m.add([Item(f"chapter {n} of the report", id=f"report#{n}") for n in range(3)])
    m.archive(["report#1", "report#2"])
    m.write([Change("default", [Item("all of the report", id="report#1")], replace=["report#"])])
    assert [(item.id, item.content) for item in m.scan()] == [("report#1", "all of the report")]
    assert m.archived_ids() == []
