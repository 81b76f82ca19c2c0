"""The ledger: one SQLite file, one writer a process, as many readers as there are threads."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from ..compression import TOKENIZERS, Judge
from ..errors import StoreClosed, StorePathError, StoreReadOnly
from ..model import Event, Precision
from ..quantization import encoding
from ..settings import MergingSettings, StorageSettings
from . import records
from .connection import connect, migrate, refuse_foreign, schema_scripts, translated
from .guard import ActingLock, ProcessGuard, WriteLock, keep_for_ever, refuse_network
from .transaction import Transaction, Writer

T = TypeVar("T")


class Ledger:
    """The file that holds everything.

    WAL, `synchronous=FULL`: what `write` returned from survives a power cut.

    Args:
        path: of the file, made if it is missing; None for a private temporary one, removed at close.
        busy_seconds: how long a write waits for other processes.
        storage: how vectors are kept from now on; those that are there stay as they are.
        merging: which texts are near-duplicates.
        ageing_seconds: of waiting make a queued text rise by one priority class.
        tell: is told what moved, once it is durable.

    Raises:
        StorePathError, StoreReadOnly, StoreCorrupt, StoreTooNew, UnsafeFilesystem, StoreBusy.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        busy_seconds: float = 30,
        storage: StorageSettings | None = None,
        merging: MergingSettings | None = None,
        ageing_seconds: float = 600,
        tell: Callable[[Event], None] = lambda _: None,
    ) -> None:
        self._guard = ProcessGuard()
        self._busy = busy_seconds
        self._storage = storage or StorageSettings()
        self._ageing_seconds = ageing_seconds
        self._tell = tell
        self._judge = Judge((merging or MergingSettings()).similarity, TOKENIZERS["mixed"])
        self._temporary: Path | None = None
        if path is None:
            self._temporary = Path(tempfile.mkdtemp(prefix="vectopt-"))
            self.path = self._temporary / "store.db"
        else:
            self.path = _checked(path)
        self._idle: list[sqlite3.Connection] = []
        self.closed = False
        try:
            self._open()
        except BaseException:
            self._remove_temporary()
            raise
        self._finalizer = weakref.finalize(self, _remove, self._temporary, os.getpid())
        _OPEN.add(self)

    def _open(self) -> None:
        try:
            lock = WriteLock(self.path.with_name(self.path.name + ".lock"), self._busy)
        except PermissionError as error:
            raise StoreReadOnly(f"{self.path}: {error}. Check the permissions of the file and its folder") from error
        except OSError as error:
            raise StorePathError(f"{self.path}: {error}") from error
        try:
            with translated(self.path), lock.held():
                if not self.path.exists():
                    os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))  # the owner's alone
                if not os.access(self.path, os.W_OK):
                    raise StoreReadOnly(f"{self.path} can't be written. Check its permissions")
                refuse_foreign(self.path)
                db = connect(self.path, busy_seconds=self._busy, writable=True)
                try:
                    migrate(db, self.path, schema_scripts())
                except BaseException:
                    db.close()
                    raise
        except BaseException:
            lock.close()
            raise
        self._lock = lock
        self._acting = ActingLock(self.path.with_name(self.path.name + ".pass"))
        self._writer = Writer(db, self.path, lock, self._busy, self._storage, self._judge, self._ageing_seconds, self._tell)

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a write transaction; return what it returned, once that is durable. All or nothing."""
        self.check()
        return self._writer.write(work)

    def vacuum(self) -> None:
        """Write the file anew, without the holes that what has left leaves behind. Readers go on; writers wait."""
        self.check()
        self._writer.maintain(lambda db: db.execute("VACUUM").fetchall())

    @contextmanager
    def acting(self, wait_seconds: float) -> Iterator[bool]:
        """Be the one that acts on the capacity and the archive, of all threads and processes; gives whether that came about in time."""
        self.check()
        with self._acting.held(wait_seconds) as mine:
            yield mine

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that sees one consistent state of the file and never waits for a writer."""
        self.check()
        try:
            db = self._idle.pop()
        except IndexError:
            with translated(self.path):
                db = connect(self.path, busy_seconds=self._busy, writable=False)
        try:
            with translated(self.path):
                db.execute("BEGIN")
                yield db
        finally:
            if db.in_transaction:
                db.execute("COMMIT")
            if self.forked:
                keep_for_ever(db)
            else:
                self._idle.append(db)
                if self.closed:
                    self._close_idle()

    @staticmethod
    def dimensions(db: sqlite3.Connection) -> int | None:
        """Return how many dimensions the store's vectors have, None before the first one."""
        found: int | None = records.meta(db, "dimensions")
        return found

    def vector_bytes(self, db: sqlite3.Connection) -> int:
        """Return the bytes of a vector as it is kept from now on; 0 before the first one."""
        dimensions = self.dimensions(db)
        return encoding(self._storage.precision, dimensions).bytes_each if dimensions else 0

    def sketch_bytes(self, db: sqlite3.Connection) -> int | None:
        """Return the bytes of a sketch; 0 where none are kept, None before the first vector."""
        dimensions = self.dimensions(db)
        if not self._storage.sketches:
            return 0
        if not dimensions:
            return None
        each = encoding(Precision.SKETCH, dimensions).bytes_each
        return each if each < self.vector_bytes(db) else 0  # of so few dimensions that it says little and saves nothing

    @staticmethod
    def file_bytes(db: sqlite3.Connection) -> int:
        """Return the bytes in use in the file; freed pages don't count."""
        pages = db.execute("PRAGMA page_count").fetchone()[0] - db.execute("PRAGMA freelist_count").fetchone()[0]
        return int(pages * db.execute("PRAGMA page_size").fetchone()[0])

    def check(self) -> None:
        """Raise StoreClosed or ForkedProcess where the store can't be used."""
        self._guard.check()
        if self.closed:
            raise StoreClosed

    @property
    def temporary(self) -> bool:
        """Whether the file goes when it is closed."""
        return self._temporary is not None

    @property
    def forked(self) -> bool:
        """Whether this is a child of the process that opened the file, and has no part in it."""
        return self._guard.forked

    def disown(self) -> None:
        """Let go of everything in a forked child: closing a connection that the parent uses could write to its file."""
        for db in (*self._idle, self._writer.db):
            keep_for_ever(db)
        self._lock.close()
        self._acting.disown()

    def close(self) -> None:
        """Close the file, and remove it if it was temporary. Closing twice is no error."""
        if self.closed or self.forked:
            return
        self.closed = True
        try:
            self._close_idle()
            self._writer.close()
        finally:
            self._lock.close()
            self._remove_temporary()

    def _close_idle(self) -> None:
        while True:
            try:
                db = self._idle.pop()
            except IndexError:
                return
            db.close()

    def _remove_temporary(self) -> None:
        _remove(self._temporary, os.getpid())


_OPEN: weakref.WeakSet[Ledger] = weakref.WeakSet()


def _disown_all() -> None:
    for ledger in list(_OPEN):
        if not ledger.closed:
            ledger.disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown_all)


def _remove(folder: Path | None, owner: int) -> None:
    """Remove a private temporary folder; never from a forked child."""
    if folder is not None and os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _checked(path: str | os.PathLike[str]) -> Path:
    try:
        result = Path(os.fsdecode(path)).expanduser().absolute()
        real = result.resolve()
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        raise StorePathError(f"path must be a file's path; got {path!r}") from error
    if real.is_dir():
        raise StorePathError(f"{result} is a folder; give the path of a file in it, such as {result / 'vectopt.db'}")
    if not real.parent.is_dir():
        raise StorePathError(f"{result.parent} is not a folder; make it first")
    refuse_network(real)
    return real  # SQLite follows links: the lock and the log must be those of the file itself
