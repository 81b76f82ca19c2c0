"""BM25 over all texts of a namespace: postings in arrays, in memory.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with k1 = 1.2, b = 0.75 and the
idf of Lucene, ln(1 + (N - df + 0.5) / (df + 0.5)), which is never negative. Texts that are gone count in nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .forward import Forward, ForwardView
from .growing import Growing
from .segment import Segment, merged, posted

_K1 = 1.2
_B = 0.75
_MERGE = 3  # a segment is merged with what follows once that is a third of it: few segments, each posting merged few times
_WORD = 130  # bytes a word of the vocabulary takes, about


@dataclass(frozen=True, slots=True)
class LexicalView:
    """The postings at one moment."""

    segments: tuple[Segment, ...]
    lengths: NDArray[np.int32]  # words of each position
    texts: int  # that are there
    words: int  # in them

    def scores(self, terms: Sequence[int], alive: NDArray[np.bool_] | None, size: int) -> NDArray[np.float32]:
        """Return the BM25 score of each position in 0..size; 0 where no word is shared.

        Args:
            terms: of the query, as often as they occur.
            alive: which positions count, shape (size,); None for all.
            size: how many positions the answer covers.
        """
        where, counts, weights, lengths = [], [], [], []
        for term, times in Counter(terms).items():
            several = [(segment, segment.part(term)) for segment in self.segments]
            places = [segment.where[part] for segment, part in several if part.stop > part.start]
            if not places:
                continue
            occurs = [segment.counts[part] for segment, part in several if part.stop > part.start]
            if alive is not None:
                kept = [alive[some] for some in places]
                places = [some[keep] for some, keep in zip(places, kept, strict=True)]
                occurs = [some[keep] for some, keep in zip(occurs, kept, strict=True)]
            found = sum(len(some) for some in places)
            idf = np.log1p((self.texts - found + 0.5) / (found + 0.5))
            where += places
            counts += occurs
            weights.append(times * idf * (_K1 + 1))
            lengths.append(found)
        if not where:
            return np.zeros(size, np.float32)
        position, count = np.concatenate(where), np.concatenate(counts).astype(np.float32)
        bound = self.lengths[position] * np.float32(_K1 * _B * self.texts / max(1, self.words))
        bound += np.float32(_K1 * (1 - _B))
        bound += count
        count /= bound
        count *= np.repeat(np.array(weights, np.float32), lengths)
        return np.bincount(position, count, size).astype(np.float32)


class LexicalIndex:
    """Takes texts in at ascending positions: each call's become a segment."""

    def __init__(self) -> None:
        self._vocabulary = _numbered({})
        self._segments: list[Segment] = []
        self._lengths = Growing(np.int32)
        self._texts = 0
        self._words = 0
        self._forward: Forward | None = None  # made when it is first asked for

    @property
    def nbytes(self) -> int:
        """Bytes held, estimated."""
        forward = 0 if self._forward is None else self._forward.nbytes
        return sum(segment.nbytes for segment in self._segments) + _WORD * len(self._vocabulary) + self._lengths.nbytes + forward

    def __len__(self) -> int:
        return len(self._lengths)

    def add(self, positions: NDArray[np.int64], texts: Sequence[Sequence[str]]) -> None:
        """Add the words of texts at ascending positions beyond all others."""
        if not len(positions):
            return
        counts = np.fromiter(map(len, texts), np.int64, len(texts))
        words = int(counts.sum())
        terms = np.fromiter(map(self._vocabulary.__getitem__, chain.from_iterable(texts)), np.int64, words)
        lengths = np.zeros(int(positions[-1]) + 1 - len(self), np.int32)
        lengths[positions - len(self)] = counts
        self._lengths.extend(lengths)
        self._texts += len(texts)
        self._words += words
        segments = [*self._segments, posted(terms, np.repeat(positions, counts))]
        if self._forward is not None:
            self._forward.extend(segments[-1], len(self))
        first = len(segments) - 1
        while first and len(segments[first - 1]) < _MERGE * sum(len(segment) for segment in segments[first:]):
            first -= 1
        self._segments = [*segments[:first], merged(segments[first:])]

    def remove(self, positions: NDArray[np.int64]) -> None:
        """Count texts out; their postings go when the index is compacted."""
        lengths = self._lengths.now()[positions[positions < len(self)]]
        self._texts -= len(lengths)
        self._words -= int(lengths.sum())

    def terms(self, tokens: Sequence[str]) -> list[int]:
        """Return the terms of those words that any text ever had."""
        return [term for token in tokens if (term := self._vocabulary.get(token)) is not None]

    def compacted(self, new_position: NDArray[np.int64]) -> LexicalIndex:
        """Return the index without what is gone.

        Args:
            new_position: of each old one, -1 where it is gone; shape (positions,).
        """
        result = LexicalIndex()
        new_position = new_position[: len(self._lengths)]
        alive = new_position >= 0
        result._lengths.extend(self._lengths.now()[alive])
        result._texts, result._words = self._texts, self._words
        if not self._segments:
            return result
        one = merged(self._segments, new_position, alive)
        words = list(self._vocabulary)
        result._vocabulary = _numbered({words[term]: number for number, term in enumerate(one.terms.tolist())})
        result._segments = [Segment(np.arange(len(one.terms), dtype=np.int32), one.starts, one.where, one.counts)]
        return result

    def saved(self) -> dict[str, Any]:
        """Return what `restored` takes."""
        return {
            "vocabulary": list(self._vocabulary),
            "segments": [segment.saved() for segment in self._segments],
            "lengths": self._lengths.view(),
            "texts": self._texts,
            "words": self._words,
        }

    @classmethod
    def restored(cls, saved: dict[str, Any]) -> LexicalIndex:
        """Return the index that was saved."""
        result = cls()
        result._vocabulary = _numbered({word: number for number, word in enumerate(saved["vocabulary"])})
        result._segments = [Segment(*arrays) for arrays in saved["segments"]]
        result._lengths = Growing(np.int32, held=saved["lengths"])
        result._texts, result._words = saved["texts"], saved["words"]
        return result

    def forward(self) -> ForwardView:
        """Return the words of each text."""
        if self._forward is None:
            self._forward = Forward(self._segments, len(self))
        return self._forward.view()

    def forget_forward(self) -> None:
        """Let go of the words of each text, which can be made again."""
        self._forward = None

    def view(self) -> LexicalView:
        """Return the postings as they are now."""
        return LexicalView(tuple(self._segments), self._lengths.view(), self._texts, self._words)


def _numbered(words: dict[str, int]) -> defaultdict[str, int]:
    """Return a vocabulary that numbers each word it is first asked for."""
    result: defaultdict[str, int] = defaultdict(None, words)
    result.default_factory = result.__len__
    return result
