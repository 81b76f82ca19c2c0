"""Refusals and locks that keep the file whole: network file systems, forks, and SQLite's WAL-reset bug."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from ..errors import ForkedProcess, StoreBusy, UnsafeFilesystem

try:
    import fcntl
except ImportError:  # Windows: SQLite's own locks alone
    fcntl = None  # type: ignore[assignment]

_NETWORK = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "afs",
    "ncpfs",
    "9p",
    "fuse.sshfs",
    "fuse.s3fs",
    "fuse.rclone",
    "fuse.glusterfs",
    "ceph",
    "lustre",
}


def has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    """Tell whether this SQLite can corrupt a file when one connection checkpoints while another commits.

    3.7.0 to 3.51.2, but for the backports 3.50.7 and 3.44.6 (sqlite.org/wal.html#walresetbug).
    """
    if version >= (3, 51, 3) or version < (3, 7, 0):
        return False
    return not (version[:2] == (3, 50) and version >= (3, 50, 7)) and not (version[:2] == (3, 44) and version >= (3, 44, 6))


def filesystem_of(path: Path, mounts: str | None = None) -> str:
    """Return the type of the file system that holds `path`; empty where it can't be told.

    Args:
        path: an absolute path.
        mounts: the text of /proc/mounts.
    """
    if mounts is None:
        table = Path("/proc/mounts")
        mounts = table.read_text(errors="replace") if table.exists() else ""
    best, kind = -1, ""
    for line in mounts.splitlines():
        parts = line.split(" ")
        if len(parts) < 3:
            continue
        point = Path(parts[1].replace("\\040", " "))
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), parts[2]
    return kind


def refuse_network(path: Path, mounts: str | None = None) -> None:
    """Raise UnsafeFilesystem where SQLite's locks don't hold."""
    kind = filesystem_of(path, mounts)
    if kind in _NETWORK:
        raise UnsafeFilesystem(f"{path} lies on a {kind} file system, where SQLite can't lock it safely; use a local disk")


def keep_for_ever(thing: object) -> None:
    """Take a reference that is never given back, so that not even the end of the interpreter finalises the thing."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


class ProcessGuard:
    """Refuses the use of connections that a fork() carried over."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    def check(self) -> None:
        """Raise ForkedProcess in any process but the one that opened the store."""
        if os.getpid() != self._pid:
            raise ForkedProcess

    @property
    def forked(self) -> bool:
        """Whether this is a child of the process that opened the store."""
        return os.getpid() != self._pid


class WriteLock:
    """An advisory lock between processes around every write and checkpoint.

    With SQLites that have the WAL-reset bug no checkpoint can then overlap a commit; with all, writers queue here
    instead of meeting SQLITE_BUSY.
    """

    def __init__(self, path: Path, wait_seconds: float) -> None:
        self._wait = wait_seconds
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock; raises StoreBusy after the wait."""
        if fcntl is None:
            yield
            return
        deadline, pause = time.monotonic() + self._wait, 0.0002
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StoreBusy(f"another process kept the store locked for {self._wait:g} s; nothing was stored") from None
                time.sleep(pause)
                pause = min(pause * 1.5, 0.01)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Release the file."""
        os.close(self._file)


class ActingLock:
    """Held by the one that acts on the capacity: one thread of one process at a time. It ends with its process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._here = Lock()  # where files can't be locked, the threads of this process at least
        self._file: int | None = None

    @contextmanager
    def held(self, wait_seconds: float) -> Iterator[bool]:
        """Hold the lock, waiting so long at the most; gives whether it is held."""
        deadline = time.monotonic() + wait_seconds
        if not self._here.acquire(timeout=wait_seconds):
            yield False
            return
        try:
            if fcntl is None:
                yield True
                return
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
            try:
                yield _locked(self._file, deadline)
            finally:
                if self._file is not None:
                    fcntl.flock(self._file, fcntl.LOCK_UN)  # to close it is not enough while a forked child has it too
                self.disown()
        finally:
            self._here.release()

    def disown(self) -> None:
        """Close the file, if it is open: in a forked child, so that the lock ends with the parent."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


def _locked(file: int, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        else:
            return True
