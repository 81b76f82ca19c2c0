"""PURE. Which cluster each text of a stream is in: the specification's clusters, without its loop over all pairs.

In the specification's loop the first text that is in no cluster opens one and takes in every later one that is like it.
So a text joins the lowest-numbered opener that it is like, or opens a cluster itself: only openers need be looked through,
a text's cluster never changes, and a stream gives the same clusters whatever the portions it comes in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .measure import Measure
from .openers import Openers
from .postings import Postings, owners_in, renamed
from .signatures import Signatures
from .wordsets import Rows, Vocabulary, WordSets

_PORTION, _LARGEST_PORTION = 1024, 8192  # texts
_REINDEXED = 16384  # openers at a time
_CHARACTERS = 1 << 22  # of a portion, about
_FIRST_ORDER = 1024  # openers from which an order of words is worth making
_ORDER_AGAIN = 4  # times as many openers
_SAMPLE = 256  # of a class's openers, to choose its scheme by
_CROWD = 128  # pairs a set to look at, from which a portion is halved
_NOBODY = np.iinfo(np.int64).max
_LOW = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class _Portion:
    """Word sets that came together, and the entries by which they are found and find others."""

    sets: WordSets
    kept: npt.NDArray[np.uint64]
    probes: npt.NDArray[np.uint64]


class Leader:
    """Assigns texts to clusters as they come."""

    def __init__(self, threshold: float, tokenize: Callable[[str], Iterable[str]]) -> None:
        self._measure = Measure(threshold)
        self._vocabulary = Vocabulary(tokenize)
        self._signatures = Signatures(self._measure)
        self._known: dict[str, int] = {}
        self._openers = Openers()
        self._postings = Postings()
        self._classes: set[int] = set()  # of openers' sizes
        self._order_at = _FIRST_ORDER
        self._clusters = 0
        self._wordless: int | None = None  # the cluster of texts without words

    def add(self, texts: Sequence[str]) -> list[int]:
        """Return the number of each text's cluster; clusters are numbered as they open."""
        start = 0
        while start < len(texts):
            portion = self._portion(texts, start)
            start += len(portion)
            fresh = [text for text in dict.fromkeys(portion) if text not in self._known]
            if fresh:
                self._known.update(zip(fresh, self._clusters_of(self._vocabulary.sets(fresh)).tolist(), strict=True))
                if len(self._openers) >= self._order_at:
                    self._reorder()
        return [self._known[text] for text in texts]

    def _portion(self, texts: Sequence[str], start: int) -> Sequence[str]:
        """Return the texts to take in at once: few as long as little is known of how to find them, and of bounded size."""
        end, characters = start, 0
        most = start + min(max(_PORTION, len(self._openers)), _LARGEST_PORTION)
        while end < min(most, len(texts)) and characters < _CHARACTERS:
            characters += len(texts[end])
            end += 1
        return texts[start:end]

    def _clusters_of(self, sets: WordSets) -> Rows:
        rows, wordless = np.flatnonzero(sets.sizes), np.flatnonzero(sets.sizes == 0)
        self._classes.update(np.unique(self._signatures.classes(sets.sizes[rows])).tolist())
        probes = self._signatures.probes(sets, rows, self._classes)
        joined = self._lowest(sets, probes, self._postings, self._openers.sets)
        rest = rows[joined[rows] == _NOBODY]
        portion = _Portion(sets, self._signatures.kept(sets, rest), probes)
        leaders = np.arange(len(sets))
        leaders[wordless] = wordless[:1]
        self._settle(portion, rest, leaders)
        opens = (joined == _NOBODY) & (leaders == np.arange(len(sets)))
        if self._wordless is not None:
            opens[wordless] = False
        clusters = np.full(len(sets), -1)
        clusters[opens] = self._clusters + np.arange(opens.sum())
        self._clusters += int(opens.sum())
        self._open(portion, rows[opens[rows]], clusters)
        clusters = clusters[leaders]
        known = joined != _NOBODY
        clusters[known] = self._openers.clusters[joined[known]]
        if len(wordless):
            self._wordless = int(clusters[wordless[0]]) if self._wordless is None else self._wordless
            clusters[wordless] = self._wordless
        return clusters

    def _open(self, portion: _Portion, rows: Rows, clusters: Rows) -> None:
        names = np.full(len(portion.sets), -1)
        names[rows] = len(self._openers) + np.arange(len(rows))
        self._openers.append(portion.sets.take(rows), clusters[rows])
        self._postings.add(renamed(portion.kept, names))

    def _settle(self, portion: _Portion, rows: Rows, leaders: Rows) -> None:
        """Find of each row the row that leads it: the first of these before it that it is like and that nobody leads."""
        if len(rows) < 2:
            return
        chosen = np.zeros(len(portion.sets), bool)
        chosen[rows] = True
        probes = portion.probes[chosen[owners_in(portion.probes)]]
        postings = Postings()
        postings.add(portion.kept[chosen[owners_in(portion.kept)]])
        if len(rows) > _CROWD and postings.reach(probes) > _CROWD * len(rows):
            half = len(rows) // 2
            self._settle(portion, rows[:half], leaders)
            opened = rows[:half][leaders[rows[:half]] == rows[:half]]
            names = np.full(len(portion.sets), -1)
            names[opened] = opened
            postings = Postings()
            postings.add(renamed(portion.kept, names))
            later = rows[half:]
            chosen[rows[:half]] = False
            found = self._lowest(portion.sets, portion.probes[chosen[owners_in(portion.probes)]], postings, portion.sets)[later]
            leaders[later] = np.where(found == _NOBODY, later, found)
            self._settle(portion, later[found == _NOBODY], leaders)
            return
        here, there = self._alike(portion.sets, probes, postings, portion.sets, earlier=True)
        for row, other in sorted(zip(here.tolist(), there.tolist(), strict=True)):
            if leaders[row] == row and leaders[other] == other:
                leaders[row] = other

    def _lowest(self, sets: WordSets, probes: npt.NDArray[np.uint64], postings: Postings, others: WordSets) -> Rows:
        """Return of each row the lowest of the other sets that it is like."""
        lowest = np.full(len(sets), _NOBODY)
        here, there = self._alike(sets, probes, postings, others)
        np.minimum.at(lowest, here, there)
        return lowest

    def _alike(
        self, sets: WordSets, probes: npt.NDArray[np.uint64], postings: Postings, others: WordSets, *, earlier: bool = False
    ) -> tuple[Rows, Rows]:
        """Return (row, other) for all pairs that are alike; `earlier`: only others with lower numbers."""
        some = [np.empty(0, np.int64)]
        for rows, there in postings.pairs(probes):
            may = self._measure.possible(sets, rows, others, there)
            if earlier:
                may &= there < rows
            some.append(rows[may] << 32 | there[may])
        pairs = np.unique(np.concatenate(some))
        pairs = pairs[self._measure.alike(sets, pairs >> 32, others, pairs & _LOW)]
        return pairs >> 32, pairs & _LOW

    def _reorder(self) -> None:
        """Order the words by what was seen so far, and choose each class's scheme."""
        self._order_at = _ORDER_AGAIN * len(self._openers)
        openers = Openers()
        openers.append(self._vocabulary.reorder(self._openers.sets), self._openers.clusters)
        self._openers = openers
        classes = self._signatures.classes(openers.sets.sizes)
        for which in np.unique(classes).tolist():
            members = np.flatnonzero(classes == which)
            if len(members) >= _SAMPLE:
                sample = members[:: len(members) // _SAMPLE]
                self._signatures.choose(which, openers.sets.take(sample), len(members))
        self._postings = Postings()
        for start in range(0, len(openers), _REINDEXED):
            rows = np.arange(start, min(start + _REINDEXED, len(openers)))
            self._postings.add(renamed(self._signatures.kept(openers.sets.take(rows), rows - start), rows))
