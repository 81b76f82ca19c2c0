"""Reading a segment of which nothing is known but its name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..errors import ArchiveDamaged, ArchiveUnavailable
from .codec import MAX_FRAME, beginnings, codec_of
from .record import unpack
from .segment import VERSION
from .target import ArchiveTarget

MAX_SEGMENT = 2 << 30  # bytes that are read at once


def salvage(target: ArchiveTarget, name: str) -> Iterator[dict[str, Any] | ArchiveDamaged]:
    """Yield every record that can still be read, and one error for each stretch of bytes that can't.

    Raises:
        ArchiveUnavailable: where the segment can't be read, is too large, or was written by a newer vectopt.
    """
    data = target.read(name, 0, MAX_SEGMENT + 1)
    if len(data) > MAX_SEGMENT:
        raise ArchiveUnavailable(f"{name} has more than {MAX_SEGMENT >> 30} GB, and is no segment of vectopt's")
    said = 0  # up to here everything was told
    records: int | None = None
    told = 0
    for place in beginnings(data):
        if place < said:
            continue
        frame = _frame(data, place)
        if frame is None:
            continue
        try:
            record = unpack(frame)
        except ArchiveDamaged:
            header = _header(frame)
            if header is None:
                continue
            record, records = None, header
        if place > said:
            yield _stretch(name, said, place)
        said = place + len(frame)
        if record is not None:
            told += 1
            yield record
    if said < len(data):
        yield _stretch(name, said, len(data))
    elif records is not None and told < records:  # cut off between two
        yield ArchiveDamaged(f"{name} should have {records} records; {told} could be read")


def _frame(data: bytes, place: int) -> memoryview | None:
    view = memoryview(data)[place : place + MAX_FRAME]
    try:
        end = codec_of(view).end(view)
    except ArchiveDamaged:
        return None
    return None if end is None else view[:end]


def _header(frame: memoryview) -> int | None:
    """Return how many records a header promises; None if it is none."""
    try:
        header = unpack(frame, kind="header")
    except ArchiveDamaged:
        return None
    version, records = header.get("version"), header.get("records")
    if not isinstance(version, int) or not isinstance(records, int):
        return None
    if version > VERSION:
        raise ArchiveUnavailable("the segment was written by a newer vectopt. Upgrade the package")
    return records


def _stretch(name: str, start: int, end: int) -> ArchiveDamaged:
    return ArchiveDamaged(f"{name}: bytes {start} to {end} can't be read")
