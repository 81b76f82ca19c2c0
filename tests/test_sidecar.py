"""The sidecar: a large store opens at once, and what the file beside it says never outweighs the ledger."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vectopt import Event, Item, Settings, StorageSettings, VectorManager, following
from vectopt.ledger import records

DIMENSIONS = 160
COUNT = 14_000  # enough for codes

Open = Callable[..., VectorManager]


class Told:
    def __init__(self) -> None:
        self.names: list[str] = []

    def notify(self, event: Event) -> None:
        self.names.append(event.name)


@pytest.fixture
def rows() -> Any:
    rng = np.random.default_rng(3)
    return (rng.normal(size=(COUNT // 100, DIMENSIONS))[np.arange(COUNT) // 100] + 0.6 * rng.normal(size=(COUNT, DIMENSIONS))).astype("f4")


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def opened(tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    monkeypatch.setattr(following, "_WORTH_SAVING", 1000)
    managers = []

    def open_(name: str = "store.db", *, sidecar: bool = True) -> VectorManager:
        settings = Settings(storage=StorageSettings(sidecar=sidecar), observer=told)
        managers.append(VectorManager(tmp_path / name, settings=settings))
        return managers[-1]

    yield open_
    for m in managers:
        m.close()


def item(number: int, row: Any) -> Item:
    return Item(f"text number {number:b} of {number % 7}", {"n": number}, id=str(number), vector=row)


def answers(m: VectorManager, rows: Any) -> list[Any]:
    found = [m.search(row, 5) for row in rows[:: COUNT // 20]]
    found += [m.search(row, 5, text=f"number {n:b}", mode="hybrid") for n, row in enumerate(rows[:: COUNT // 10])]
    found += [m.search(row, 5, filter={"n": {"$lt": COUNT // 3}}) for row in rows[:: COUNT // 5]]
    return [[(hit.id, hit.content, round(hit.score, 4)) for hit in hits] for hits in found]


def filled(opened: Open, rows: Any) -> list[Any]:
    with opened() as m:
        for start in range(0, COUNT, 2000):
            m.add([item(n, rows[n]) for n in range(start, min(COUNT, start + 2000))])
        m.delete([str(n) for n in range(0, COUNT, 11)])
        for _ in range(6):  # codes are made as searches come
            result = answers(m, rows)
    return result


def taken(m: VectorManager) -> int:
    return m._retrieval._follower._taken


def test_a_large_store_opens_from_its_sidecar(opened: Open, rows: Any, told: Told, tmp_path: Path) -> None:
    before = filled(opened, rows)
    assert "index_saved" in told.names
    assert (tmp_path / "store.db.index").stat().st_mode & 0o777 == 0o600
    m = opened()
    assert answers(m, rows) == before
    assert taken(m) == 0  # nothing was read from the ledger
    assert m.search("number", 3, mode="lexical")


def test_what_was_written_since_is_taken_in(opened: Open, rows: Any) -> None:
    filled(opened, rows)
    rng = np.random.default_rng(4)
    more = rng.normal(size=(300, DIMENSIONS)).astype("f4")
    with opened(sidecar=False) as other:
        other.add([item(COUNT + n, row) for n, row in enumerate(more)])
        other.delete([str(n) for n in range(1, COUNT, 37)])
        other.add([Item("another text altogether", id="5")])
        other.add([Item("text number 110 of 6", {"n": -1}, id="6")])
        expected = answers(other, rows)
    m = opened()
    assert answers(m, rows) == expected
    assert 0 < taken(m) < 1500
    assert m.search(more[7], 1)[0].id == str(COUNT + 7)
    assert m.get(["6"])[0].metadata == {"n": -1}


@pytest.mark.parametrize("where", ["front", "header", "vectors", "end", "cut", "empty", "garbage", "folder", "gone"])
def test_a_damaged_sidecar_is_no_sidecar(opened: Open, rows: Any, tmp_path: Path, where: str) -> None:
    before = filled(opened, rows)
    path = tmp_path / "store.db.index"
    data = bytearray(path.read_bytes())
    places = {"front": 3, "header": 200, "vectors": len(data) // 2, "end": len(data) - 5000}
    path.unlink()
    if where in places:
        data[places[where]] ^= 0x10
        path.write_bytes(data)
    elif where == "cut":
        path.write_bytes(data[: len(data) - 70_000])
    elif where in ("empty", "garbage"):
        path.write_bytes(b"" if where == "empty" else os.urandom(100_000))
    elif where == "folder":
        path.mkdir()
    m = opened()
    assert answers(m, rows) == before
    assert taken(m) > COUNT // 2


def test_a_flipped_bit_anywhere_is_noticed(tmp_path: Path) -> None:
    from vectopt.index import sidecar

    path = tmp_path / "x.index"
    tree = {"a": np.arange(2000, dtype="<i8"), "b": [1, "zwei", np.ones((3, 5), "<f4"), {"none": None}], "empty": np.empty((0, 4), "<f2")}
    sidecar.write(path, "token", tree)
    whole = path.read_bytes()
    back = sidecar.read(path, "token")
    assert back is not None
    np.testing.assert_array_equal(back["a"], tree["a"])
    np.testing.assert_array_equal(back["b"][2], tree["b"][2])
    assert (back["b"][0], back["b"][1], back["b"][3], back["empty"].shape) == (1, "zwei", {"none": None}, (0, 4))
    assert sidecar.read(path, "another") is None
    length = int.from_bytes(whole[12:20], "little")
    begin = -(-(20 + length) // 4096) * 4096
    for place in [*range(20 + length), *range(begin, begin + 16_000, 41)]:
        for bit in range(8) if place < 20 else [place % 8]:
            broken = bytearray(whole)
            broken[place] ^= 1 << bit
            path.write_bytes(broken)
            assert sidecar.read(path, "token") is None, place


def test_a_ledger_restored_from_a_backup_does_not_trust_a_younger_sidecar(opened: Open, rows: Any, tmp_path: Path) -> None:
    with opened() as m:
        m.add([item(n, rows[n]) for n in range(3000)])
        m.search(rows[0], 1)
    shutil.copy(tmp_path / "store.db", tmp_path / "backup.db")
    with opened() as m:
        m.add([item(n, rows[n]) for n in range(3000, 6000)])
        m.delete([str(n) for n in range(100)])
        m.search(rows[0], 1)
    shutil.copy(tmp_path / "backup.db", tmp_path / "store.db")
    with opened(sidecar=False) as m:  # another future: as many changes as in the one that is gone
        for n in range(20):
            m.add([item(7000 + n, rows[7000 + n])])
    m = opened()
    assert m.search(rows[50], 1)[0].id == "50"
    assert m.search(rows[4000], 1)[0].id != "4000"
    assert m.search(rows[7010], 1)[0].id == "7010"
    assert {hit.id for row in rows[3000:6000:100] for hit in m.search(row, 3)} <= {str(n) for n in [*range(3000), *range(7000, 7020)]}


def test_small_and_private_stores_have_none(opened: Open, rows: Any, tmp_path: Path, told: Told) -> None:
    with opened("small.db") as m:
        m.add([item(n, rows[n]) for n in range(500)])
        m.search(rows[0], 1)
    with VectorManager(settings=Settings(observer=told)) as m:
        m.add([item(n, rows[n]) for n in range(2000)])
        m.search(rows[0], 1)
    assert not list(tmp_path.glob("*.index"))
    assert "index_saved" not in told.names


def test_without_a_sidecar_none_is_written_nor_read(opened: Open, rows: Any, tmp_path: Path) -> None:
    with opened(sidecar=False) as m:
        m.add([item(n, rows[n]) for n in range(2000)])
        m.search(rows[0], 1)
    assert not list(tmp_path.glob("*.index"))


def test_a_folder_that_can_t_be_written_costs_only_the_sidecar(
    opened: Open, rows: Any, tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "store.db.index").mkdir()
    (tmp_path / "store.db.index" / "something").touch()
    m = opened()
    m.add([item(n, rows[n]) for n in range(2000)])
    m.search(rows[0], 1)
    m.close()
    assert "index_not_saved" in told.names
    assert not list(tmp_path.glob("*.tmp"))
    assert opened().search(rows[7], 1)[0].id == "7"


def test_what_a_killed_process_left_is_cleared(opened: Open, rows: Any, tmp_path: Path) -> None:
    old = tmp_path / "store.db.index.abc.tmp"
    old.write_bytes(b"half")
    os.utime(old, (0, 0))
    fresh = tmp_path / "store.db.index.def.tmp"
    fresh.write_bytes(b"being written by another")
    with opened() as m:
        m.add([item(n, rows[n]) for n in range(2000)])
        m.search(rows[0], 1)
    assert not old.exists()
    assert fresh.exists()


def test_the_ledger_names_the_sidecar(opened: Open, rows: Any, tmp_path: Path) -> None:
    with opened() as m:
        m.add([item(n, rows[n]) for n in range(2000)])
        m.search(rows[0], 1)
    db = sqlite3.connect(tmp_path / "store.db")
    token = records.meta(db, "sidecar")
    db.close()
    assert token.encode() in (tmp_path / "store.db.index").read_bytes()[:1000]
