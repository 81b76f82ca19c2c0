"""Opening the file: pragmas, schema, and foreign errors turned into ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from ..compression import words_key
from ..errors import StoreBusy, StoreCorrupt, StoreError, StoreFull, StorePathError, StoreReadOnly, StoreTooNew
from .wording import unpacked

APPLICATION_ID = 0x564F5054  # "VOPT"

_WRITER_CACHE = 64 * 1024  # KiB at the most: digests land all over their indexes, which had better be in memory
_READER_CACHE = 8 * 1024

_MESSAGES: tuple[tuple[str, type[StoreError]], ...] = (
    ("readonly", StoreReadOnly),
    ("unable to open", StorePathError),
    ("not a database", StoreCorrupt),
    ("malformed", StoreCorrupt),
    ("disk is full", StoreFull),
    ("disk i/o", StoreFull),
    ("locked", StoreBusy),
    ("busy", StoreBusy),
)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn sqlite3's errors into ours, with the cause kept."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        text = str(error).lower()
        for part, kind in _MESSAGES:
            if part in text:
                raise kind(f"{path}: {error}. {kind()}") from error
        raise StoreError(f"{path}: {error}") from error


def connect(path: Path, *, busy_seconds: float, writable: bool) -> sqlite3.Connection:
    """Open one connection. Readers can't write; no connection checkpoints by itself."""
    db = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False, cached_statements=256)
    try:
        db.create_function("unpacked", 2, unpacked, deterministic=True)
        db.create_function("words_key", 1, words_key, deterministic=True)
        db.execute("PRAGMA wal_autocheckpoint = 0")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA synchronous = FULL" if writable else "PRAGMA query_only = ON")
        db.execute(f"PRAGMA cache_size = {-(_WRITER_CACHE if writable else _READER_CACHE):d}")
    except BaseException:
        db.close()
        raise
    return db


def refuse_foreign(path: Path) -> None:
    """Raise StoreCorrupt for a file that isn't ours, before a connection that could write to it is made.

    It is read by SQLite: to open and close it ourselves would drop every POSIX lock that this process has on it.
    """
    db = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        owner = db.execute("PRAGMA application_id").fetchone()[0]
        if owner != APPLICATION_ID and (owner or db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()):
            raise StoreCorrupt(f"{path} is a SQLite file, but not a vectopt store; nothing was written to it")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
            raise
        # A journal that a kill left while the file was made: only a connection that can write rolls it back.
    finally:
        db.close()


def schema_scripts(folder: str = "schema") -> list[tuple[int, str]]:
    """Return the schema's steps as (version, SQL), ascending: files named NNNN_what.sql."""
    found = [entry for entry in files(__package__).joinpath(folder).iterdir() if entry.name.endswith(".sql")]
    return sorted((int(entry.name.split("_")[0]), entry.read_text(encoding="utf-8")) for entry in found)


def migrate(db: sqlite3.Connection, path: Path, scripts: list[tuple[int, str]]) -> None:
    """Bring a new or older file to the newest schema, in one transaction.

    Raises:
        StoreTooNew: the file's schema is newer than the newest script.
    """
    version = db.execute("PRAGMA user_version").fetchone()[0]
    newest = scripts[-1][0]
    if version > newest:
        raise StoreTooNew(f"{path} has schema {version}; this vectopt knows up to {newest}. Upgrade the package; nothing was written")
    if version == newest:
        return
    if not version:
        # Before the log is in use, so that the file itself says whose it is.
        db.execute(f"PRAGMA application_id = {APPLICATION_ID:d}")
        db.execute("PRAGMA journal_mode = WAL")
    db.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have come first.
        version = db.execute("PRAGMA user_version").fetchone()[0]
        for step, script in scripts:
            if step > version:
                for statement in _statements(script):
                    db.execute(statement)
        db.execute(f"PRAGMA user_version = {newest:d}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _statements(script: str) -> Iterator[str]:
    """Split a script; `executescript` would commit what is open."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending.strip():
        yield pending
