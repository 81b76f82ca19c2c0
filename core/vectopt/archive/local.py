"""Segments in a folder of this machine."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ..errors import ArchiveUnavailable, InvalidInput
from ..failpoints import Failpoint
from .target import checked_name, checked_segment, is_segment_or_temporary, temporary

_written = Failpoint("archive.local.written")
_moved = Failpoint("archive.local.moved")
_deleted = Failpoint("archive.local.deleted")

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe of that name is refused, not waited for
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class LocalTarget:
    """A folder. It is made at the first write, for its owner alone.

    Args:
        folder: its path; what links in it lead to is settled here, once.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._root = Path(folder).expanduser().resolve()

    def __repr__(self) -> str:
        return f"LocalTarget({self.describe()!r})"

    def describe(self) -> str:
        """Return the folder's path."""
        return str(self._root)

    def write(self, name: str, data: bytes) -> None:
        """Write under a temporary name, sync, move, sync the folder."""
        part = temporary(checked_segment(name))
        with self._folder(f"write {name}", make=True) as folder:
            if _exists(folder, name):
                if self.read(name) != data:
                    raise InvalidInput(f"{name}: there is another segment of this name; a segment is never changed")
                _sync(folder)  # a crash may have come before that
                return
            _unlink(folder, part)  # of a crash
            try:
                file = os.open(part, _WRITE, 0o600, dir_fd=folder)
                try:
                    rest = memoryview(data)
                    while rest:
                        rest = rest[os.write(file, rest) :]
                    _sync(file)
                finally:
                    os.close(file)
                _written()
                os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError:
                with contextlib.suppress(OSError):
                    _unlink(folder, part)
                raise
            _sync(folder)
            _moved()

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Return bytes of a file, which must be a plain one."""
        checked_name(name)
        with self._folder(f"read {name}") as folder:
            file = os.open(name, _READ, dir_fd=folder)
            try:
                about = os.fstat(file)
                if not stat.S_ISREG(about.st_mode):
                    raise OSError("not a plain file")
                end = about.st_size if length is None else min(about.st_size, start + length)
                parts = []
                while start < end and (part := os.pread(file, min(end - start, 1 << 30), start)):
                    parts.append(part)
                    start += len(part)
                return b"".join(parts)
            finally:
                os.close(file)

    def delete(self, name: str) -> None:
        """Remove a file, and sync the folder."""
        checked_name(name)
        with _no_folder_is_fine(), self._folder(f"delete {name}") as folder:
            _unlink(folder, name)
            _sync(folder)
            _deleted()

    def names(self) -> list[str]:
        """Return the names of the plain files that are ours."""
        with _no_folder_is_fine(), self._folder("list it") as folder, os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if is_segment_or_temporary(entry.name) and entry.is_file(follow_symlinks=False))
        return []

    @contextlib.contextmanager
    def _folder(self, doing: str, *, make: bool = False) -> Iterator[int]:
        """Open the folder: names are then looked up in it and nowhere else."""
        try:
            if make:
                self._make()
            folder = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                yield folder
            finally:
                os.close(folder)
        except OSError as error:
            raise ArchiveUnavailable(f"the archive {self.describe()}: can't {doing}: {error.strerror or error}") from error

    def _make(self) -> None:
        missing = [folder for folder in (self._root, *self._root.parents) if not folder.exists()]
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for made in missing:  # a folder is durable when the one that it lies in is
            parent = os.open(made.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                _sync(parent)
            finally:
                os.close(parent)


@contextlib.contextmanager
def _no_folder_is_fine() -> Iterator[None]:
    """Let pass that the archive's folder isn't there yet."""
    try:
        yield
    except ArchiveUnavailable as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            raise


def _exists(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _unlink(folder: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def _sync(file: int) -> None:
    if hasattr(fcntl, "F_FULLFSYNC"):  # macOS: fsync doesn't reach the disk
        with contextlib.suppress(OSError):
            fcntl.fcntl(file, fcntl.F_FULLFSYNC)
            return
    os.fsync(file)
