"""A namespace's index at one moment: every text has a position; some have vectors or sketches; texts equal but for digits share a group."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..model import Precision, Tier, Vector
from ..quantization import Query
from .forward import ForwardView
from .lexical import LexicalView
from .surrogate import SurrogateView
from .top import best
from .vectors import MatrixView

TIERS = tuple(Tier)
GONE = len(TIERS)

_LEAST_SPREAD = 0.3  # a deviation of lengths is no less: where all are nearly the same, a word more or less says little
_FAR = 3.0  # deviations; no text is longer or shorter than that

Positions = NDArray[np.int64]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class View:
    """A namespace at one moment. Arrays have one entry a position, shape (n,)."""

    slots: Positions
    groups: NDArray[np.int32]
    state: NDArray[np.uint8]  # the place of its tier in `TIERS`, or one more where the text is gone
    matrices: tuple[MatrixView, ...]
    lexical: LexicalView
    learned: tuple[SurrogateView, ForwardView] | None = None  # what words tell of cosines, and the words of each text

    def __len__(self) -> int:
        return len(self.slots)

    @cached_property
    def alive(self) -> Mask:
        """Where texts are still there."""
        alive: Mask = self.state != GONE
        return alive

    @cached_property
    def whole(self) -> bool:
        """Whether all of them are."""
        return bool(self.alive.all())

    def in_tiers(self, tiers: Iterable[Tier]) -> Mask:
        """Return where texts of these tiers are."""
        wanted = np.zeros(GONE + 1, np.bool_)
        wanted[[TIERS.index(tier) for tier in tiers]] = True
        return np.asarray(wanted[self.state], np.bool_)

    @cached_property
    def measured(self) -> Mask:
        """Where texts have a vector or a sketch of their own."""
        result = np.zeros(len(self), np.bool_)
        for matrix in self.matrices:
            result[np.flatnonzero(matrix.row_of >= 0)] = True
        return result

    @cached_property
    def lengths(self) -> Floats:
        """How long texts are: the logarithms of their numbers of words, in deviations from the mean, -3..3."""
        words = np.zeros(len(self), np.float32)
        known = self.lexical.lengths[: len(self)]
        words[: len(known)] = np.log(np.maximum(1, known))
        of_all = words if self.whole else words[self.alive]
        if not len(of_all):
            return words
        lengths: Floats = np.clip((words - of_all.mean()) / max(_LEAST_SPREAD, float(of_all.std())), -_FAR, _FAR)
        return lengths

    def mean(self, query: Query) -> float:
        """Return the mean cosine of all measured texts to a query; 0 without any."""
        count = sum(len(matrix) for matrix in self.matrices)
        return float(sum(matrix.total @ query.unit for matrix in self.matrices)) / count if count else 0.0

    def cosines(self, positions: Positions, query: Query) -> Floats:
        """Return the cosines of some texts, NaN where there is neither vector nor sketch."""
        result = np.full(len(positions), np.nan, np.float32)
        for matrix in self.matrices:
            found = matrix.scores(positions, query)
            result = np.where(np.isnan(found), result, found)
        return result

    def sketched(self, positions: Positions) -> Mask:
        """Return which of the texts have no vector, but a sketch."""
        result = np.zeros(len(positions), np.bool_)
        for matrix in self.matrices:
            if matrix.encoding.precision is Precision.SKETCH:
                result |= matrix.has(positions)
        return result

    def known(self, positions: Positions, query: Query) -> tuple[Floats, Mask]:
        """Return the cosines of some texts, their own or borrowed, NaN where there is neither; and which are borrowed."""
        result = self.cosines(positions, query)
        bare = np.isnan(result)
        if not bare.any():
            return result, bare
        result[bare] = self.borrowed(positions[bare], query)
        return result, bare & ~np.isnan(result)

    def inferred(self, query: Query) -> Floats | None:
        """Return what the words of texts tell of their cosines; None where nothing was learned, or nothing is unknown.

        Given are those of unknown texts, and of some measured ones as they were before anything was learned of these: by
        them the others can be judged. NaN elsewhere.
        """
        if self.learned is None or not self.unknown.any():
            return None
        surrogate, forward = self.learned
        told = self.unknown.copy()
        told[surrogate.held[self.measured[surrogate.held]]] = True
        return np.where(told, surrogate.cosines(forward, query, self.mean(query), len(self)), np.float32(np.nan))

    def unpacked(self, positions: Positions) -> Floats:
        """Return the vectors of texts that have one, or a sketch; shape (n, dimensions)."""
        result = np.empty((len(positions), len(self.matrices[0].total)), np.float32)
        for matrix in self.matrices:
            has = matrix.has(positions)
            result[has] = matrix.unpacked(positions[has])
        return result

    @property
    def centre(self) -> Vector:
        """The mean of all vectors."""
        count = sum(len(matrix) for matrix in self.matrices)
        total = np.sum([matrix.total for matrix in self.matrices], axis=0)
        return np.asarray(total / max(1, count), np.float32)

    def vectors(self, slots: Sequence[int]) -> tuple[list[int], Floats]:
        """Return which of the slots, by place, have a vector or sketch, and those vectors; shape (n, dimensions)."""
        places = np.searchsorted(self.slots, slots)
        found: dict[int, Vector] = {}
        for matrix in self.matrices:
            has = np.flatnonzero(matrix.has(places))
            found.update(zip(has.tolist(), matrix.unpacked(places[has]), strict=True))
        order = sorted(found)
        return order, np.stack([found[place] for place in order]) if order else np.empty((0, 0), np.float32)

    def nearest(self, query: Query, count: int, allowed: Mask | None = None, *, exact: bool = False) -> tuple[Positions, Floats]:
        """Return the `count` measured texts nearest to a query and their cosines, best first; fewer where there are fewer."""
        found = [matrix.nearest(query, count, allowed, exact=exact) for matrix in self.matrices]
        if len(found) == 1:
            return found[0]
        if not found:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        positions = np.concatenate([positions for positions, _ in found])
        cosines = np.concatenate([cosines for _, cosines in found])
        chosen = best(cosines, count, positions)
        return positions[chosen], cosines[chosen]

    def scan_together(self, queries: Sequence[Query]) -> None:
        """Do once for several queries what each would do alone when it asks for the nearest of all texts."""
        for matrix in self.matrices:
            matrix.scan_together(queries)

    def lent(self, lenders: Positions) -> Positions:
        """Return the texts without a vector or sketch that are equal but for digits to one of the lenders."""
        asked = np.zeros(int(self.groups.max(initial=0)) + 1, np.bool_)
        asked[self.groups[lenders]] = True
        return self.bare[asked[self.groups[self.bare]]]

    @cached_property
    def bare(self) -> Positions:
        """The texts without a vector or sketch."""
        return np.flatnonzero(self.alive & ~self.measured)

    @cached_property
    def unknown(self) -> Mask:
        """Where texts are of which nothing but their words tells a cosine."""
        result = np.zeros(len(self), np.bool_)
        result[self.bare[self._lender[self.groups[self.bare]] < 0]] = True
        return result

    @cached_property
    def _lender(self) -> NDArray[np.int32]:
        """Of each group a measured text, or -1."""
        result = np.full(int(self.groups.max(initial=0)) + 1, -1, np.int32)
        where = np.flatnonzero(self.measured & self.alive)[::-1]
        result[self.groups[where]] = where  # the first of several comes last, and stays
        return result

    def borrowed(self, positions: Positions, query: Query) -> Floats:
        """Return the cosines of texts that have none of their own: of one equal but for digits, or NaN."""
        lender = self._lender[self.groups[positions]].astype(np.int64)
        result = np.full(len(positions), np.nan, np.float32)
        has = lender >= 0
        result[has] = self.cosines(lender[has], query)
        return result
