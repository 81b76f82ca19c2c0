"""An item's own text: kept only where it differs from its slot's, and then as the difference."""

from __future__ import annotations

import zlib

# An item's text, from `content` and its slot's `text`.
OWN_TEXT = "iif(typeof(content) = 'blob', unpacked(content, text), coalesce(content, text))"

_RAW = -15  # no header, no checksum: SQLite keeps what it is given


def packed(content: str, text: str) -> str | bytes | None:
    """Return a text as its item keeps it: nothing where it is the slot's, else compressed against that, where this is less."""
    if content == text:
        return None
    raw = content.encode()
    squeeze = zlib.compressobj(9, zlib.DEFLATED, _RAW, zdict=text.encode())
    data = squeeze.compress(raw) + squeeze.flush()
    return data if len(data) < len(raw) else content


def unpacked(data: bytes, text: str) -> str:
    """Return the text that `packed` compressed."""
    return zlib.decompressobj(_RAW, zdict=text.encode()).decompress(data).decode()
