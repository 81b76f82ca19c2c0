"""The file: what is refused, what is left as it was, what is brought forward."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vectopt import Settings, VectorManager
from vectopt.errors import (
    EmbedderMismatch,
    StoreClosed,
    StoreCorrupt,
    StoreFull,
    StorePathError,
    StoreReadOnly,
    StoreTooNew,
    UnsafeFilesystem,
)
from vectopt.ledger import connection, guard, ledger
from vectopt.model import Priority

from .checker import counter_faults, letters
from .child import Role, open_store, run_role
from .embedder import HashEmbedder


def _made(path: Path, count: int = 3) -> dict[str, str]:
    """Make a store with some items, closed; return their contents by id."""
    contents = {f"id-{n}": f"{letters(n)} text" for n in range(count)}
    with open_store(str(path)) as store:
        store.add([{"id": id, "content": content, "metadata": {"id": id}} for id, content in contents.items()], wait=True)
    assert sorted(entry.name for entry in path.parent.iterdir() if "-wal" in entry.name or "-shm" in entry.name) == []
    return contents


def _check(path: Path, contents: dict[str, str]) -> None:
    with open_store(str(path)) as store:
        assert {item.id: item.content for item in store.scan()} == contents
        for id, content in contents.items():
            assert [hit.id for hit in store.search(content.split()[0], 2, mode="lexical")] == [id]
        with store._ledger.reading() as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert counter_faults(db) == []


# --- refusals


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StorePathError, match="folder"):
        VectorManager(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StorePathError, match="make it first"):
        VectorManager(tmp_path / "missing" / "store.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", [7, "a\0b"])
def test_a_path_that_is_none(path: Any) -> None:
    with pytest.raises(StorePathError):
        VectorManager(path)


def _garbage(path: Path) -> None:
    path.write_bytes(os.urandom(10_000))


def _text(path: Path) -> None:
    path.write_text("a shopping list, not a database\n" * 3)


def _cut_in_half(path: Path) -> None:
    _made(path, 200)
    os.truncate(path, path.stat().st_size // 2)


def _cut_within_a_page(path: Path) -> None:
    _made(path, 200)
    os.truncate(path, path.stat().st_size // 2 + 1001)


def _cut_within_the_header(path: Path) -> None:
    _made(path)
    os.truncate(path, 60)


def _header_overwritten(path: Path) -> None:
    _made(path)
    with path.open("r+b") as file:
        file.write(b"\xde\xad\xbe\xef" * 25)


def _schema_overwritten(path: Path) -> None:
    _made(path)
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 3000)


def _somebody_elses(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE theirs (value)")
    db.execute("INSERT INTO theirs VALUES (1)")
    db.commit()
    db.close()


def _somebody_elses_with_a_log(path: Path) -> None:
    _somebody_elses(path)
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA application_id = 77")
    db.commit()
    db.close()


def _somebody_elses_after_a_crash(path: Path) -> None:
    """What is committed lies in the log alone."""
    other = path.with_name("other.db")
    _somebody_elses(other)
    db = sqlite3.connect(other)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("INSERT INTO theirs VALUES (2)")
    db.commit()
    for end in ("", "-wal"):
        shutil.copy(f"{other}{end}", f"{path}{end}")
    db.close()


def _newer(path: Path) -> None:
    _made(path)
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 999")
    db.close()


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (_garbage, StoreCorrupt),
        (_text, StoreCorrupt),
        (_cut_in_half, StoreCorrupt),
        (_cut_within_a_page, StoreCorrupt),
        (_cut_within_the_header, StoreCorrupt),
        (_header_overwritten, StoreCorrupt),
        (_schema_overwritten, StoreCorrupt),
        (_somebody_elses, StoreCorrupt),
        (_somebody_elses_with_a_log, StoreCorrupt),
        (_somebody_elses_after_a_crash, StoreCorrupt),
        (_newer, StoreTooNew),
    ],
)
def test_what_is_no_store_of_ours_is_left_as_it_was(tmp_path: Path, spoil: Callable[[Path], None], error: type[Exception]) -> None:
    path = tmp_path / "store.db"
    spoil(path)
    log = tmp_path / "store.db-wal"
    before, log_before = path.read_bytes(), log.read_bytes() if log.exists() else b""
    for _ in range(2):
        with pytest.raises(error, match=r"store\.db") as refused:  # noqa: F841 - keeps the frames, and what they left open
            VectorManager(path)
        assert _open_files(tmp_path) == []
    assert path.read_bytes() == before
    assert (log.read_bytes() if log.exists() else b"") == log_before


def _open_files(folder: Path) -> list[str]:
    """Return this process's open files under a folder, where the system tells."""
    table = Path("/proc/self/fd")
    names = [os.readlink(entry) for entry in table.iterdir() if entry.is_symlink()] if table.exists() else []
    return [name for name in names if name.startswith(str(folder))]


