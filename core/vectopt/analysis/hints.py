"""PURE. What single words tell: their CRC, and which patterns a text that has them can hold at all, so that few expressions are tried.

Both are worked out once a word, and looked up together: of a text's time, most is spent on what is done for each word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

_MAX_WORDS = 1 << 15  # remembered, about 4 MB; then all are worked out again
_LONGEST = 40  # characters; what is longer is no word that comes again
_MOST = 31  # rules with a bit of their own; further ones share the last
_MARKS = re.compile(r"[^a-z0-9 ]")
_PIECES = re.compile(r"[a-z0-9]+")

Codes = NDArray[np.uint64]


class Hints(dict[str, bytes]):
    """Of each word eight bytes: its CRC in the lower 32 bits, and in the upper ones what rules it lets match. A rule without
    hints can always match.

    Args:
        rules: the hints of each rule, lower-case strings of which a text must hold one.
    """

    def __init__(self, rules: Sequence[Sequence[str]]) -> None:
        super().__init__()
        self._all = [(_bit(number), tuple(hints)) for number, hints in enumerate(rules)]
        self._always = sum({bit for bit, hints in self._all if not hints})
        every = [(bit, hint) for bit, hints in self._all for hint in hints if hint.isascii()]
        self._in_words = [(bit, *_piece(hint)) for bit, hint in every if _plain(hint)]
        self._in_text = [(bit, hint) for bit, hint in every if not _plain(hint)]
        self._any = re.compile("|".join(sorted({piece for _, piece, _, _ in self._in_words})) or "(?!)")

    def __missing__(self, word: str) -> bytes:
        if len(self) >= _MAX_WORDS:
            self.clear()
        bits = 0
        for bit, piece, starts, ends in self._in_words if self._any.search(word) else ():
            if piece in word and (not starts or word.startswith(piece)) and (not ends or word.endswith(piece)):
                bits |= bit
        code = (bits << 32 | crc32(word.encode("utf-8", "surrogatepass"))).to_bytes(8, "little")
        if len(word) <= _LONGEST:
            self[word] = code
        return code

    def codes(self, words: Sequence[str]) -> Codes:
        """Return what is known of each word."""
        return np.frombuffer(b"".join(map(self.__getitem__, words)), "<u8")

    def possible(self, lower: str, codes: Codes) -> list[bool]:
        """Tell which rules a text can match; it may let some pass that a closer look at the text would rule out.

        Args:
            lower: the text in lower case.
            codes: of its words.
        """
        found = self._always | int(np.bitwise_or.reduce(codes)) >> 32
        if lower.isascii():
            for bit, hint in self._in_text:
                if not found & bit and hint in lower:
                    found |= bit
        else:  # words of other scripts are cut otherwise than hints
            for bit, hints in self._all:
                if not found & bit and any(hint in lower for hint in hints):
                    found |= bit
        return [bool(found & bit) for bit, _ in self._all]


def _bit(rule: int) -> int:
    return 1 << min(rule, _MOST)


def _plain(hint: str) -> bool:
    """Tell whether a hint is made of words and spaces, so that a text's words tell whether it may be there."""
    return not _MARKS.search(hint) and bool(hint.strip())


def _piece(hint: str) -> tuple[str, bool, bool]:
    """Return the longest word of a hint, and whether a text's word has to begin or to end with it."""
    piece = max(_PIECES.finditer(hint), key=lambda found: len(found.group()))
    return piece.group(), piece.start() > 0, piece.end() < len(hint)
