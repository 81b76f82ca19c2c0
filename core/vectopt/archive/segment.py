"""Segments: written once, verified, read by place, scrubbed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from ..errors import ArchiveDamaged, ArchiveUnavailable, InvalidInput, InvalidSettings
from ..failpoints import Failpoint
from .codec import MAX_FRAME, codec_named
from .record import pack, unpack
from .target import ArchiveTarget, checked_stem

FORMAT = "vectopt-archive"
VERSION = 1

_verified = Failpoint("archive.verified")
_GAP = 64 << 10  # bytes that are rather read in vain than left out by another request
_REQUEST = 8 << 20  # bytes of a request of several records


class Place(NamedTuple):
    """Where a record's frame lies in its segment."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Segment:
    """What must be kept to read a segment and to know that it is whole.

    Attributes:
        name: in its target, endings included.
        size: in bytes.
        digest: SHA-256 of all bytes, in hex.
        places: of the records, in the order they were given.
    """

    name: str
    size: int
    digest: str
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Health:
    """What a scrub found.

    Attributes:
        whole: whether the segment has the bytes it was written with.
        damaged: the places whose records can't be read, and why.
    """

    whole: bool
    damaged: Mapping[Place, ArchiveDamaged]


def write_segment(
    target: ArchiveTarget,
    stem: str,
    records: Sequence[Mapping[str, Any]],
    *,
    level: int | None = None,
    codec: str | None = None,
    between: Callable[[], object] = lambda: None,
) -> Segment:
    """Write records, and read them back: what is returned was seen to be there.

    Args:
        target: where to.
        stem: what no other segment of the target is called; the codec's endings are added to it.
        records: of what JSON knows, keys strings, numbers finite, nested at most 64 deep; tuples come back as lists.
        level: of the compression; None for the codec's own.
        codec: "zstd" or "gzip"; None for zstd if it is installed.
        between: called between any two records, which may be many.

    Raises:
        InvalidSettings: for a level or a codec there isn't.
        InvalidInput: for a record that would not come back as it is; nothing was written.
        ArchiveUnavailable: where it could not be written or read back; it may be there or not.
        ArchiveDamaged: where it isn't read back as it was written.
    """
    chosen = codec_named(codec)
    if level is not None and level not in chosen.levels:
        raise InvalidSettings(f"level={level!r}: {chosen.name} has levels 1 to {chosen.levels[-1]}")
    name = checked_stem(stem) + chosen.suffix
    if not records:
        raise InvalidInput("a segment needs a record")
    header = {"format": FORMAT, "version": VERSION, "codec": chosen.name, "segment": name, "records": len(records)}
    frames = [pack(header, chosen, level, kind="header")]
    places = []
    end = len(frames[0])
    for number, record in enumerate(records):
        try:
            frames.append(pack(record, chosen, level))
        except InvalidInput as error:
            raise InvalidInput(f"records[{number}] {error}") from None
        between()
        places.append(Place(end, len(frames[-1])))
        end += len(frames[-1])
    data = b"".join(frames)
    segment = Segment(name, len(data), sha256(data).hexdigest(), tuple(places))
    del frames
    target.write(name, data)
    health = scrub(target, segment, between=between)
    if not health.whole or health.damaged:
        with contextlib.suppress(ArchiveUnavailable):
            target.delete(name)
        raise ArchiveDamaged(f"{name} was not read back from {target.describe()} as it was written")
    _verified()
    return segment


def read_records(
    target: ArchiveTarget, name: str, places: Sequence[Place], *, between: Callable[[], object] = lambda: None
) -> list[dict[str, Any] | ArchiveDamaged]:
    """Return the records at these places, in this order; one that is damaged is its error, and the others don't mind.

    `between` is called between any two records.

    Raises:
        ArchiveUnavailable: where the segment can't be read at all.
        MissingExtra: for records of zstd where it isn't installed.
    """
    for place in places:
        if place.offset < 0 or not 0 < place.length <= MAX_FRAME:
            raise InvalidInput(f"{place} is no record's place")
    found: dict[Place, dict[str, Any] | ArchiveDamaged] = {}
    for start, end, inside in _requests(places):
        data = memoryview(target.read(name, start, end - start))
        for place in inside:
            found[place] = _opened(data[place.offset - start :][: place.length], place, name)
            between()
    return [found[place] for place in places]


def scrub(target: ArchiveTarget, segment: Segment, *, between: Callable[[], object] = lambda: None) -> Health:
    """Read a whole segment and tell what of it is damaged; raises ArchiveUnavailable where it can't be read.

    `between` is called between any two records.
    """
    data = target.read(segment.name, 0, segment.size + 1)
    view = memoryview(data)
    damaged: dict[Place, ArchiveDamaged] = {}
    for place in segment.places:
        record = _opened(view[place.offset :][: place.length], place, segment.name)
        if isinstance(record, ArchiveDamaged):
            damaged[place] = record
        between()
    return Health(len(data) == segment.size and sha256(data).hexdigest() == segment.digest, damaged)


def _opened(frame: memoryview, place: Place, name: str) -> dict[str, Any] | ArchiveDamaged:
    try:
        if len(frame) < place.length:
            raise ArchiveDamaged("the segment ends before")
        return unpack(frame)
    except ArchiveDamaged as error:
        return ArchiveDamaged(f"{name}, {place.length} bytes at {place.offset}: {error}")


def _requests(places: Sequence[Place]) -> Iterator[tuple[int, int, list[Place]]]:
    inside: list[Place] = []
    start = end = 0
    for place in sorted(set(places)):
        after = max(end, place.offset + place.length)
        if inside and (place.offset - end > _GAP or after - start > _REQUEST):
            yield start, end, inside
            inside = []
        if not inside:
            start, after = place.offset, place.offset + place.length
        inside.append(place)
        end = after
    if inside:
        yield start, end, inside
