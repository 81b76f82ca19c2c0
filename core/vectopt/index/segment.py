"""Postings of some texts, in arrays: for each term the positions that hold it, and how often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MAX_COUNT = 65_535


@dataclass(frozen=True, slots=True)
class Segment:
    """Postings sorted by term, then by position. Never changed once made.

    Attributes:
        terms: those that occur, ascending; shape (t,).
        starts: where each term's postings begin, and the end of the last; shape (t + 1,).
        where: positions, shape (p,).
        counts: occurrences, shape (p,).
    """

    terms: NDArray[np.int32]
    starts: NDArray[np.int64]
    where: NDArray[np.int32]
    counts: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.where)

    def saved(self) -> list[NDArray[Any]]:
        """Return what makes the segment again."""
        return [self.terms, self.starts, self.where, self.counts]

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.terms.nbytes + self.starts.nbytes + self.where.nbytes + self.counts.nbytes

    def part(self, term: int) -> slice:
        """Return where a term's postings are."""
        place = int(np.searchsorted(self.terms, term))
        if place == len(self.terms) or self.terms[place] != term:
            return slice(0, 0)
        return slice(int(self.starts[place]), int(self.starts[place + 1]))

    @property
    def every_term(self) -> NDArray[np.int32]:
        """The term of each posting."""
        return np.repeat(self.terms, np.diff(self.starts))


def posted(terms: NDArray[np.int64], positions: NDArray[np.int64]) -> Segment:
    """Return the postings of words, given as terms, each with the position of its text."""
    first, end = (int(positions[0]), int(positions[-1]) + 1) if len(positions) else (0, 1)
    pairs, counts = np.unique(terms * (end - first) + positions - first, return_counts=True)
    term, position = np.divmod(pairs, end - first)
    return _sorted(term, position + first, np.minimum(counts, _MAX_COUNT))


def merged(segments: Sequence[Segment], new_position: NDArray[np.int64] | None = None, alive: NDArray[np.bool_] | None = None) -> Segment:
    """Return the postings of several segments, which follow each other, as one.

    Args:
        segments: in the order of their positions.
        new_position: of each old one, if they change; shape (positions,).
        alive: which old positions still count; shape (positions,).
    """
    if len(segments) == 1 and new_position is None and alive is None:
        return segments[0]
    term = np.concatenate([segment.every_term for segment in segments])
    where = np.concatenate([segment.where for segment in segments])
    counts = np.concatenate([segment.counts for segment in segments])
    if alive is not None:
        kept = alive[where]
        term, where, counts = term[kept], where[kept], counts[kept]
    if new_position is not None:
        where = new_position[where]
    order = np.argsort(term, kind="stable")
    return _sorted(term[order], where[order], counts[order])


def _sorted(term: NDArray[Any], where: NDArray[Any], counts: NDArray[Any]) -> Segment:
    begins = np.flatnonzero(np.diff(term, prepend=-1))
    return Segment(
        term[begins].astype(np.int32),
        np.append(begins, len(term)).astype(np.int64),
        where.astype(np.int32),
        counts.astype(np.uint16),
    )
