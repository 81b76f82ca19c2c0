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
from .guard import Statement, same_fact, statement, straightened
from .measure import similarity

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
        self._read = lru_cache(1024)(self._reading)

    def _reading(self, text: str) -> tuple[frozenset[str], Statement]:
        return frozenset(self._tokenize(text)), statement(text)

    def same(self, opener: str, text: str) -> bool:
        """Tell whether both say the same."""
        return same_fact(self._read(opener)[1], self._read(text)[1])

    def one(self, opener: str, text: str) -> bool:
        """Tell whether the text may join the opener's cluster."""
        (first, said), (second, says) = self._read(opener), self._read(text)
        return similarity(first, second, len(opener), len(text)) >= self._threshold and same_fact(said, says)


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
        for number, opener in openers:
            if self._judge.one(opener, text):
                return number
        openers.append((self._clusters, text))
        self._clusters += 1
        return self._clusters - 1
