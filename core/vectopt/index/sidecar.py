"""A file beside the store that holds the index as it was: mapped into memory, it is there at once.

It is a cache. Whoever reads it gives the token that the ledger names; a file that is missing, stale, cut off or changed is
no file, and the index is built from the ledger again.

    8 bytes of magic, CRC-32 and length of the header, the header (JSON), then arrays at multiples of 4,096

The header is a tree of dictionaries; where an array was, it has the array's number. Each array has a checksum.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import time
import zlib
from contextlib import suppress
from glob import escape
from pathlib import Path
from tempfile import mkstemp
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MAGIC = b"vectopt\x01"
_FRONT = struct.Struct("<8sIQ")
_PAGE = 4096
_SUMMED = 8192  # 8-byte words a sum
_LEFTOVER_SECONDS = 3600
_DTYPES = frozenset({"<f4", "<f2", "|i1", "|u1", "<i4", "<i8", "<u2", "<u8", "<f8"})

Tree = dict[str, Any]


def write(path: Path, token: str, tree: Tree) -> None:
    """Write a tree of dictionaries, lists, numbers, strings and arrays, in place of any file at the path.

    Raises:
        OSError: it can't be written; the old file stays.
    """
    _remove_leftovers(path)
    arrays: list[NDArray[Any]] = []
    header = {"token": token, "tree": _without_arrays(tree, arrays), "arrays": []}
    offset = 0
    for array in arrays:
        header["arrays"].append([array.dtype.str, array.shape, offset, _checksum(array)])
        offset += -(-array.nbytes // _PAGE) * _PAGE
    text = json.dumps(header, separators=(",", ":")).encode()
    begin = -(-(_FRONT.size + len(text)) // _PAGE) * _PAGE
    number, name = mkstemp(prefix=f"{path.name}.", suffix=".tmp", dir=path.parent)  # the owner's alone
    try:
        with os.fdopen(number, "wb") as file:
            file.write(_FRONT.pack(_MAGIC, zlib.crc32(text), len(text)) + text)
            for array, (_, _, place, _) in zip(arrays, header["arrays"], strict=True):
                file.seek(begin + place)
                np.ascontiguousarray(array).tofile(file)
            file.truncate(begin + offset)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def read(path: Path, token: str) -> Tree | None:
    """Return what `write` was given under this token, arrays as private maps of the file; None where there is no such file."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY) if size >= _FRONT.size else b""
    except OSError:
        return None
    try:
        magic, crc, length = _FRONT.unpack_from(mapped)
        text = mapped[_FRONT.size : _FRONT.size + length]
        if magic != _MAGIC or len(text) != length or zlib.crc32(text) != crc:
            return None
        header = json.loads(text)
        if header["token"] != token:
            return None
        begin = -(-(_FRONT.size + length) // _PAGE) * _PAGE
        arrays = [_array(mapped, begin, *facts) for facts in header["arrays"]]
    except (ValueError, KeyError, TypeError, struct.error):
        return None
    tree: Tree = _with_arrays(header["tree"], arrays)
    return tree


def _array(mapped: Any, begin: int, dtype: str, shape: list[int], offset: int, checksum: int) -> NDArray[Any]:
    """Return one array; raises ValueError where the file doesn't hold it."""
    if dtype not in _DTYPES:
        raise ValueError(dtype)
    count = int(np.prod(shape, dtype=np.int64))
    array = np.frombuffer(mapped, np.dtype(dtype), count, begin + offset).reshape(shape) if count else np.empty(shape, dtype)
    if _checksum(array) != checksum:
        raise ValueError("changed")
    return array


def _checksum(array: NDArray[Any]) -> int:
    """Return a checksum, at the speed of memory: the CRC-32 of the sums of blocks of 64 KiB."""
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    whole = len(data) // (8 * _SUMMED) * (8 * _SUMMED)
    sums = data[:whole].view(np.uint64).reshape(-1, _SUMMED).sum(axis=1, dtype=np.uint64)
    return zlib.crc32(data[whole:].tobytes(), zlib.crc32(sums.tobytes()))


def _without_arrays(node: Any, arrays: list[NDArray[Any]]) -> Any:
    if isinstance(node, np.ndarray):
        arrays.append(node)
        return {"array": len(arrays) - 1}
    if isinstance(node, dict):
        return {key: _without_arrays(value, arrays) for key, value in node.items()}
    return [_without_arrays(value, arrays) for value in node] if isinstance(node, list) else node


def _with_arrays(node: Any, arrays: list[NDArray[Any]]) -> Any:
    if isinstance(node, dict):
        return arrays[node["array"]] if node.keys() == {"array"} else {key: _with_arrays(value, arrays) for key, value in node.items()}
    return [_with_arrays(value, arrays) for value in node] if isinstance(node, list) else node


def _remove_leftovers(path: Path) -> None:
    """Remove what a killed process was writing."""
    for old in path.parent.glob(f"{escape(path.name)}.*.tmp"):
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > _LEFTOVER_SECONDS:
                old.unlink()
