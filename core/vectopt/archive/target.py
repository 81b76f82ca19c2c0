"""Where segments are kept, and what they may be called there."""

from __future__ import annotations

import re
from typing import Protocol, runtime_checkable

from ..errors import InvalidInput

_STEM = r"[a-z0-9][a-z0-9_-]{0,99}"
_SEGMENT = re.compile(rf"{_STEM}\.jsonl\.(?:zst|gz)")
_TEMPORARY = re.compile(rf"{_SEGMENT.pattern}\.tmp")
_ENDING = ".tmp"


@runtime_checkable
class ArchiveTarget(Protocol):
    """A folder or a bucket that holds segments.

    Names are made by vectopt, never by users; `checked_name` refuses any other. A segment is written once and never
    changed. Whatever fails raises ArchiveUnavailable, whose message and causes hold no secret.
    """

    def write(self, name: str, data: bytes) -> None:
        """Keep a segment; it is durable when this returns.

        The same bytes under the same name are no error; other bytes raise InvalidInput and change nothing.
        """
        ...

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Return a segment's bytes, fewer where it ends before; raises ArchiveUnavailable where there is none."""
        ...

    def delete(self, name: str) -> None:
        """Remove a segment or what a crash left of one. It is no error if there is none."""
        ...

    def names(self) -> list[str]:
        """Return the names of segments, and of what crashes left of them (see `is_temporary`), sorted."""
        ...

    def describe(self) -> str:
        """Return where it is, for messages, without any secret."""
        ...


def checked_name(name: str) -> str:
    """Return the name of a segment or of a temporary file if it is one; raises InvalidInput."""
    if isinstance(name, str) and is_segment_or_temporary(name):
        return name
    raise InvalidInput(f"{name!r:.130} is no segment's name: lower-case letters, digits, '-' and '_', and .jsonl.zst or .jsonl.gz")


def checked_segment(name: str) -> str:
    """Return the name of a segment if it is one, and not a temporary file's; raises InvalidInput."""
    if is_temporary(checked_name(name)):
        raise InvalidInput(f"{name} is a temporary name; segments are written under their own")
    return name


def checked_stem(stem: str) -> str:
    """Return the part of a segment's name before its endings, if it is one; raises InvalidInput."""
    if isinstance(stem, str) and re.fullmatch(_STEM, stem):
        return stem
    raise InvalidInput(f"{stem!r:.130} can't name a segment: use up to 100 lower-case letters, digits, '-' and '_'")


def is_segment_or_temporary(name: str) -> bool:
    """Whether a name in a folder is one of ours."""
    return bool(_SEGMENT.fullmatch(name) or _TEMPORARY.fullmatch(name))


def temporary(name: str) -> str:
    """Return under which name a segment is written before it is moved to its own."""
    return name + _ENDING


def is_temporary(name: str) -> bool:
    """Whether a name of `ArchiveTarget.names` is of what a crash left behind."""
    return bool(_TEMPORARY.fullmatch(name))
