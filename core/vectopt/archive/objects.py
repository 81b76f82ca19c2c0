"""Segments in an object store, or whatever else fsspec can reach."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..errors import ArchiveUnavailable, InvalidInput
from ..failpoints import Failpoint
from .target import checked_name, checked_segment, is_segment_or_temporary, temporary

_written = Failpoint("archive.object.written")
_moved = Failpoint("archive.object.moved")
_deleted = Failpoint("archive.object.deleted")

_PAUSES = (0.1, 0.5, 2.0)  # seconds before trying again
# These put an object as a whole or not at all; a move there is a copy and a deletion, which is worse than a plain put.
_PUTS_WHOLE = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss", "memory"})

_PLAIN = frozenset({"endpoint_url", "region_name", "region", "account_name", "account_host", "project"})

T = TypeVar("T")


class ObjectTarget:
    """A folder of a file system of fsspec.

    Objects are put with `pipe_file`, as a whole: an `open` of fsspec that is left by an exception keeps what was written so far.

    Args:
        filesystem: of fsspec.
        root: the folder in it.
        secrets: what must never be shown; the values of the storage options.
        sleep: waits for so many seconds.
    """

    def __init__(self, filesystem: Any, root: str, *, secrets: object = (), sleep: Callable[[float], object] = time.sleep) -> None:
        self._files = filesystem
        protocol = filesystem.protocol
        self._protocols = (protocol,) if isinstance(protocol, str) else tuple(protocol)
        self._root = str(filesystem._strip_protocol(root)).rstrip("/")
        self._secrets = tuple(_strings(secrets))
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"ObjectTarget({self.describe()!r})"

    def describe(self) -> str:
        """Return the protocol and the folder."""
        return f"{self._protocols[0]}://{self._root.lstrip('/')}"

    def write(self, name: str, data: bytes) -> None:
        """Put an object, where stores put objects whole; elsewhere under a temporary name, and move it."""
        path = self._path(checked_segment(name))

        def put() -> bool:
            if self._exists(path):  # of before, or of a try whose answer was lost
                return bool(self._files.cat_file(path) == data)
            if not _PUTS_WHOLE.isdisjoint(self._protocols):
                self._files.pipe_file(path, data)
                _written()
                return True
            self._files.makedirs(self._root, exist_ok=True)
            part = self._path(temporary(name))
            self._files.pipe_file(part, data)
            _written()
            self._files.mv(part, path)
            _moved()
            return True

        if not self._tried(f"write {name}", put):
            raise InvalidInput(f"{name}: there is another segment of this name; a segment is never changed")

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Return bytes of an object."""
        path = self._path(name)

        def get() -> bytes:
            if length != 0:
                try:
                    part = bytes(self._files.cat_file(path, start=start, end=None if length is None else start + length))
                    if length is None or len(part) <= length:
                        return part
                except FileNotFoundError:
                    raise
                except Exception:  # stores answer a range behind the end with an error, or with everything
                    if not start:
                        raise
            self._files.invalidate_cache()
            size = int(self._files.info(path)["size"])
            end = size if length is None else min(size, start + length)
            return bytes(self._files.cat_file(path, start=start, end=end)) if start < end else b""

        return self._tried(f"read {name}", get)

    def delete(self, name: str) -> None:
        """Remove an object."""
        path = self._path(name)

        def remove() -> None:
            if self._exists(path):
                self._files.rm_file(path)
                _deleted()

        self._tried(f"delete {name}", remove)

    def names(self) -> list[str]:
        """Return the names of the objects that are ours."""

        def listed() -> list[str]:
            self._files.invalidate_cache()
            try:
                entries = self._files.ls(self._root, detail=True)
            except FileNotFoundError:
                return []
            names = (str(entry["name"]).rsplit("/", 1)[-1] for entry in entries if entry["type"] == "file")
            return sorted(name for name in names if is_segment_or_temporary(name))

        return self._tried("list it", listed)

    def _path(self, name: str) -> str:
        return f"{self._root}/{checked_name(name)}"

    def _exists(self, path: str) -> bool:
        self._files.invalidate_cache()
        try:  # not `exists`: it answers no where the store can't be reached
            self._files.info(path)
        except FileNotFoundError:
            return False
        return True

    def _tried(self, doing: str, do: Callable[[], T]) -> T:
        for pause in (*_PAUSES, None):
            try:
                return do()
            except Exception as error:  # of any file system
                failure = error
            if pause is None or isinstance(failure, FileNotFoundError | PermissionError):
                break
            self._sleep(pause)
        # Raised outside the handler: what is chained there by itself could tell a secret.
        said = f"{type(failure).__name__}: {failure}"
        message = f"the archive {self.describe()}: can't {doing}"
        if self._tells(failure):
            raise ArchiveUnavailable(f"{message}: {type(failure).__name__} (its message holds a storage option, and is left out)")
        raise ArchiveUnavailable(f"{message}: {said}") from failure

    def _tells(self, error: BaseException | None) -> bool:
        seen: list[BaseException] = []
        while error is not None and error not in seen:
            if any(secret in f"{error} {error!r} {error.args} {vars(error)}" for secret in self._secrets):
                return True
            seen.append(error)
            error = error.__cause__ or error.__context__
        return False


def _strings(options: object) -> list[str]:
    if isinstance(options, str):
        return [options] if len(options) > 3 else []
    if isinstance(options, Mapping):
        return [found for key, value in options.items() if not _is_plain(key, value) for found in _strings(value)]
    if isinstance(options, list | tuple):
        return [found for value in options for found in _strings(value)]
    return []


def _is_plain(key: object, value: object) -> bool:
    """Whether an option says where a store is, which an error should tell; a URL with a password or a signature is a secret."""
    return key in _PLAIN and not any(mark in str(value) for mark in "@?")
