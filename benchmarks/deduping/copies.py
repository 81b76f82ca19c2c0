"""Copies of texts with small changes, as streams of logs, messages and notes are full of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

_DIGIT = re.compile("[0-9]")
_MOST_EDITS = 2


class Copier:
    """Makes perturbed copies.

    With a chance of one half, every digit of the text becomes a random one. Then 0, 1 or 2 words, as many times as likely, are
    edited: replaced by another, dropped, or followed by another. The others are drawn from all words of the texts.

    Args:
        texts: that are copied.
        rng: what decides.
        spaced: whether words are what single spaces part; else each character is one.
    """

    def __init__(self, texts: Sequence[str], rng: Random, *, spaced: bool = True) -> None:
        self._texts, self._rng, self._spaced = texts, rng, spaced
        self._pool = [word for text in texts for word in (text.split() if spaced else text)]

    def copy(self) -> str:
        """Return a copy of a random text."""
        chance, text = self._rng.random, self._drawn(self._texts)
        if chance() < 0.5:
            text = _DIGIT.sub(lambda _: "0123456789"[int(chance() * 10)], text)
        edits = int(chance() * (_MOST_EDITS + 1))
        if not edits:
            return text
        words = text.split(" ") if self._spaced else list(text)
        for _ in range(edits):
            self._edit(words)
        return (" " if self._spaced else "").join(words)

    def _edit(self, words: list[str]) -> None:
        place, how = int(self._rng.random() * len(words)), int(self._rng.random() * 3)
        if how == 0:
            words[place] = self._drawn(self._pool)
        elif how == 1 and len(words) > 1:
            del words[place]
        else:
            words.insert(place + 1, self._drawn(self._pool))

    def _drawn(self, among: Sequence[str]) -> str:
        return among[int(self._rng.random() * len(among))]
