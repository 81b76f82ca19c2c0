"""PURE. Clusters of texts that are alike and say the same.

The guard lets only texts of the same words be one, so a digest of these words finds all that a text could join. No index is
needed: the ledger's is enough, and a text's cluster depends on nothing but the texts of its digest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b

from ..scripts import UNSPACED
from .function_words import ASIDES, FILLERS, PARENTHETIC, SHORTENED
from .guard import same_fact, statement, straightened
from .measure import similarity

MOST_COMPARED = 64  # openers of the same words that one more text is compared with: the first ones
_REMEMBERED = 4096  # texts of which the words, and what they say, are at hand
_ASCII = re.compile(r"\d+|[a-z]{4,}(?!')")
_ANY = re.compile(rf"[{UNSPACED}]|\d+|(?:(?![{UNSPACED}\d_])\w){{4,}}(?!')")
_LEFT_OUT = FILLERS | SHORTENED | PARENTHETIC | frozenset(word for phrase in ASIDES for word in phrase.split())


def words_key(text: str) -> bytes:
    """Return 16 bytes that texts which say the same by the same words have in common: of their numbers and longer words."""
    low = text.lower()
    words = set(_ASCII.findall(low) if low.isascii() else _ANY.findall(straightened(low))) - _LEFT_OUT
    return blake2b("\n".join(sorted(words or set(low.split()))).encode("utf-8", "surrogatepass"), digest_size=16).digest()


class Judge:
    """Tells whether two texts may be one, by likeness and by guard."""

    def __init__(self, threshold: float, tokenize: Callable[[str], Iterable[str]]) -> None:
        self._threshold = threshold
        self._tokenize = tokenize
        self._words = lru_cache(_REMEMBERED)(self._words_of)
        self._said = lru_cache(_REMEMBERED)(statement)

    def _words_of(self, text: str) -> frozenset[str]:
        return frozenset(self._tokenize(text))

    def same(self, opener: str, text: str) -> bool:
        """Tell whether both say the same."""
        return same_fact(self._said(opener), self._said(text))

    def one(self, opener: str, text: str) -> bool:
        """Tell whether the text may join the opener's cluster."""
        alike = similarity(self._words(opener), self._words(text), len(opener), len(text))
        return alike >= self._threshold and self.same(opener, text)  # in this order: what a text says takes longer to read


class GuardedLeader:
    """Assigns texts to clusters as they come: each to the first opener that it is like and that says the same."""

    def __init__(self, threshold: float, tokenize: Callable[[str], Iterable[str]]) -> None:
        self._judge = Judge(threshold, tokenize)
        self._known: dict[str, int] = {}
        self._openers: dict[bytes, list[tuple[int, str]]] = {}
        self._clusters = 0

    def add(self, texts: Sequence[str]) -> list[int]:
        """Return the number of each text's cluster; clusters are numbered as they open."""
        for text in texts:
            if text not in self._known:
                self._known[text] = self._cluster_of(text)
        return [self._known[text] for text in texts]

    def _cluster_of(self, text: str) -> int:
        openers = self._openers.setdefault(words_key(text), [])
        for number, opener in openers[:MOST_COMPARED]:
            if self._judge.one(opener, text):
                return number
        openers.append((self._clusters, text))
        self._clusters += 1
        return self._clusters - 1
