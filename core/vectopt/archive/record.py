"""A record as a line of JSON that carries its checksum."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from hashlib import blake2b, shake_128
from typing import Any

from ..errors import ArchiveDamaged, InvalidInput
from .codec import MAX_LINE, MAX_RATIO, Codec, codec_of

MAX_DEPTH = 64
_LINE = re.compile(rb'\{(?:"pad":"[0-9a-f]*",)?"sum":"([0-9a-f]{32})","(record|header)":(\{.*\})\}\n', re.DOTALL)


def pack(record: Mapping[str, Any], codec: Codec, level: int | None, *, kind: str = "record") -> bytes:
    """Return a record as one frame; raises InvalidInput where it can't be read back as it is."""
    body = _canonical(record)
    line = b'{"sum":"%s","%s":%s}\n' % (_sum(body), kind.encode(), body)
    frame = codec.compress(line, level)
    if len(line) > MAX_RATIO * len(frame):
        # Readers refuse what looks like a bomb. So a text of one repeated word gets a padding that can't be compressed.
        pad = shake_128(body).hexdigest(len(line) // (MAX_RATIO - 10) + 64)
        line = b'{"pad":"%s",%s' % (pad.encode(), line[1:])
        frame = codec.compress(line, level)
    if len(line) > MAX_LINE:
        raise InvalidInput(f"takes {len(line):,} bytes as JSON, a record may take {MAX_LINE:,}")
    return frame


def unpack(frame: bytes | memoryview, *, kind: str = "record") -> dict[str, Any]:
    """Return the record of one frame; raises ArchiveDamaged unless it is what was written."""
    view = memoryview(frame)
    line = codec_of(view).decompress(view)
    found = _LINE.fullmatch(line)
    if not found:
        raise ArchiveDamaged("not a record's line")
    digest, found_kind, body = found.groups()
    if found_kind.decode() != kind:
        raise ArchiveDamaged(f"a {found_kind.decode()} where a {kind} should be")
    if digest != _sum(body):
        raise ArchiveDamaged("the checksum differs: the record isn't what was written")
    try:
        record: dict[str, Any] = json.loads(body, parse_constant=_refused)
    except (ValueError, RecursionError):
        raise ArchiveDamaged("the record isn't JSON as it was written") from None
    if _trouble(record):
        raise ArchiveDamaged(f"the record {_trouble(record)}")
    return record


def _canonical(record: Mapping[str, Any]) -> bytes:
    if not isinstance(record, Mapping):
        raise InvalidInput(f"is a {type(record).__name__}, not a mapping")
    trouble = _trouble(dict(record))
    if trouble:
        raise InvalidInput(trouble)
    try:
        text = json.dumps(dict(record), ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidInput("holds a lone surrogate, which isn't text") from None
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"can't be written as JSON: {error}") from None


def _trouble(record: object) -> str | None:
    """Say what of a record would not come back from JSON as it is; tuples come back as lists."""
    todo: list[tuple[object, int]] = [(record, 1)]
    while todo:
        value, depth = todo.pop()
        if depth > MAX_DEPTH:
            return f"is nested deeper than {MAX_DEPTH}"
        if isinstance(value, dict):
            if not all(isinstance(key, str) for key in value):
                return "has a key that isn't a string"
            todo += [(inner, depth + 1) for inner in value.values() if not isinstance(inner, str)]
        elif isinstance(value, list | tuple):
            todo += [(inner, depth + 1) for inner in value if not isinstance(inner, str)]
        elif isinstance(value, float):
            if not math.isfinite(value):
                return "holds a number that isn't finite"
        elif value is not None and not isinstance(value, str | int):
            return f"holds a {type(value).__name__}, which JSON doesn't know"
    return None


def _sum(body: bytes) -> bytes:
    return blake2b(body, digest_size=16).hexdigest().encode()


def _refused(name: str) -> None:
    raise ValueError(name)
