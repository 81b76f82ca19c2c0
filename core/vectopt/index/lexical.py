"""BM25 over all texts of a namespace: postings in arrays, in memory.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with k1 = 1.2, b = 0.75 and the
idf of Lucene, ln(1 + (N - df + 0.5) / (df + 0.5)), which is never negative.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_K1 = 1.2
_B = 0.75
_MAX_COUNT = 65_535


class LexicalIndex:
    """Postings: for each word the positions that hold it, and how often."""

    def __init__(self) -> None:
        self._postings: dict[str, tuple[array[int], array[int]]] = {}
        self._lengths = array("i")
        self._words = 0
        self._entries = 0

    @property
    def nbytes(self) -> int:
        """Bytes held, estimated: 6 an entry, about 250 a word for its keys and arrays, 4 a text."""
        return 6 * self._entries + 250 * len(self._postings) + 4 * len(self._lengths)

    def add(self, tokens: Sequence[str]) -> None:
        """Add the words of the next position."""
        position = len(self._lengths)
        for word, count in Counter(tokens).items():
            entry = self._postings.get(word)
            if entry is None:
                entry = self._postings[word] = array("i"), array("H")
            entry[0].append(position)
            entry[1].append(min(count, _MAX_COUNT))
            self._entries += 1
        self._lengths.append(len(tokens))
        self._words += len(tokens)

    def __len__(self) -> int:
        return len(self._lengths)

    def scan(self, tokens: Sequence[str], size: int) -> NDArray[np.float32]:
        """Return the BM25 score of each position in 0..size; 0 where no word is shared."""
        scores = np.zeros(max(size, len(self._lengths)), np.float32)
        total = len(self._lengths)
        if not total or not self._words:
            return scores[:size]
        lengths = np.frombuffer(self._lengths, np.int32)
        mean = self._words / total
        for word, times in Counter(tokens).items():
            entry = self._postings.get(word)
            if entry is None:
                continue
            where, counts = np.frombuffer(entry[0], np.int32), np.frombuffer(entry[1], np.uint16).astype(np.float32)
            idf = np.log1p((total - len(where) + 0.5) / (len(where) + 0.5))
            bound = _K1 * (1 - _B + _B * lengths[where] / mean)
            scores[where] += (times * idf * (_K1 + 1)) * counts / (counts + bound)
        return scores[:size]
