"""The best ranking of the full store: BM25 and exact cosines of everything, weighed as suits the set best."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vectopt.scripts import UNSPACED, bigrams

from .judge import Figures, Judge
from .sets import Floats, RealSet

WEIGHTS = tuple(tenth / 10 for tenth in range(11))  # of the words
_DEPTH = 100  # candidates of each list
_K1, _B = 1.2, 0.75
_RUN = re.compile(rf"[{UNSPACED}]+|[^\W{UNSPACED}]+")
_UNSPACED = re.compile(f"[{UNSPACED}]")

Ranking = list[tuple[str, float]]


def _words(text: str) -> list[str]:
    found: list[str] = []
    for run in _RUN.findall(text.lower()):
        found.extend(bigrams(run) if _UNSPACED.match(run) else [run])
    return found


class Bm25:
    """Okapi BM25; copies of a text count in its statistics."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._count = len(texts)
        words = [_words(text) for text in texts]
        lengths = np.array([len(some) for some in words], np.float64)
        self._norms = _K1 * (1 - _B + _B * lengths / max(1e-9, lengths.mean()))
        postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for place, some in enumerate(words):
            for word, count in Counter(some).items():
                postings[word].append((place, count))
        self._postings = {word: np.array(places).T for word, places in postings.items()}

    def scores(self, query: str) -> NDArray[np.float64]:
        """Return every text's score; a word that the query has twice counts once."""
        result = np.zeros(self._count)
        for word in dict.fromkeys(_words(query)):
            if word in self._postings:
                places, counts = self._postings[word]
                idf = np.log1p((self._count - len(places) + 0.5) / (len(places) + 0.5))
                result[places] += idf * counts * (_K1 + 1) / (counts + self._norms[places])
        return result


@dataclass(frozen=True)
class Full:
    """The rankings of a full store by each weight of the words, and what is best of them.

    `odd` and `all` are figures of the odd-numbered and of all queries, each at the weight that is best for them.
    """

    rankings: dict[float, dict[str, Ranking]]
    odd: Figures
    all: Figures
    weight: float

    @property
    def best(self) -> dict[str, Ranking]:
        """The rankings by the weight that is best for the odd-numbered queries."""
        return self.rankings[self.weight]


def full(data: RealSet, judge: Judge) -> Full:
    """Rank the distinct texts of each store for all queries, by every weight."""
    rankings: dict[float, dict[str, Ranking]] = {weight: {} for weight in WEIGHTS}
    for store in dict.fromkeys(query.store for query in data.queries):
        items = [(place, item) for place, item in enumerate(data.items) if item.store == store]
        lexical = Bm25([item.text for _, item in items])
        firsts: dict[tuple[str, str], int] = {}
        for row, (_, item) in enumerate(items):
            firsts.setdefault(judge.text(item.id), row)
        distinct = np.array([*firsts.values()])
        ids, vectors = [items[row][1].id for row in distinct], data.vectors[[items[row][0] for row in distinct]]
        for number, query in enumerate(data.queries):
            if query.store == store:
                words, cosines = lexical.scores(query.text)[distinct], vectors @ data.query_vectors[number]
                for weight, ranking in _weighed(ids, words, cosines).items():
                    rankings[weight][query.id] = ranking
    return _best(rankings, judge, [query.id for query in data.queries])


def _weighed(ids: Sequence[str], lexical: NDArray[np.float64], dense: Floats) -> dict[float, Ranking]:
    """Return the best of both lists by every weight, each list counted in shares of its best score."""
    candidates = np.union1d(_top(lexical), _top(dense))
    words, cosines = (values[candidates] / max(1e-9, float(values.max())) for values in (lexical, dense))
    result = {}
    for weight in WEIGHTS:
        scores = weight * words + (1 - weight) * cosines
        order = np.argsort(-scores, kind="stable")[:_DEPTH]
        result[weight] = [(ids[candidates[at]], float(scores[at])) for at in order]
    return result


def _top(values: NDArray[np.floating]) -> NDArray[np.int64]:
    return np.argsort(-values, kind="stable")[:_DEPTH]


def _best(rankings: dict[float, dict[str, Ranking]], judge: Judge, queries: Sequence[str]) -> Full:
    found = {weight: {query: [id for id, _ in ranking] for query, ranking in of.items()} for weight, of in rankings.items()}
    odd, every = ({weight: judge.mean(some, found[weight]) for weight in WEIGHTS} for some in (queries[1::2], queries))
    weight = max(WEIGHTS, key=lambda one: odd[one].ndcg)
    return Full(rankings, odd[weight], max(every.values(), key=lambda one: one.ndcg), weight)
