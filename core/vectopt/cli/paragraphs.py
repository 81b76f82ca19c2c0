"""Prose cut into texts of a size that one embedding can stand for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from zlib import crc32

LIMIT = 1200
"""The most characters of one text."""

_ENOUGH = 400  # characters from which on a text may end at a natural border
_BLANK_LINES = re.compile(r"\n[^\S\n]*\n")
_HEADING = re.compile(r"#{1,6} ")
_BORDERS = tuple(re.compile(border) for border in (r"[.!?][\"')\]]*\s|[。！？]", r"\n", r"\s"))


def texts_of(prose: str) -> Iterator[str]:
    """Yield texts of up to LIMIT characters: short neighbouring paragraphs together, long ones in pieces.

    Where a text ends depends on the paragraphs near by, not on how many came before: a change in a file moves the
    borders around it, and soon finds back to the old ones.
    """
    together = ""
    for paragraph in _BLANK_LINES.split(prose.replace("\r\n", "\n")):
        for piece in pieces_of(paragraph):
            if together and (len(together) + 2 + len(piece) > LIMIT or (len(together) >= _ENOUGH and _starts_anew(piece))):
                yield together
                together = ""
            together = f"{together}\n\n{piece}" if together else piece
    if together:
        yield together


def _starts_anew(paragraph: str) -> bool:
    """Whether a natural border lies before it: a heading, or one paragraph in three, by its own text alone."""
    return _HEADING.match(paragraph) is not None or crc32(paragraph.encode()) % 3 == 0


def pieces_of(paragraph: str) -> Iterator[str]:
    """Yield a paragraph in pieces of up to LIMIT characters, cut after a sentence, else a line, else a word."""
    rest = paragraph.strip()
    while len(rest) > LIMIT:
        cut = _cut(rest)
        yield rest[:cut].rstrip()
        rest = rest[cut:].lstrip()
    if rest:
        yield rest


def _cut(text: str) -> int:
    """Return the last good place to cut in the second half of the first LIMIT characters."""
    for border in _BORDERS:
        ends = [found.end() for found in border.finditer(text, LIMIT // 2, LIMIT + 1)]
        if ends:
            return min(ends[-1], LIMIT)
    return LIMIT
