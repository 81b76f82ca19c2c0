"""MinHash indexes, each driving the leader's loop: what it finds among the openers is verified by the rule, the first one first.

Both have 128 permutations in 16 bands of 8, so that 1 - (1 - J^8)^16 of the pairs with a Jaccard of J are found: 0.92 at 11/14, the
least that the rule may join.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from vectopt.compression import TOKENIZERS, Tokenizer

from .rule import THRESHOLD, Words, similarity

_PERMUTATIONS, _BANDS = 128, 16


class _Index(Protocol):
    """Finds sets of words that are probably alike."""

    def sketch(self, words: Words) -> Any: ...

    def find(self, sketch: Any) -> Iterable[int]: ...

    def keep(self, number: int, sketch: Any) -> None: ...


class Datasketch:
    """datasketch's, in Python over numpy."""

    def __init__(self) -> None:
        from datasketch import MinHash, MinHashLSH

        self._made = MinHash
        self._index = MinHashLSH(num_perm=_PERMUTATIONS, params=(_BANDS, _PERMUTATIONS // _BANDS))

    def sketch(self, words: Words) -> Any:
        sketch = self._made(_PERMUTATIONS)
        sketch.update_batch([word.encode() for word in words])
        return sketch

    def find(self, sketch: Any) -> Iterable[int]:
        return self._index.query(sketch)

    def keep(self, number: int, sketch: Any) -> None:
        self._index.insert(number, sketch)


class Rensa:
    """rensa's, in Rust."""

    def __init__(self) -> None:
        from rensa import RMinHash, RMinHashLSH

        self._made = RMinHash
        self._index = RMinHashLSH(threshold=THRESHOLD, num_perm=_PERMUTATIONS, num_bands=_BANDS)

    def sketch(self, words: Words) -> Any:
        sketch = self._made(num_perm=_PERMUTATIONS, seed=42)
        sketch.update(list(words))
        return sketch

    def find(self, sketch: Any) -> Iterable[int]:
        return self._index.query(sketch)

    def keep(self, number: int, sketch: Any) -> None:
        self._index.insert(number, sketch)


class Led:
    """Labels texts through an index of the openers; equal texts are looked up once, as in ours."""

    def __init__(self, index: _Index) -> None:
        self._index = index
        self._openers: list[tuple[Words, int]] = []

    def __call__(self, texts: Sequence[str], tokenizer: Tokenizer) -> list[int]:
        """Return the number of each text's cluster."""
        known: dict[str, int] = {}
        for text in texts:
            if text not in known:
                known[text] = self._label(frozenset(TOKENIZERS[tokenizer](text)), len(text))
        return [known[text] for text in texts]

    def _label(self, words: Words, length: int) -> int:
        sketch = self._index.sketch(words)
        for number in sorted(self._index.find(sketch)):
            opener, opener_length = self._openers[number]
            if similarity(opener, words, opener_length, length) >= THRESHOLD:
                return number
        self._openers.append((words, length))
        self._index.keep(len(self._openers) - 1, sketch)
        return len(self._openers) - 1
