"""A full file, a full disk, an archive that fails: what was acknowledged is there, what was refused left nothing."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

from vectopt import Budget, CapacitySettings, DynamicCapacityManager, Item, Settings, VectorManager
from vectopt.archive import open_target
from vectopt.errors import ArchiveDamaged, ArchiveUnavailable, CapacityExceeded

from .checker import DIMENSIONS, letters
from .child import Role, run_role
from .embedder import HashEmbedder

LONG = os.environ.get("VECTOPT_LONG") == "1"
BATCH = 40_000  # bytes that three texts, their rows and their vectors take at the most

AT_ONCE = CapacitySettings(grace_seconds=0, archive_after_seconds=0)


@pytest.mark.parametrize("archive", [True, False])
def test_a_crowd_stays_within_the_budget_of_bytes(zygote: Role, tmp_path: Path, archive: bool) -> None:
    """24 threads of 4 processes add to a full file at once."""
    limit = 330_000
    where = tmp_path / "archive" if archive else None
    order: dict[str, Any] = {"do": "crowd", "path": str(tmp_path / "store.db"), "max_bytes": limit, "threads": 6}
    order |= {"archive": str(where) if where else None, "calls": 40 if LONG else 3}
    seen = []
    with VectorManager(tmp_path / "store.db", embedder=HashEmbedder(DIMENSIONS), archive=where) as watcher:
        pids = [zygote.ask(order | {"who": who, "result": str(tmp_path / f"{who}.json")}) for who in range(4)]
        until = time.monotonic() + 500
        while not all((tmp_path / f"{who}.json").exists() for who in range(4)) and time.monotonic() < until:
            seen.append(watcher.stats().file_bytes)
            time.sleep(0.005)
        for pid in pids:
            assert zygote.ask({"reap": pid}) == 0
        told = [json.loads((tmp_path / f"{who}.json").read_text()) for who in range(4)]
        assert [error for one in told for error in one["errors"]] == []
        kept = {id: content for one in told for id, content in one["kept"].items()}
        refused = [id for one in told for id in one["refused"]]
        assert max(seen) <= limit + BATCH  # in whatever moment
        assert watcher.stats().file_bytes <= limit + BATCH
        assert {item.id: item.content for item in watcher.get([*kept, *refused])} == kept
        assert watcher.stats().items == len(kept)
        if archive:
            assert watcher.stats().items_per_tier["archived"] > 0
            assert len(kept) > len(refused)
        else:
            assert refused
            assert len(kept) > 3
        watcher.compact()
        assert watcher.doctor() == []


def test_an_archive_on_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """The system itself refuses to let the object grow."""
    answer = run_role("archive_beyond_the_disk", str(tmp_path / "store.db"), str(tmp_path / "archive"))
    assert answer == {
        "errors": ["ArchiveUnavailable", "StoreFull"],
        "held": True,
        "before": ["id0"],
        "archived": 60,  # with the one more, which shares a text
        "held_again": True,
        "found": [],
    }


class Failing(LocalFileSystem):  # type: ignore[misc]  # it has no types
    """A file system that fails where it is told to."""

    cachable = False
    failing: tuple[str, ...] = ()

    def _try(self, doing: str) -> None:
        if doing in self.failing:
            raise ConnectionError(f"no {doing} today")

    def pipe_file(self, path: str, value: bytes, **named: Any) -> Any:
        if "tear" in self.failing:
            value = value[: len(value) // 2]
        self._try("pipe")
        return super().pipe_file(path, value, **named)

    def mv(self, source: str, to: str, **named: Any) -> Any:
        self._try("mv")
        return super().mv(source, to, **named)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **named: Any) -> bytes:
        self._try("cat")
        return bytes(super().cat_file(path, start=start, end=end, **named))

    def rm_file(self, path: str) -> None:
        self._try("rm")
        super().rm_file(path)

    def info(self, path: str, **named: Any) -> Any:
        self._try("info")
        return super().info(path, **named)


@pytest.mark.parametrize("failing", [("pipe",), ("mv",), ("cat",), ("rm",), ("info",), ("tear",), ("tear", "rm"), ("cat", "rm", "mv")])
def test_a_file_system_that_fails_anywhere_loses_nothing(tmp_path: Path, failing: tuple[str, ...]) -> None:
    files = Failing()
    target = open_target(str(tmp_path / "archive"), filesystem=files, sleep=lambda _: None)
    texts = {f"id{n}": f"{letters(n)} is archived, or is not" for n in range(10)}
    settings = Settings(capacity=AT_ONCE)
    with VectorManager(tmp_path / "store.db", archive=target, budget=Budget(max_items=10), settings=settings) as store:
        store.add([Item(content, {}, id) for id, content in texts.items()])
        store.archive(["id0", "id1"])
        store.delete(["id0"])
        del texts["id0"]
        store.add([Item(f"{letters(20 + n)} fills it up", {}, f"more{n}") for n in range(2)])
        watch = DynamicCapacityManager({}, store)
        files.failing = failing
        for do in (lambda: store.archive(["id2", "id3"]), store.compact, lambda: store.restore(["id1"]), watch.run_once):
            with suppress(ArchiveUnavailable, ArchiveDamaged, CapacityExceeded):
                do()
            files.failing = ()
            assert {item.id: item.content for item in store.get(list(texts))} == texts
            files.failing = failing
        if failing != ("rm",):
            assert {"archive_unavailable", "archive_damaged"} & {alert.alert_type for alert in store.alerts()}
        files.failing = ()
        store.compact()
        assert store.doctor() == []
        assert {item.id: item.content for item in store.get(list(texts))} == texts
        store.archive(list(texts))
        assert store.restore(list(texts)[:5]).damaged == ()


@pytest.mark.parametrize("spoil", ["cut", "flip", "empty", "gone"])
def test_a_damaged_object_costs_its_own_records_alone(tmp_path: Path, spoil: str) -> None:
    texts = {f"id{n}": f"{letters(n)} is archived " + "for good " * n for n in range(12)}
    with VectorManager(tmp_path / "store.db", archive=tmp_path / "archive", settings=Settings(capacity=AT_ONCE)) as store:
        store.add([Item(content, {}, id) for id, content in texts.items()])
        store.archive(list(texts)[:6])
        (hurt,) = (tmp_path / "archive").iterdir()
        store.archive(list(texts)[6:])
        data = hurt.read_bytes()
        with store._ledger.reading() as db:
            starts = [start for (start,) in db.execute("SELECT start FROM archived WHERE id < 'id6' ORDER BY start")]
        middle = starts[3] + 20
        flipped = data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :]
        new = {"cut": data[:middle], "flip": flipped, "empty": b"", "gone": b""}[spoil]
        hurt.unlink() if spoil == "gone" else hurt.write_bytes(new)
        whole = {"cut": 3, "flip": 5, "empty": 0, "gone": 0}[spoil]
        assert [one.what for one in store.doctor()] == ["archive_unavailable" if spoil == "gone" else "archive_damaged"]
        store.compact()
        assert hurt.exists() or spoil == "gone"  # nothing is removed: it may be mended
        if spoil == "gone":
            with pytest.raises(ArchiveUnavailable):
                store.restore(list(texts)[:6])
            assert store.restore(list(texts)[6:]).restored == 6
        else:
            report = store.restore(list(texts))
            assert (report.restored, len(report.damaged)) == (6 + whole, 6 - whole)
        hurt.write_bytes(data)  # mended
        store.restore(list(texts))
        assert {item.id: item.content for item in store.scan()} == texts
        store.compact()
        assert store.doctor() == []
        assert list((tmp_path / "archive").iterdir()) == []


def test_fsspec_is_real() -> None:
    """The failing file system stands on the one that users have."""
    assert issubclass(Failing, type(fsspec.filesystem("file")))
