"""How a record's line is compressed: as a frame of its own, and never decompressed beyond its limit."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from typing import Any, Protocol

from ..errors import ArchiveDamaged, InvalidSettings, MissingExtra

MAX_LINE = 64 << 20  # bytes of a record's line, decompressed
MAX_RATIO = 200
_PIECE = 32 << 10
MAX_FRAME = MAX_LINE + (1 << 20)  # what can't be compressed grows a little


class Codec(Protocol):
    """Compresses a line to a frame, and back."""

    name: str
    suffix: str
    magic: bytes
    levels: range

    def compress(self, line: bytes, level: int | None) -> bytes:
        """Return the line as one frame."""
        ...

    def end(self, data: memoryview) -> int | None:
        """Return where the frame that `data` begins with ends; None where it is damaged or cut off."""
        ...

    def decompress(self, frame: memoryview) -> bytes:
        """Return the line; raises ArchiveDamaged for anything but one whole frame within the limits."""
        ...


class Gzip:
    """Members of gzip: needs nothing but Python."""

    name = "gzip"
    suffix = ".jsonl.gz"
    magic = b"\x1f\x8b\x08"
    levels = range(1, 10)

    def compress(self, line: bytes, level: int | None) -> bytes:
        """Return the line as one member, without a time: equal lines give equal bytes."""
        return gzip.compress(line, 6 if level is None else level, mtime=0)

    def _opened(self, data: memoryview) -> tuple[bytes, int]:
        member = zlib.decompressobj(wbits=31)
        try:
            line = member.decompress(data, limit(len(data)) + 1)
        except zlib.error as error:
            raise ArchiveDamaged(f"not a gzip member: {error}") from None
        if len(line) > limit(len(data)):
            raise ArchiveDamaged(_TOO_MUCH)
        if not member.eof:
            raise ArchiveDamaged("cut off: the gzip member doesn't end")
        return line, len(data) - len(member.unused_data)

    def end(self, data: memoryview) -> int | None:
        """Return where the member ends, by decompressing it piece by piece."""
        member = zlib.decompressobj(wbits=31)
        room = MAX_LINE + 1
        for start in range(0, len(data), _PIECE):
            piece = data[start : start + _PIECE]
            try:
                room -= len(member.decompress(piece, room))
            except zlib.error:
                return None
            if member.eof:
                return start + len(piece) - len(member.unused_data)
            if room <= 0:
                return None
        return None

    def decompress(self, frame: memoryview) -> bytes:
        """Return the line of exactly one member."""
        line, end = self._opened(frame)
        if end != len(frame) or len(line) > limit(end):
            raise ArchiveDamaged("not one gzip member")
        return line


class Zstd:
    """Frames of zstd, with their size and a checksum."""

    name = "zstd"
    suffix = ".jsonl.zst"
    magic = b"\x28\xb5\x2f\xfd"
    levels = range(1, 23)

    def __init__(self) -> None:
        try:
            import zstandard
        except ImportError:
            raise MissingExtra("zstandard", "archive") from None
        self._zstd: Any = zstandard
        self._decompressor = zstandard.ZstdDecompressor()

    def compress(self, line: bytes, level: int | None) -> bytes:
        """Return the line as one frame."""
        level = 3 if level is None else level
        compressed: bytes = self._zstd.ZstdCompressor(level=level, write_checksum=True, write_content_size=True).compress(line)
        return compressed

    def end(self, data: memoryview) -> int | None:
        """Return where the frame ends, by the sizes its blocks state: nothing is decompressed."""
        try:
            position = self._zstd.frame_header_size(data)
            checksum = self._zstd.get_frame_parameters(data).has_checksum
        except self._zstd.ZstdError:
            return None
        while position + 3 <= len(data):
            block = int.from_bytes(data[position : position + 3], "little")
            last, kind, size = block & 1, block >> 1 & 3, block >> 3
            position += 3 + (1 if kind == 1 else size)  # 1: one byte, repeated
            if last:
                position += 4 if checksum else 0
                return position if position <= len(data) else None
        return None

    def decompress(self, frame: memoryview) -> bytes:
        """Return the line of exactly one frame, which must state how long it is: so much is set aside, and no more."""
        try:
            stated = self._zstd.get_frame_parameters(frame).content_size
            if stated > limit(len(frame)):  # so is a size that isn't stated
                raise ArchiveDamaged(_TOO_MUCH)
            line: bytes = self._decompressor.decompress(frame, allow_extra_data=False)
        except self._zstd.ZstdError as error:
            raise ArchiveDamaged(f"not a zstd frame: {error}") from None
        return line


_TOO_MUCH = f"refused: it claims more than {MAX_RATIO} times its size, or more than {MAX_LINE >> 20} MB"
_KINDS: tuple[type[Gzip] | type[Zstd], ...] = (Zstd, Gzip)
_MAGIC = re.compile(b"|".join(re.escape(kind.magic) for kind in _KINDS))


def limit(size: int) -> int:
    """Return to how many bytes a frame of this size may decompress."""
    return min(MAX_LINE, MAX_RATIO * size)


def codec_named(name: str | None) -> Codec:
    """Return the codec to write with: the one of this name, or the best that is installed."""
    if name is None:
        try:
            return Zstd()
        except MissingExtra:
            return Gzip()
    for kind in _KINDS:
        if kind.name == name:
            return kind()
    raise InvalidSettings(f'codec={name!r}: use "zstd", "gzip" or None')


def codec_of(frame: memoryview) -> Codec:
    """Return the codec that wrote a frame, by its first bytes; raises MissingExtra where it isn't installed."""
    for kind in _KINDS:
        if frame[: len(kind.magic)] == kind.magic:
            return kind()
    raise ArchiveDamaged("neither a zstd frame nor a gzip member")


def beginnings(data: bytes) -> Iterator[int]:
    """Yield the places where a frame may begin, in one pass."""
    return (found.start() for found in _MAGIC.finditer(data))
