"""What is stored: texts of about 300 characters, a fifth of them lines of a few templates, with vectors like a language model's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from indexing.corpus import Floats, unit
from indexing.language import Language
from indexing.synthetic import Hard

from vectopt import Item

DIMENSIONS = 256
_CHARS = 300
_TEMPLATES = 40
_OF_A_TEMPLATE = 5  # one text in so many
_WORDS = 4  # of a question
_NOISE = 1.2  # length of what is added to a text's vector, of length 1
_SEED = 11


@dataclass(frozen=True)
class Corpus:
    """Texts and their vectors, by number; the item's id is the number."""

    texts: list[str]
    vectors: Floats

    def items(self, start: int, stop: int) -> list[Item]:
        """Return a run of items."""
        return [Item(self.texts[n], {"n": n}, id=str(n), vector=self.vectors[n]) for n in range(start, min(stop, len(self.texts)))]

    def questions(self, numbers: list[int]) -> list[tuple[int, str, Floats]]:
        """Return, for texts by number, a few of its words and a vector near its own."""
        rng = np.random.default_rng(_SEED)
        found = []
        for number in numbers:
            words = self.texts[number].split()
            some = " ".join(rng.choice(words, size=min(_WORDS, len(words)), replace=False))
            noise = rng.standard_normal(DIMENSIONS, np.float32) * np.float32(_NOISE / np.sqrt(DIMENSIONS))
            found.append((number, some, unit((self.vectors[number] + noise)[None])[0]))
        return found


def corpus(count: int) -> Corpus:
    """Make so many distinct texts, from a fixed seed."""
    rng = np.random.default_rng(_SEED)
    texts = Language().texts(count, rng, _CHARS)
    templates = Language().texts(_TEMPLATES, rng, _CHARS - 40)
    for number in range(0, count, _OF_A_TEMPLATE):
        texts[number] = f"{templates[rng.integers(_TEMPLATES)]} job {number} took {rng.integers(10_000)} ms"
    return Corpus(texts, unit(Hard(DIMENSIONS).points(count, rng)))
