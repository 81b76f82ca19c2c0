"""Which texts answer a query best: by cosine, by words, or by both. Works on one view of an index, and touches nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .index import View, best, reaching
from .quantization import Query
from .strategy import FITTED, fuse

Positions = NDArray[np.int64]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

_WORTH = 4  # times as many texts as are looked at from either list, at least, for that to be less work than all of them
_FURTHER = 4  # times as many, where the first were not enough


@dataclass(frozen=True, slots=True)
class Ranking:
    """Texts, best first: aligned arrays of shape (n,).

    Attributes:
        positions: of the texts in the view.
        score: 0..1.
        similarity: cosines; None where there is no query vector.
        predicted: where `similarity` is an estimate.
        borrowed: where it is that of a text equal but for digits.
        sketched: where it is told by a sketch.
        lexical: BM25; None where words had no say.
        complete: no other text can follow.
    """

    positions: Positions
    score: Floats
    similarity: Floats | None
    predicted: Mask
    borrowed: Mask
    sketched: Mask
    lexical: Floats | None
    complete: bool


def by_cosine(view: View, query: Query, count: int, allowed: Mask | None, *, exact: bool = False) -> Ranking:
    """Rank by cosine: measured ones first, then borrowed ones, then the rest at the mean of the measured.

    Args:
        view: where to look.
        query: the query.
        count: how many texts will do.
        allowed: which count, shape (positions,); None for all.
        exact: compare with every vector.
    """
    positions, similarity = view.nearest(query, count, allowed, exact=exact)
    complete = len(positions) < count
    measured = len(positions)
    if complete:
        rest = view.bare if allowed is None else view.bare[allowed[view.bare]]
        lent = view.borrowed(rest, query)
        order = np.lexsort((rest, -np.where(np.isnan(lent), -2, lent)))
        positions, similarity = np.concatenate((positions, rest[order])), np.concatenate((similarity, lent[order]))
    unknown = np.isnan(similarity)
    borrowed = ~unknown
    borrowed[:measured] = False
    similarity = np.where(unknown, np.float32(view.mean(query)), similarity).astype(np.float32)
    sketched = view.sketched(positions)
    predicted = unknown | borrowed | sketched
    score = np.minimum.accumulate((1 + similarity) / 2).astype(np.float32)  # a borrowed one may be higher, and comes after
    return Ranking(positions, score, similarity, predicted, borrowed, sketched, None, complete)


def by_words(view: View, lexical: Floats, count: int, allowed: Mask | None, *, others: bool) -> Ranking:
    """Rank by BM25.

    Args:
        view: where to look.
        lexical: scores, shape (positions,).
        count: how many texts will do.
        allowed: which count, shape (positions,); None for all.
        others: let texts that share no word follow.
    """
    top = float(lexical.max(initial=0)) or 1.0
    shown = view.alive if allowed is None else allowed
    order = np.where(shown if others else shown & (lexical > 0), lexical, -np.inf)
    positions = best(order, count)
    nowhere = np.zeros(len(positions), np.bool_)
    scores = lexical[positions]
    return Ranking(positions, scores / np.float32(top), None, nowhere, nowhere, nowhere, scores, len(positions) < count)


def by_both(
    view: View, query: Query, lexical: Floats, count: int, allowed: Mask | None, weight: float, depth: int, *, exact: bool = False
) -> Ranking:
    """Rank by words and cosine, fused.

    Only texts near the top of one list are looked at, if no other can get among the `count` best: such a text's score is
    bounded by the last of both lists. Otherwise all are.

    Args:
        view: where to look.
        query: the query.
        lexical: scores, shape (positions,), 0 where no text is.
        count: how many texts will do.
        allowed: which count, shape (positions,); None for all. The statistics are those of all texts.
        weight: of the lexical scores, 0..1.
        depth: of the statistics.
        exact: compare with every vector.
    """
    found = _Candidates(view, query, lexical, weight, depth)
    reach = max(depth, count)
    while _WORTH * reach < len(view):
        ranking = found.ranked(count, allowed, reach, exact=exact)
        if ranking is not None:
            return ranking
        reach *= _FURTHER
    return found.among(np.flatnonzero(view.alive), count, allowed, complete=True)[0]


@dataclass(frozen=True, slots=True)
class _Candidates:
    view: View
    query: Query
    lexical: Floats
    weight: float
    depth: int

    def ranked(self, count: int, allowed: Mask | None, reach: int, *, exact: bool) -> Ranking | None:
        """Rank the texts among the `reach` best of either list; None where another might belong among the `count` best."""
        view, lexical = self.view, self.lexical
        near, cosines = view.nearest(self.query, reach, exact=exact)
        words = reaching(lexical, reach)
        parts = [near, words]
        if len(view.bare):
            parts += [view.lent(near), reaching(np.where(view.measured, lexical, 0), FITTED)]
        if allowed is not None:
            near, cosines = view.nearest(self.query, reach, allowed, exact=exact)
            words = reaching(np.where(allowed, lexical, 0), reach)
            parts += [near, view.lent(near), words]
        ranking, sure = self.among(
            np.unique(np.concatenate(parts)),
            count,
            allowed,
            lowest_lexical=float(lexical[words].min()) if len(words) >= reach else 0.0,
            lowest_cosine=float(cosines[-1]) if len(near) == reach else -1.0,
        )
        return ranking if sure else None

    def among(
        self,
        positions: Positions,
        count: int,
        allowed: Mask | None,
        *,
        lowest_lexical: float = 0.0,
        lowest_cosine: float = -1.0,
        complete: bool = False,
    ) -> tuple[Ranking, bool]:
        """Rank some texts; tell whether no other text can belong among the `count` best.

        Args:
            positions: of the texts, those that give the statistics among them.
            count: how many will do.
            allowed: which count.
            lowest_lexical: no other text has a higher lexical score.
            lowest_cosine: no other text has a higher cosine.
            complete: there is no other text.
        """
        view = self.view
        lexical = self.lexical[positions]
        dense, borrowed = view.known(positions, self.query)
        fused = fuse(lexical, dense, self.weight, self.depth, view.mean(self.query))
        order = fused.mixed if allowed is None else np.where(allowed[positions], fused.mixed, -np.inf)
        chosen = best(order, count)
        ranking = Ranking(
            positions[chosen],
            fused.score[chosen],
            fused.similarity[chosen],
            (fused.predicted | borrowed)[chosen] | view.sketched(positions[chosen]),
            borrowed[chosen],
            view.sketched(positions[chosen]),
            lexical[chosen],
            complete and len(chosen) < count,
        )
        sure = complete or (len(chosen) == count and fused.mixed[chosen[-1]] >= fused.at_most(lowest_lexical, lowest_cosine))
        return ranking, sure