def test_a_damaged_page_is_told_and_not_hidden(tmp_path: Path) -> None:
    """Bytes lost in the middle of the file: whatever reads them is told, and the file can still be opened to save the rest."""
    path = tmp_path / "store.db"
    _made(path, 500)
    size = path.stat().st_size
    with path.open("r+b") as file:
        for place in range(4096 * 3, size, 4096):
            file.seek(place)
            file.write(b"\xff" * 200)

    def use_all() -> None:
        with VectorManager(path) as store:
            store.scan()
            store.search("text", 500)
            store.add(["a new text"])

    with pytest.raises(StoreCorrupt):
        use_all()


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that another user can reach; pytest's own can't be."""
    folder = Path(tempfile.mkdtemp(prefix="vectopt-test-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("file", "folder", "lock"),
    [(0o444, 0o777, False), (0o444, 0o555, False), (0o444, 0o555, True), (0o666, 0o555, False), (None, 0o555, False)],
)
def test_what_can_not_be_written_is_read_only(public_folder: Path, file: int | None, folder: int, lock: bool) -> None:
    path = public_folder / "store.db"
    if file is not None:
        _made(path)
        path.chmod(file)
    if not lock:
        (public_folder / "store.db.lock").unlink(missing_ok=True)
    before = path.read_bytes() if file is not None else None
    public_folder.chmod(folder)
    answer = run_role("as_nobody", str(path))
    rights = answer["rights"]
    assert not rights["root"]
    assert rights["file"] == (file == 0o666)
    assert rights["folder"] == (folder == 0o777)
    assert answer["error"] == StoreReadOnly.__name__
    assert not answer["opened"]  # told at once, not by the first write
    if before is not None:
        assert path.read_bytes() == before


MOUNTS = """\
/dev/root / ext4 rw 0 0
server:/export /home nfs4 rw 0 0
/dev/sdb1 /home/me/local\\040disk ext4 rw 0 0
//nas/share /mnt/nas cifs rw 0 0
/dev/sdc1 /mnt/over ext4 rw 0 0
me@host: /mnt/over fuse.sshfs rw 0 0
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind", "safe"),
    [
        ("/var/store.db", "ext4", True),
        ("/home/me/store.db", "nfs4", False),
        ("/home/me/local disk/store.db", "ext4", True),
        ("/mnt/nas/store.db", "cifs", False),
        ("/mnt/nasty/store.db", "ext4", True),
        ("/mnt/over/deep/store.db", "fuse.sshfs", False),
    ],
)
def test_network_file_systems_are_refused(path: str, kind: str, safe: bool) -> None:
    assert guard.filesystem_of(Path(path), MOUNTS) == kind
    if safe:
        guard.refuse_network(Path(path), MOUNTS)
    else:
        with pytest.raises(UnsafeFilesystem, match=kind):
            guard.refuse_network(Path(path), MOUNTS)


