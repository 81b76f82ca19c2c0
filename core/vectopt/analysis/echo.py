"""PURE. Whether a text is one that the store itself returned lately: an agent that stores what it retrieved adds nothing.

A text is an echo if it holds texts that one search returned, or a part of one, word for word, and hardly anything else: a tenth
of its words and neighbouring pairs, around them ("Context: ..."). A word changed inside, a new number, a negation, or what was
returned put together anew make it a text of its own.
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
_SAMPLE = 16  # hashes that tell which searches to look at
_LIKELY = 0.5  # of them
_FEWEST = 6  # words; fewer may be in what was returned by chance
_NEGATIONS = frozenset(("not", "no", "never", "t", "cannot", "without", "nor", "false", "wrong", "untrue", "incorrect"))
_SIGN = "\0"  # no word holds it
_HELD = f" {_SIGN} "
_MARKER = re.compile(r"^\W*(\d{1,2})[.):\]]", re.MULTILINE)  # "1. ", "[2] ": of a list, not of what it says


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """What one search returned: the words of its texts by id, and the sorted hashes of all."""

    texts: tuple[tuple[str, str], ...]
    union: Hashes
    size: int  # hashes before those that are equal became one


class Echo:
    """The texts that a namespace's last searches returned: at most 512, in about 1.5 MB."""

    def __init__(self) -> None:
        self._unread: deque[tuple[tuple[str, str], ...]] = deque()
        self._searches: deque[_Search] = deque()
        self._filter = np.zeros(0, np.uint16)  # how many searches returned a hash; of its first 18 bits
        self._waiting = self._texts = self._size = 0

    @property
    def nbytes(self) -> int:
        """Bytes held, estimated."""
        own = sum(4 * (search.size + len(search.union)) for search in self._searches)
        return own + self._filter.nbytes + sum(len(text) for part in self._unread for _, text in part)

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
        some = own[:: max(1, len(own) // _SAMPLE)]
        for search in reversed(self._searches):
            if _share(search.union, some) >= _LIKELY and _share(search.union, own) >= _COVERED:
                alive = living([id for id, _ in search.texts])
                if _says_no_more(reading, [text for id, text in search.texts if id in alive], search.union):
                    return True
        return False

    def _read(self) -> None:
        """Take in what was returned since, and forget the oldest searches."""
        if not len(self._filter):
            self._filter = np.zeros(BITS, np.uint16)
        while self._unread:
            texts: list[tuple[str, str]] = []
            several: list[Hashes] = []
            for id, text in self._unread.popleft():
                tokens = words(text)
                texts.append((id, f" {' '.join(tokens)} "))
                several.append(hashes(tokens))
                if sum(map(len, several)) > _HASHES:
                    break
            union = np.unique(np.concatenate(several))
            if len(union):
                self._take(_Search(tuple(texts), union, sum(map(len, several))))
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


def _where(returned: Hashes, own: Hashes) -> NDArray[np.bool_]:
    """Return which of some hashes are among sorted ones, of which there is at least one."""
    held: NDArray[np.bool_] = returned[np.minimum(np.searchsorted(returned, own), len(returned) - 1)] == own
    return held


def _share(returned: Hashes, own: Hashes) -> float:
    return int(np.count_nonzero(_where(returned, own))) / len(own)


def _says_no_more(reading: Reading, returned: Sequence[str], union: Hashes) -> bool:
    """Tell whether a text holds returned ones, or a part of one, word for word, and nothing of weight besides."""
    pieces = f" {' '.join(reading.words)} "
    for text in sorted(set(returned), key=len, reverse=True):
        if text in pieces:
            pieces = pieces.replace(text, _HELD)
    if _HELD not in pieces:  # no whole one
        held = np.flatnonzero(_where(union, hashes(reading.words))[: len(reading.words)])
        first, last = int(held[0]), int(held[-1]) + 1
        part = f" {' '.join(reading.words[first:last])} "
        if not any(part in text for text in returned):
            return False
        pieces = " ".join((*reading.words[:first], _HELD, *reading.words[last:]))
    left = pieces.split()
    held_at = [place for place, word in enumerate(left) if word == _SIGN]
    if len(left) - len(held_at) > (1 - _COVERED) * len(reading.words):
        return False
    markers = set(_MARKER.findall(reading.content)) if len(left) > len(held_at) else set()
    return all(
        word == _SIGN
        or word in markers
        or (word.isalpha() and word not in _NEGATIONS and (place < held_at[0] or (place > held_at[-1] and word.isascii())))
        for place, word in enumerate(left)
    )
