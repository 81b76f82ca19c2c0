"""PURE. Whether a text is one that the store itself returned lately: an agent that stores what it retrieved adds nothing.

A text is an echo if nine tenths of its words and neighbouring pairs are in what one search returned, and the words that are
not only stand around it ("Context: ..."). A word changed inside, a new number, a negation make it a text of its own.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .novelty import BITS, hashes, within
from .reading import READ_CHARS, Reading
from .words import words

Hashes = NDArray[np.uint32]

_TEXTS = 512  # remembered
_HASHES = 1 << 17  # remembered, half a megabyte
_COVERED = 0.9
_FEWEST = 6  # words; fewer may be in what was returned by chance
_NEGATIONS = frozenset(("not", "no", "never", "t", "cannot", "without", "nor", "false", "wrong", "untrue", "incorrect"))
_MARKER = re.compile(r"^\W*(\d{1,2})[.):\]]", re.MULTILINE)  # "1. ", "[2] ": of a list, not of what it says


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """What one search returned: sorted hashes by id, and of all."""

    texts: tuple[tuple[str, Hashes], ...]
    union: Hashes

    @property
    def size(self) -> int:
        return sum(len(one) for _, one in self.texts)


class Echo:
    """The texts that a namespace's last searches returned: at most 512, in about 1.5 MB."""

    def __init__(self) -> None:
        self._unread: deque[tuple[tuple[str, str], ...]] = deque()
        self._searches: deque[_Search] = deque()
        self._filter = np.zeros(0, np.uint16)  # how many searches returned a hash; of its first 18 bits
        self._waiting = self._texts = self._size = 0

    def returned(self, texts: Iterable[tuple[str, str]]) -> None:
        """Remember what a search returned: ids and texts, best first. They are read when a text is judged."""
        kept = tuple((id, text if len(text) <= READ_CHARS else text[:READ_CHARS]) for id, text in texts)[:_TEXTS]
        if kept:
            self._unread.append(kept)
            self._waiting += len(kept)
            while self._waiting > _TEXTS:
                self._waiting -= len(self._unread.popleft())

    def repeats(self, reading: Reading, living: Callable[[Sequence[str]], Collection[str]]) -> bool:
        """Tell whether a text is an echo.

        Args:
            reading: the text's.
            living: which of some ids are still in the store; asked only where a text looks like an echo. What is gone may be
                added again.
        """
        if self._unread:
            self._read()
        if not self._searches or len(reading.words) < _FEWEST or len(reading.content) > READ_CHARS:
            return False
        if int(np.count_nonzero(self._filter[reading.shingles])) < _COVERED * len(reading.shingles):
            return False
        own = hashes(reading.words)
        for search in reversed(self._searches):
            if _covers(search.union, own, reading):
                alive = living([id for id, _ in search.texts])
                left = [one for id, one in search.texts if id in alive]
                if len(left) == len(search.texts) or (left and _covers(_united(left), own, reading)):
                    return True
        return False

    def _read(self) -> None:
        """Take in what was returned since, and forget the oldest searches."""
        if not len(self._filter):
            self._filter = np.zeros(BITS, np.uint16)
        known = {}
        while self._unread:
            texts: list[tuple[str, Hashes]] = []
            size = 0
            for id, text in self._unread.popleft():
                if text not in known:
                    known[text] = np.unique(hashes(words(text)))
                size += len(known[text])
                if size <= _HASHES:
                    texts.append((id, known[text]))
            if texts:
                self._take(_Search(tuple(texts), _united([one for _, one in texts])))
        self._waiting = 0

    def _take(self, search: _Search) -> None:
        self._searches.append(search)
        self._texts += len(search.texts)
        self._size += search.size
        self._filter[np.unique(within(search.union))] += 1
        while self._texts > _TEXTS or self._size > _HASHES:
            oldest = self._searches.popleft()
            self._texts -= len(oldest.texts)
            self._size -= oldest.size
            self._filter[np.unique(within(oldest.union))] -= 1


def _united(several: Sequence[Hashes]) -> Hashes:
    return several[0] if len(several) == 1 else np.unique(np.concatenate(several))


def _covers(returned: Hashes, own: Hashes, reading: Reading) -> bool:
    """Tell whether sorted hashes hold nine tenths of a text's, and all that it says."""
    if not len(returned):
        return False
    held = returned[np.minimum(np.searchsorted(returned, own), len(returned) - 1)] == own
    if int(np.count_nonzero(held)) < _COVERED * len(own):
        return False
    count = len(reading.words)
    inside = np.flatnonzero(held[:count])
    first, last = int(inside[0]), int(inside[-1])
    markers: Collection[str] | None = None
    for place in np.flatnonzero(~held[:count]).tolist():
        word = reading.words[place]
        if word.isdecimal():
            markers = set(_MARKER.findall(reading.content)) if markers is None else markers
            if word not in markers:
                return False
        elif first < place < last or not word.isalpha() or word in _NEGATIONS or (place > last and not word.isascii()):
            return False
    return True
