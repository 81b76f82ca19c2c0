"""A write transaction, and the writer that commits waiting ones together."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, Generic, TypeVar

from ..compression import Judge
from ..errors import StoreClosed, StoreError
from ..failpoints import Failpoint
from ..model import Event
from ..settings import StorageSettings
from .connection import translated
from .guard import WriteLock

T = TypeVar("T")

_committed = Failpoint("ledger.committed")
_maintained = Failpoint("ledger.maintained")

_CHECKPOINT_BYTES = 16 * 2**20
_MAX_GROUP = 1000


class Transaction:
    """What a piece of work may do inside one transaction.

    Attributes:
        db: the connection; only this folder's modules use it.
        seq: the change sequence number of this commit.
        storage: how vectors are kept.
        ageing_seconds: of waiting make a queued text rise by one priority class.
        judge: which texts may be one.
    """

    def __init__(self, db: sqlite3.Connection, storage: StorageSettings, judge: Judge, ageing_seconds: float) -> None:
        self.db = db
        self.storage = storage
        self.judge = judge
        self.ageing_seconds = ageing_seconds
        self.seq: int = db.execute("UPDATE meta SET value = value + 1 WHERE name = 'change' RETURNING value").fetchone()[0]
        self._counts: dict[tuple[str, str], int] = defaultdict(int)
        self._notes: Counter[tuple[str, str]] = Counter()

    def count(self, namespace: str, name: str, by: int = 1) -> None:
        """Add to a counter, in this transaction."""
        self._counts[namespace, name] += by

    def note(self, event: str, namespace: str) -> None:
        """Have observers told, once this is committed, that one more text of the namespace made this move."""
        self._notes[event, namespace] += 1

    def noted(self) -> Counter[tuple[str, str]]:
        """Return what was noted since the last call."""
        notes, self._notes = self._notes, Counter()
        return notes

    def flush(self) -> None:
        """Write the counters."""
        rows = [(*key, value) for key, value in self._counts.items() if value]
        self._counts.clear()
        self.db.executemany(
            "INSERT INTO counter VALUES (?, ?, ?) ON CONFLICT (namespace, name) DO UPDATE SET value = value + excluded.value", rows
        )

    def forget(self) -> None:
        """Drop what was counted and noted since the last work; this one was rolled back."""
        self._counts.clear()
        self._notes.clear()


class _Work(Generic[T]):
    """A piece of work waiting for a commit, and what came of it."""

    def __init__(self, run: Callable[[Transaction], T]) -> None:
        self.run = run
        self.done = False
        self.value: T
        self.error: BaseException | None = None
        self.notes: Counter[tuple[str, str]] = Counter()


class Writer:
    """The one writing connection of a process.

    Whoever gets the lock commits for everyone who waits (group commit): one fsync for all of them, and none waits for
    company. Each piece of work is all or nothing; one that fails doesn't take the others with it.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        path: Path,
        lock: WriteLock,
        busy_seconds: float,
        storage: StorageSettings,
        judge: Judge,
        ageing_seconds: float,
        tell: Callable[[Event], None],
    ) -> None:
        self.db = db
        self._storage = storage
        self._judge = judge
        self._ageing_seconds = ageing_seconds
        self._tell = tell
        self._busy_ms = int(busy_seconds * 1000)
        self._path = path
        self._wal = path.with_name(path.name + "-wal")
        self._lock = lock
        self._waiting: deque[_Work[Any]] = deque()
        self._commit_lock = Lock()
        self.closed = False

    def write(self, run: Callable[[Transaction], T]) -> T:
        """Run the work in a transaction and return its value once it is durable."""
        work = _Work(run)
        self._waiting.append(work)
        with self._commit_lock:
            if not work.done:
                self._commit([self._waiting.popleft() for _ in range(min(len(self._waiting), _MAX_GROUP))])
                if not work.done:  # it stood behind a full group
                    self._waiting.remove(work)
                    self._commit([work])
        if work.error is not None:
            raise work.error
        for (event, namespace), texts in work.notes.items():
            self._tell(Event(event, {"namespace": namespace, "texts": texts}))
        return work.value

    def maintain(self, run: Callable[[sqlite3.Connection], object]) -> None:
        """Do to the file what can't be done in a transaction, while nobody writes."""
        with self._commit_lock:
            if self.closed:
                raise StoreClosed
            with translated(self._path), self._lock.held():
                run(self.db)
                _maintained()
                self._checkpoint()

    def _commit(self, group: list[_Work[Any]]) -> None:
        """Commit a group; whatever goes wrong is kept for the callers it concerns. What is committed is stored, whatever comes after."""
        committed = False
        try:
            if self.closed:
                raise StoreClosed
            with translated(self._path), self._lock.held():
                self.db.execute("BEGIN IMMEDIATE")
                try:
                    transaction = Transaction(self.db, self._storage, self._judge, self._ageing_seconds)
                    for work in group:
                        self._run(work, transaction, alone=len(group) == 1)
                    self.db.execute("COMMIT")
                    committed = True
                    _committed()
                except BaseException:
                    if self.db.in_transaction:
                        self.db.execute("ROLLBACK")
                    raise
                self._checkpoint()
        except Exception as error:
            for work in group if not committed else ():
                work.error = work.error or error
        except BaseException as error:  # an interrupt concerns this thread alone; the others' work was rolled back
            for work in group if not committed else ():
                work.error = work.error or StoreError(f"{self._path}: the commit was interrupted; nothing of the call was stored")
            raise error
        finally:
            for work in group:
                work.done = True

    def _run(self, work: _Work[Any], transaction: Transaction, *, alone: bool) -> None:
        if alone:
            work.value = work.run(transaction)
            transaction.flush()
            work.notes = transaction.noted()
            return
        self.db.execute("SAVEPOINT work")
        try:
            with translated(self._path):
                work.value = work.run(transaction)
                transaction.flush()
                work.notes = transaction.noted()
        except BaseException as error:  # kept for its own caller
            work.error = error
            transaction.forget()
            if not self.db.in_transaction:  # SQLite itself rolled everything back: disk full, I/O error
                raise
            self.db.execute("ROLLBACK TO work")
        self.db.execute("RELEASE work")

    def _checkpoint(self) -> None:
        """Move the log into the file when it has grown; readers are never waited for."""
        try:
            size = self._wal.stat().st_size
        except FileNotFoundError:
            return
        if size > _CHECKPOINT_BYTES:
            self.db.execute("PRAGMA busy_timeout = 0")
            try:
                self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except sqlite3.OperationalError:
                pass  # a reader is in the way: the next commit tries again
            finally:
                self.db.execute(f"PRAGMA busy_timeout = {self._busy_ms:d}")

    def close(self) -> None:
        """Refuse further work and close the connection; the last one to close moves the log into the file."""
        with self._commit_lock:
            self.closed = True
            try:
                with self._lock.held():
                    self.db.close()
            finally:
                self.db.close()  # whoever holds the lock: SQLite's own locks are left