def test_a_store_on_a_network_file_system_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "filesystem_of", lambda *_: "nfs4")
    with pytest.raises(UnsafeFilesystem):
        VectorManager(tmp_path / "store.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("version", "buggy"),
    [
        ((3, 6, 23), False), ((3, 7, 0), True), ((3, 40, 1), True), ((3, 44, 5), True), ((3, 44, 6), False), ((3, 45, 0), True),
        ((3, 50, 6), True), ((3, 50, 7), False), ((3, 51, 0), True), ((3, 51, 2), True), ((3, 51, 3), False), ((3, 52, 0), False),
        ((4, 0, 0), False),
    ],
)  # fmt: skip
def test_which_sqlites_have_the_wal_reset_bug(version: tuple[int, ...], buggy: bool) -> None:
    assert guard.has_wal_reset_bug(version) is buggy


def test_another_embedder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    contents = _made(path)
    with pytest.raises(EmbedderMismatch, match="'hash-16', not 'other'"):
        VectorManager(path, embedder=HashEmbedder(16, name="other"))
    with pytest.raises(EmbedderMismatch, match="16 dimensions, the embedder's 8"):
        VectorManager(path, embedder=HashEmbedder(8, name="hash-16"))
    _check(path, contents)


def test_an_embedder_that_does_not_know_its_dimensions_is_refused_when_it_shows_them(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    contents = _made(path)
    with VectorManager(path, embedder=HashEmbedder(8, name="hash-16", promised=None)) as store:
        with pytest.raises(EmbedderMismatch, match="16 dimensions, the embedder's 8"):
            store.add([{"id": "new", "content": "zqnew text", "priority": Priority.CRITICAL}], wait=True)
        assert store.get(["new"])[0].tier == "queued"
    with open_store(str(path)) as store:
        assert store.drain().embedded == 1  # its claim was given back
    _check(path, contents | {"new": "zqnew text"})


# --- life of a store


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store.db"))
    store.add([{"id": "a", "content": "a text"}])
    store.close()
    store.close()
    calls: list[Callable[[], Any]] = [
        lambda: store.add(["another"]),
        lambda: store.get(["a"]),
        lambda: store.search("text"),
        lambda: store.search("text", mode="lexical"),
        lambda: store.delete(["a"]),
        lambda: store.max_marginal_relevance("text"),
        lambda: store.search_temp_vectors([1.0] * 16),
        lambda: store.promote_temp_vector("a"),
        lambda: store.feedback("text", ["a"]),
        lambda: store.explain("a"),
        lambda: store.why_not("text"),
        store.scan, store.delete_all, store.drain, store.start, store.stats, store.dead_letters, store.retry_dead_letters,
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(StoreClosed):
            call()
    assert store.process_content("another").status == "error"
    store.stop()
    with store:
        pass
    _check(tmp_path / "store.db", {"a": "a text"})


def test_a_store_is_refused_after_a_fork(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    answer = run_role("forked", str(path))
    child = answer["child"]
    assert child.pop("close") == "none"  # there is nothing of the child's to close
    assert set(child.values()) == {"ForkedProcess"}, child
    assert answer["found"] == ["before", "after"]
    _check(path, {"before": "zqbefore the fork", "after": "zqafter the fork"})


def test_a_forked_child_that_ends_later_harms_nobody(tmp_path: Path) -> None:
    """What it inherited is closed as it ends. By then the file may hold another process's writes, in a log of its own."""
    path, go = tmp_path / "store.db", tmp_path / "go"
    with Role("forked_holder", str(path), str(go)) as holder:
        assert holder.answer() == "closed"
        with Role("writer_to_kill", str(path)) as writer:
            late = writer.answer()
            writer.kill()
        go.touch()
        assert holder.answer() == "ended"
        assert holder.close() == 0
    _check(path, {"first": "zqfirst"} | {id: f"{letters(n)} written late" for n, id in enumerate(late)})


def test_a_forked_child_does_not_keep_the_lock_of_a_killed_parent(tmp_path: Path) -> None:
    """A child that was forked while a write was under way inherits the lock file; the parent's death must free it."""
    path = tmp_path / "store.db"
    contents = _made(path)
    with Role("killed_beside_fork", str(path)) as parent:
        child = parent.answer()
        parent.kill()
    try:
        with VectorManager(path, settings=Settings(busy_seconds=2)) as store:
            store.add([{"id": "new", "content": "zqnew text"}])
    finally:
        os.kill(child, signal.SIGKILL)
    _check(path, contents | {"new": "zqnew text"})


def test_a_child_forked_while_a_store_was_opened_can_open_its_own(tmp_path: Path) -> None:
    """A lock that a thread of the parent held at the fork is held by nobody in the child."""
    assert run_role("forked_while_opening", str(tmp_path / "store.db")) == 0
    _check(tmp_path / "store.db", {})


def test_a_temporary_store_is_removed_at_close() -> None:
    store = VectorManager()
    folder = Path(store.path).parent
    assert folder.stat().st_mode & 0o777 == 0o700
    store.add(["a text"])
    assert Path(store.path).exists()
    store.close()
    assert not folder.exists()


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # from 3.13 on Python tells of the missing close
def test_a_temporary_store_is_removed_when_forgotten() -> None:
    store = VectorManager()
    folder = Path(store.path).parent
    store.add(["a text"])
    del store
    deadline = time.monotonic() + 5
    while folder.exists() and time.monotonic() < deadline:
        gc.collect()
    assert not folder.exists()


def test_a_temporary_store_is_removed_by_its_own_process_at_exit() -> None:
    answer = run_role("temporary_unclosed")
    assert answer["child_status"] == 0
    assert answer["there_after_child"]
    assert not Path(answer["folder"]).exists()


def test_the_file_is_the_owners_alone(tmp_path: Path) -> None:
    _made(tmp_path / "store.db")
    for entry in tmp_path.iterdir():
        assert entry.stat().st_mode & 0o077 == 0, entry


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.touch()
    _check(path, {} | _made(path))


# --- schema


def _version(path: Path) -> int:
    db = sqlite3.connect(path)
    try:
        return int(db.execute("PRAGMA user_version").fetchone()[0])
    finally:
        db.close()


def _columns(path: Path) -> set[str]:
    db = sqlite3.connect(path)
    try:
        return {row[1] for row in db.execute("PRAGMA table_info(item)")}
    finally:
        db.close()


def _migrate(path: Path, *steps: str) -> None:
    scripts = connection.schema_scripts()
    newest = scripts[-1][0]
    db = connection.connect(path, busy_seconds=1, writable=True)
    try:
        connection.migrate(db, path, [*scripts, *((newest + n, step) for n, step in enumerate(steps, 1))])
    finally:
        db.close()


@pytest.mark.parametrize(
    "step", ["ALTER TABLE item ADD COLUMN flavour TEXT DEFAULT 'plain';\n", "ALTER TABLE item ADD COLUMN flavour TEXT DEFAULT 'plain'"]
)
def test_an_older_file_is_brought_forward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """By the real opening; a step's last semicolon may be missing, as in any SQL."""
    path = tmp_path / "store.db"
    contents, scripts = _made(path), connection.schema_scripts()
    newest = scripts[-1][0]
    monkeypatch.setattr(ledger, "schema_scripts", lambda: [*scripts, (newest + 1, step)])
    _check(path, contents)
    assert _version(path) == newest + 1
    assert "flavour" in _columns(path)
    with open_store(str(path)) as store:
        store.add([{"id": "new", "content": "zqnew text"}])
    _check(path, contents | {"new": "zqnew text"})
    monkeypatch.undo()
    with pytest.raises(StoreTooNew):
        VectorManager(path)


def test_steps_are_taken_in_order_and_once(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    _made(path)
    steps = ("CREATE TABLE extra (value);\nINSERT INTO extra VALUES (1);\n", "UPDATE extra SET value = value * 10;\n-- the end\n")
    _migrate(path, steps[0])
    _migrate(path, *steps)
    _migrate(path, *steps)
    db = sqlite3.connect(path)
    assert db.execute("SELECT value FROM extra").fetchall() == [(10,)]
    db.close()


def test_a_failing_step_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    contents = _made(path)
    newest = _version(path)
    with pytest.raises(sqlite3.Error):
        _migrate(
            path,
            "ALTER TABLE item ADD COLUMN flavour TEXT;\n",
            "DELETE FROM counter;\nCREATE TABLE extra (value);\nINSERT INTO no_such_table VALUES (1);\n",
        )
    assert _version(path) == newest
    assert "flavour" not in _columns(path)
    _check(path, contents)


# --- a full disk


def _limit_pages(store: VectorManager, more: int | None) -> None:
    db = store._ledger._writer.db
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {1_000_000 if more is None else pages + more}")


def test_a_full_disk_is_told_and_passes(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    contents = _made(path)
    batch = [{"id": f"new-{n}", "content": f"{letters(1000 + n)} " + "filler " * 300} for n in range(50)]
    with open_store(str(path)) as store:
        _limit_pages(store, 5)
        for _ in range(3):
            with pytest.raises(StoreFull, match="Free space"):
                store.add(batch)
            assert store.get([one["id"] for one in batch]) == []
            assert store.search(letters(1000), 1, mode="lexical") == []
            assert [hit.id for hit in store.search(letters(0), 1, mode="lexical")] == ["id-0"]
        assert store.process_content(batch[0]["content"] + "filler " * 9000).status == "error"
        _limit_pages(store, None)
        assert len(store.add(batch)) == 50
        assert [hit.id for hit in store.search(letters(1000), 1, mode="lexical")] == ["new-0"]
    _check(path, contents | {one["id"]: one["content"] for one in batch})


def test_a_store_can_be_closed_while_the_disk_is_full(tmp_path: Path) -> None:
    """What close would still note is a convenience; it is no reason to stay open."""
    path = tmp_path / "store.db"
    store = open_store(str(path))
    store.add([{"id": "a", "content": "zqa text"}], wait=True)
    _limit_pages(store, 0)
    with pytest.raises(StoreFull):
        store.add([{"id": "b", "content": "filler " * 10_000}])
    store.add([{"id": "c", "content": "zqc"}], wait=True)  # small enough for pages there are
    _limit_pages(store, 0)
    store.close()
    with pytest.raises(StoreClosed):
        store.get(["a"])
    assert not Path(str(path) + "-wal").exists()
    _check(path, {"a": "zqa text", "c": "zqc"})


def test_a_limit_of_the_system_is_told_and_passes(tmp_path: Path) -> None:
    """The system itself refuses to let the log grow."""
    path = tmp_path / "store.db"
    answer = run_role("file_size_limit", str(path))
    assert answer == {
        "error": "StoreFull",
        "stored": 0,
        "searched": [False] * 3,
        "old": ["before"],
        "again": "none",
        "stored_again": 100,
    }
    _check(path, {"before": "zqbefore"} | {f"full-{n}": f"{letters(n)} " + "filler " * 200 for n in range(100)})


# --- counters


def test_counters_hold_when_a_dead_letter_is_added_again(tmp_path: Path) -> None:
    """A text whose embedding failed for good may come again with a vector of the caller's own."""

    class Broken(HashEmbedder):
        def embed(self, texts: Any, role: Any) -> Any:
            raise RuntimeError("down")

    path = tmp_path / "store.db"
    with VectorManager(path, embedder=Broken(16)) as store:
        store.add([{"id": "a", "content": "zqa text", "priority": "high"}, {"id": "b", "content": "zqb text", "priority": "high"}])
        for _ in range(6):
            store.drain()
        assert len(store.dead_letters()) == 2
        store.add([{"id": "a", "content": "zqa text", "vector": [1.0] * 16}])
        assert [letter.ids for letter in store.dead_letters()] == [("b",)]
        assert store.stats().dead_letters == 1
        assert store.drain().waiting == 0
    _check(path, {"a": "zqa text", "b": "zqb text"})


def test_the_command_line_sqlite_of_this_python_agrees(tmp_path: Path) -> None:
    """Another SQLite than the package's connection finds the closed file whole."""
    path = tmp_path / "store.db"
    _made(path, 50)
    code = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('PRAGMA integrity_check').fetchall())"
    run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[('ok',)]"
