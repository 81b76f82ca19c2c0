"""Texts whose words are as unequal as a natural language's: a few are in nearly every text, most in hardly any."""

from __future__ import annotations

from itertools import chain, islice, product

import numpy as np

_WORDS = 50_000
_EXPONENT = 1.07  # Zipf's, of English prose
_CHARS = 106  # a cut here, back to the last whole word, leaves texts of about 100 characters
_DRAWN = 40  # words, nearly always more than so many characters hold
_BLOCK = 20_000


class Language:
    """A vocabulary of pronounceable words, the common ones short, and how often each is said."""

    def __init__(self) -> None:
        syllables = ["".join(pair) for pair in product("bcdfghjklmnprstvwz", "aeiou")]
        spelt = chain.from_iterable(product(syllables, repeat=length) for length in (1, 2, 3))
        self._words = ["".join(parts) for parts in islice(spelt, _WORDS)]
        weights = np.arange(1, _WORDS + 1) ** -_EXPONENT
        self._upto = np.cumsum(weights) / weights.sum()

    def texts(self, count: int, rng: np.random.Generator, chars: int = _CHARS) -> list[str]:
        """Return texts of nearly so many characters, by default of about 100."""
        result: list[str] = []
        for start in range(0, count, _BLOCK):
            drawn = self._drawn(min(_BLOCK, count - start), _DRAWN * chars // _CHARS, rng)
            result += [self._said(row)[:chars].rpartition(" ")[0] for row in drawn]
        return result

    def questions(self, count: int, rng: np.random.Generator) -> list[str]:
        """Return queries of 5 to 10 words, the common ones as common as in the texts."""
        lengths = rng.integers(5, 11, size=count).tolist()
        return [self._said(row[:length]) for row, length in zip(self._drawn(count, 10, rng), lengths, strict=True)]

    def _drawn(self, count: int, length: int, rng: np.random.Generator) -> list[list[int]]:
        places = np.searchsorted(self._upto, rng.random((count, length)))
        return np.minimum(places, _WORDS - 1).tolist()

    def _said(self, places: list[int]) -> str:
        return " ".join([self._words[place] for place in places])
