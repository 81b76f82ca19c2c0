"""Vectors that were paid for once, kept by the digest of their text: in memory, or in a folder that outlives the process."""

from __future__ import annotations

import os
import re
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import IO, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import StoreFull, StorePathError

try:
    import fcntl
except ImportError:  # no lock between processes there: what they write at once may be lost, never mixed up
    fcntl = None  # type: ignore[assignment]

Vector = NDArray[np.float32]

_KEY = 20  # bytes: the digest of a text, and a checksum of digest and vector


class Cache(Protocol):
    """Remembers vectors; it may forget any, at any time."""

    def get(self, digests: Sequence[bytes]) -> dict[bytes, Vector]:
        """Return those that are known."""
        ...

    def put(self, found: Mapping[bytes, Vector]) -> None:
        """Remember some more."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...


class MemoryCache:
    """The last few vectors, in memory."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[bytes, Vector] = OrderedDict()
        self._lock = Lock()

    def get(self, digests: Sequence[bytes]) -> dict[bytes, Vector]:
        """Return those that are known."""
        with self._lock:
            return {digest: self._held[digest] for digest in digests if digest in self._held}

    def put(self, found: Mapping[bytes, Vector]) -> None:
        """Remember some more, and forget the oldest."""
        with self._lock:
            self._held.update(found)
            while len(self._held) > self._most:
                self._held.popitem(last=False)

    def close(self) -> None:
        """There is nothing to let go of."""


class FolderCache:
    """Two files of a folder, that only grow: digests with checksums, and the vectors in the same order.

    Threads and processes may share it. A process killed while it writes leaves a tail that is cut off by the next one; a vector
    whose checksum is wrong is not known. Texts are not in it. When the vectors take more than `most_bytes`, it begins anew.

    Args:
        folder: made if it is missing, the owner's alone.
        model: of the vectors.
        dimensions: of the vectors.
        most_bytes: that the vectors may take.

    Raises:
        StorePathError: the folder can't be made or written.
    """

    def __init__(self, folder: str | os.PathLike[str], model: str, dimensions: int, most_bytes: int) -> None:
        self._size = 4 * dimensions
        self._most = max(1, most_bytes // self._size)
        self._places: dict[bytes, int] = {}
        self._sums: list[int] = []
        self._lock = Lock()
        name = f"{re.sub(r'[^A-Za-z0-9.-]', '_', model)}-{dimensions}"
        home = Path(folder).expanduser()
        self._paths = home / f"{name}.digests", home / f"{name}.vectors"
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._digests, self._vectors = self._open()
        except OSError as error:
            raise StorePathError(f"{home} can't hold the cache of embeddings: {error}") from error

    def _open(self) -> tuple[IO[bytes], IO[bytes]]:
        digests, vectors = (os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600) for path in self._paths)
        return os.fdopen(digests, "r+b", buffering=0), os.fdopen(vectors, "r+b", buffering=0)

    def get(self, digests: Sequence[bytes]) -> dict[bytes, Vector]:
        """Return those that are known and whole."""
        found: dict[bytes, Vector] = {}
        with self._lock, suppress(OSError):
            self._catch_up()
            for digest in digests:
                place = self._places.get(digest)
                if place is None:
                    continue
                self._vectors.seek(place * self._size)
                data = self._vectors.read(self._size)
                if len(data) == self._size and zlib.crc32(digest + data) == self._sums[place]:
                    found[digest] = np.frombuffer(data, "<f4").astype(np.float32, copy=False)
        return found

    def put(self, found: Mapping[bytes, Vector]) -> None:
        """Remember some more.

        Raises:
            StoreFull: the disk is full; the vectors are the caller's all the same.
        """
        if not found:
            return
        rows = [(digest, vector.astype("<f4", copy=False).tobytes()) for digest, vector in found.items()]
        try:
            with self._lock, self._alone():
                self._catch_up()
                if len(self._sums) + len(rows) > self._most:
                    self._digests.truncate(0)
                    self._vectors.truncate(0)
                    self._forget()
                start = len(self._sums)
                # The vectors first: a digest is only there once its vector is.
                self._vectors.truncate(start * self._size)
                self._write(self._vectors, start * self._size, b"".join(data for _, data in rows))
                keys = b"".join(digest + zlib.crc32(digest + data).to_bytes(4, "little") for digest, data in rows)
                self._digests.truncate(start * _KEY)
                self._write(self._digests, start * _KEY, keys)
                self._catch_up()
        except OSError as error:
            raise StoreFull(f"the cache of embeddings can't be written: {error}") from error

    @staticmethod
    def _write(file: IO[bytes], at: int, data: bytes) -> None:
        file.seek(at)
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from writing."""
        if fcntl is None:
            yield
            return
        fcntl.flock(self._digests, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._digests, fcntl.LOCK_UN)

    def _catch_up(self) -> None:
        """Take in what was written since, by whomever."""
        size = os.fstat(self._digests.fileno()).st_size
        if size < len(self._sums) * _KEY:  # begun anew by another process
            self._forget()
        self._digests.seek(len(self._sums) * _KEY)
        data = self._digests.read()
        for at in range(0, len(data) - _KEY + 1, _KEY):
            self._places[data[at : at + 16]] = len(self._sums)
            self._sums.append(int.from_bytes(data[at + 16 : at + _KEY], "little"))

    def _forget(self) -> None:
        self._places.clear()
        self._sums.clear()

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            self._digests.close()
            self._vectors.close()
