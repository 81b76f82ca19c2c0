"""How good rankings are, one place a text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .sets import RealSet

CUT = 10
_DISCOUNTS: NDArray[np.float64] = 1 / np.log2(np.arange(2, CUT + 2))


class _Found(Protocol):
    @property
    def id(self) -> str: ...


@dataclass(frozen=True)
class Figures:
    """Means over queries, at rank 10."""

    ndcg: float
    recall: float
    success: float

    @classmethod
    def mean(cls, some: Sequence[Figures]) -> Figures:
        """Return the mean of several."""
        return cls(*np.mean([(one.ndcg, one.recall, one.success) for one in some], axis=0).tolist())


def normal(text: str) -> str:
    """Return a text in lower case with white space folded: what is equal then is one text."""
    return " ".join(text.lower().split())


class Judge:
    """Holds a set's rankings against its judgements.

    A hit counts with the best grade of the items that have its text in its store; a text found again counts nothing. The ideal
    ranking has each text once.
    """

    def __init__(self, data: RealSet) -> None:
        self._texts: dict[str, tuple[str, str]] = {item.id: (item.store, normal(item.text)) for item in data.items}
        self.grades: dict[str, dict[tuple[str, str], float]] = {}
        for query, graded in data.grades.items():
            best: dict[tuple[str, str], float] = {}
            for item, grade in graded.items():
                text = self._texts[item]
                best[text] = max(grade, best.get(text, 0.0))
            self.grades[query] = best

    def text(self, item: str) -> tuple[str, str]:
        """Return an item's store and normalised text."""
        return self._texts[item]

    def useful(self, query: str, hits: Iterable[Any]) -> list[Any]:
        """Return those of the hits that answer a query."""
        return [hit for hit in hits if self._texts[hit.id] in self.grades[query]]

    def figures(self, query: str, found: Sequence[str]) -> Figures:
        """Return how good the ids found for one query are, best first."""
        best, seen, gains = self.grades[query], set(), []
        for item in found[:CUT]:
            text = self._texts[item]
            gains.append(0.0 if text in seen else best.get(text, 0.0))
            seen.add(text)
        ideal = sorted(best.values(), reverse=True)[:CUT]
        hits = sum(gain > 0 for gain in gains)
        ndcg = float(np.dot(gains, _DISCOUNTS[: len(gains)]) / np.dot(ideal, _DISCOUNTS[: len(ideal)]))
        return Figures(ndcg, hits / len(best), float(hits > 0))

    def mean(self, queries: Sequence[str], found: Mapping[str, Sequence[str]]) -> Figures:
        """Return the means over queries; nothing found is nothing right."""
        return Figures.mean([self.figures(query, found.get(query, ())) for query in queries])
