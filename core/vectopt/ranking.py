"""Which texts answer a query best: by cosine, by words, or by both. Works on one view of an index, and touches nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .index import View, best, reaching
from .quantization import Query
from .strategy import FITTED, Fused, Weighing, expected, fuse, predicting

Positions = NDArray[np.int64]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

_WORTH = 4  # times as many texts as are looked at from either list, at least, for that to be less work than all of them
_FURTHER = 4  # times as many, where too many others could rival the first
_MANY = 8  # more rivals than such a part of all are too many


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
        contrast: of the two lists (see `Contrast`), where both had a say in a namespace as large as the statistics are deep.
        besides: what texts got for their lengths, in deviations; None where nothing was learned of these.
    """

    positions: Positions
    score: Floats
    similarity: Floats | None
    predicted: Mask
    borrowed: Mask
    sketched: Mask
    lexical: Floats | None
    complete: bool
    contrast: float | None = None
    besides: Floats | None = None


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
    view: View, query: Query, lexical: Floats, count: int, allowed: Mask | None, weighing: Weighing, depth: int, *, exact: bool = False
) -> Ranking:
    """Rank by words and cosine, fused.

    Texts near the top of either list are looked at first. What any other could come to is then known: its lexical score is,
    and its cosine is no higher than the lowest of the nearest. Only those that could belong among the `count` best are
    looked at besides.

    Args:
        view: where to look.
        query: the query.
        lexical: scores, shape (positions,), 0 where no text is.
        count: how many texts will do.
        allowed: which count, shape (positions,); None for all. The statistics are those of all texts.
        weighing: what the ranking goes by.
        depth: of the statistics.
        exact: compare with every vector.
    """
    besides = weighing.length * view.lengths if weighing.length else None
    both = _Both(view, query, lexical, weighing.lexical, depth, count, allowed, view.inferred(query), besides)
    reach = max(depth, count)
    while _WORTH * reach < len(view):
        ranking = both.near_the_top(reach, exact=exact)
        if ranking is not None:
            return ranking
        reach *= _FURTHER
    return both.among(np.flatnonzero(view.alive)).ranking


@dataclass(frozen=True, slots=True)
class _Fusion:
    """Some texts, fused, and their ranking."""

    fused: Fused
    ranking: Ranking
    last: float  # what the last of the ranking has in `fused.mixed`; -inf where it is too short


@dataclass(frozen=True)
class _Both:
    """A question, put to parts of a view."""

    view: View
    query: Query
    lexical: Floats
    weight: float
    depth: int
    count: int
    allowed: Mask | None
    inferred: Floats | None
    besides: Floats | None

    def near_the_top(self, reach: int, *, exact: bool) -> Ranking | None:
        """Rank the texts among the `reach` best of either list and all that could rival them; None where those are too many."""
        view, lexical, allowed = self.view, self.lexical, self.allowed
        near, cosines = view.nearest(self.query, reach, exact=exact)
        matches = reaching(lexical, reach)
        parts = [near, matches]
        lowest = float(cosines[-1]) if len(near) == reach else -1.0
        if len(view.bare):
            predicted, cut = self._predicted(reach, view.unknown)
            parts += [view.lent(near), *predicted]
            lowest = max(lowest, cut)
        if allowed is not None:
            # A text may borrow its cosine from one that isn't allowed.
            of_all = lowest if len(view.bare) else -1.0
            near, cosines = view.nearest(self.query, reach, allowed, exact=exact)
            matches = reaching(np.where(allowed, lexical, 0), reach)
            parts += [near, view.lent(near), matches]
            lowest = max(float(cosines[-1]) if len(near) == reach else -1.0, of_all)
            if len(view.bare):
                parts += self._predicted(reach, view.unknown & allowed)[0]
        found = self.among(np.unique(np.concatenate(parts)))
        rest = np.array([0, lexical[matches].min() if len(matches) >= reach else 0], np.float32)  # no match beyond scores more
        besides = 0.0 if self.besides is None else self.besides
        if found.fused.at_most(rest, lowest).max() + np.max(besides) <= found.last:
            return found.ranking
        rivals = found.fused.at_most(lexical, lowest) + besides > found.last
        rivals[np.concatenate(parts)] = False
        more = np.flatnonzero(rivals & (view.alive if allowed is None else allowed))
        if len(more) * _MANY > len(view):
            return None
        return self.among(np.unique(np.concatenate([*parts, more]))).ranking if len(more) else found.ranking

    def _predicted(self, reach: int, unknown: Mask) -> tuple[list[Positions], float]:
        """Return the texts that predictions are learned from, those of the unknown that get the highest ones, and, where cosines
        are inferred, what no other one's comes to.
        """
        if self.inferred is None:
            learned_from = reaching(np.where(self.view.unknown, 0, self.lexical), FITTED)
            matches = reaching(np.where(unknown, self.lexical, 0), reach)
            return [learned_from, matches, np.flatnonzero(unknown & (self.lexical <= 0))[:reach]], -1.0
        expected = np.where(unknown, self._expected, -np.inf)
        highest = best(expected, reach)
        return [self._held, highest], float(expected[highest[-1]]) if len(highest) == reach else -1.0

    @cached_property
    def _known(self) -> float:
        """The share of all texts that have a cosine to measure or to borrow."""
        unknown = int(np.count_nonzero(self.view.unknown)) if len(self.view.bare) else 0
        return 1 - unknown / max(1, int(np.count_nonzero(self.view.alive)))

    @cached_property
    def _held(self) -> Positions:
        """The measured texts of which it is known what would have been inferred."""
        assert self.inferred is not None
        return np.flatnonzero(~np.isnan(self.inferred) & ~self.view.unknown)

    @cached_property
    def _expected(self) -> Floats:
        """What is expected of unknown texts' cosines, by their words alone and by those they share with the query."""
        held = self._held
        assert self.inferred is not None
        prediction = predicting(self.lexical[held], self.view.cosines(held, self.query), None, self.inferred[held])
        return expected(prediction, self.lexical, self.inferred)

    def among(self, positions: Positions) -> _Fusion:
        """Fuse some texts, those that give the statistics among them."""
        view, lexical = self.view, self.lexical[positions]
        dense, borrowed = view.known(positions, self.query)
        inferred = None if self.inferred is None else self.inferred[positions]
        besides = None if self.besides is None else self.besides[positions]
        fused = fuse(lexical, dense, self.weight, self.depth, view.mean(self.query), inferred, self._known, besides)
        order = fused.mixed if self.allowed is None else np.where(self.allowed[positions], fused.mixed, -np.inf)
        chosen = best(order, self.count)
        sketched = view.sketched(positions[chosen])
        ranking = Ranking(
            positions[chosen],
            fused.score[chosen],
            fused.similarity[chosen],
            (fused.predicted | borrowed)[chosen] | sketched,
            borrowed[chosen],
            sketched,
            lexical[chosen],
            len(chosen) < self.count,
            fused.contrast if len(view) >= self.depth else None,
            None if besides is None else besides[chosen],
        )
        return _Fusion(fused, ranking, -np.inf if ranking.complete else float(fused.mixed[chosen[-1]]))
