"""What an embedder would say of texts that it was not asked about, learned from those it was.

A text's vector is predicted as the sum of what its words stand for, over the root of how many they are: a linear model of
the embedder, cheap enough to ask about every text. What each word stands for is learned by ridge regression from the texts
that have a vector, in blocks, each solved exactly against what the earlier ones left (block Kaczmarz: Elfving, Numerische
Mathematik 1980; Needell and Tropp, Linear Algebra and its Applications 2014). A word thus tells of texts that share none
with a query, which BM25 cannot: "learn a vector for a word from those of its contexts" is Khodak et al., ACL 2018.

Each text's prediction is kept as it was before the text was learned: it tells how far predictions can be trusted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model import Vector
from ..quantization import Query
from .forward import BUCKETS, ForwardView
from .growing import Growing

LEAST = 64
"""So many texts more must have vectors before anything is learned from them."""

_BLOCK = 64  # texts learned at once; 256 cost more and measured worse
_RIDGE = 0.3  # measured alike from 0.03 to 0.3
_MOST, _MOST_DIMENSIONS = 4096, 384  # texts learned from at first, evenly spread: half a second; fewer where vectors are longer
_MORE = 1024  # at the least, and at the most whenever there are so many more
_GROWTH = 8  # part of those learned by which they must have grown: a queue that is worked off is not learned from at every search
_HELD = 512  # predictions kept to judge by; with 128, rankings measured worse

Positions = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SurrogateView:
    """What was learned at one moment."""

    buckets: NDArray[np.uint16]  # of the words met so far, shape (w,)
    words: Floats  # what they stand for, shape (w, dimensions)
    held: Positions  # texts whose prediction was kept, shape (h,)
    predictions: Floats  # of those, shape (h, dimensions)
    trust: float  # how much of a prediction proved true, 0..1

    def cosines(self, forward: ForwardView, query: Query, mean: float, size: int) -> Floats:
        """Return what the words of each text, and its kept prediction, let expect of its cosine to a query; shape (size,).

        Args:
            forward: the texts' words; texts beyond it have none.
            query: the query.
            mean: cosine of all vectors to the query.
            size: how many texts there are.
        """
        told = np.zeros(BUCKETS, np.float32)
        told[self.buckets] = self.words @ query.unit
        result = np.full(size, mean, np.float32)
        known = min(size, len(forward))
        result[:known] += np.float32(self.trust) * forward.means(told)[:known]
        result[self.held] = mean + self.trust * (self.predictions @ query.unit)
        return result


class Surrogate:
    """Learns what words stand for.

    Args:
        dimensions: of the vectors.
    """

    def __init__(self, dimensions: int) -> None:
        self._buckets = Growing(np.uint16)
        self._row_of = np.full(BUCKETS, -1, np.int32)
        self._words = Growing(np.float32, dimensions)
        self._first = max(_MORE, _MOST * _MOST_DIMENSIONS // dimensions)
        self._learned = np.zeros(0, np.bool_)
        self._again = 0  # which of the learned texts is learned next once more
        self._held = np.zeros(0, np.int64)
        self._predictions = np.zeros((0, dimensions), np.float32)
        self._true = np.zeros((0, 2), np.float32)  # of each of these <prediction, vector> and <prediction, prediction>
        self._view: SurrogateView | None = None

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._words.nbytes + self._predictions.nbytes + self._learned.nbytes

    def view(self) -> SurrogateView | None:
        """Return what was learned by now; None if nothing was."""
        return self._view

    def follow(self, measured: NDArray[np.bool_], forward: ForwardView, vectors: Callable[[Positions], Floats], mean: Vector) -> None:
        """Learn from texts that have vectors by now, once there are enough new ones; as many of the earlier ones are learned again.

        Args:
            measured: which texts have one.
            forward: the texts' words.
            vectors: returns the vectors of texts.
            mean: of all vectors.
        """
        size = min(len(measured), len(forward))
        self._learned = np.concatenate((self._learned, np.zeros(max(0, size - len(self._learned)), np.bool_)))
        usable = measured[:size] & (forward.counts[:size] > 0)
        fresh = np.flatnonzero(usable & ~self._learned[:size])
        if len(fresh) < max(LEAST, int(np.count_nonzero(self._learned)) // _GROWTH):
            return
        chosen = fresh[:: -(-len(fresh) // (min(_MOST, self._first) if self._view is None else _MORE))]
        for start in range(0, len(chosen), _BLOCK):
            some = chosen[start : start + _BLOCK]
            rows = vectors(some) - mean
            self._keep(some, self._learn(forward, some, rows), rows)
        self._learned[fresh] = True
        for some in self._to_learn_again(np.flatnonzero(usable & self._learned[:size]), len(chosen)):
            self._learn(forward, some, vectors(some) - mean)
        self._view = SurrogateView(self._buckets.view(), self._words.view(), self._held, self._predictions, self._trust())

    def _to_learn_again(self, learned: Positions, count: int) -> list[Positions]:
        """Return the next blocks of the learned texts, in turn."""
        turn = np.arange(self._again, self._again + min(count, len(learned))) % len(learned)
        self._again = int(turn[-1] + 1) % len(learned)
        return [learned[turn[start : start + _BLOCK]] for start in range(0, len(turn), _BLOCK)]

    def _rows(self, buckets: NDArray[np.uint16]) -> NDArray[np.int32]:
        """Return where distinct buckets' words are, those met for the first time at zero."""
        new = buckets[self._row_of[buckets] < 0]
        self._row_of[new] = np.arange(len(self._words), len(self._words) + len(new))
        self._buckets.extend(new)
        self._words.extend(np.zeros((len(new), self._predictions.shape[1]), np.float32))
        return self._row_of[buckets]

    def _learn(self, forward: ForwardView, positions: Positions, rows: Floats) -> Floats:
        """Learn from a block; return what was predicted of it before."""
        counts, buckets = forward.of(positions)
        used, columns = np.unique(buckets, return_inverse=True)
        texts = np.zeros((len(positions), len(used)), np.float32)
        np.add.at(texts, (np.repeat(np.arange(len(positions)), counts), columns), np.repeat(1 / np.sqrt(counts), counts))
        rows_of_words = self._rows(used)
        words = self._words.now()[rows_of_words]
        predicted: Floats = texts @ words
        left = np.linalg.solve(texts @ texts.T + _RIDGE * np.eye(len(texts), dtype=np.float32), rows - predicted)
        self._words.put(rows_of_words, words + texts.T @ left)
        return predicted

    def _keep(self, positions: Positions, predictions: Floats, rows: Floats) -> None:
        self._held = np.concatenate((self._held, positions))[-_HELD:]
        self._predictions = np.concatenate((self._predictions, predictions))[-_HELD:]
        true = np.stack(((predictions * rows).sum(axis=1), (predictions**2).sum(axis=1)), axis=1)
        self._true = np.concatenate((self._true, true))[-_HELD:]

    def _trust(self) -> float:
        along, length = self._true.sum(axis=0).tolist()
        return min(1.0, max(0.0, along / length)) if length > 0 else 0.0
