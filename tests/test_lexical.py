"""The postings: compact arrays that say what a plain count says."""

from collections import Counter

import numpy as np

from vectopt.index.lexical import LexicalIndex
from vectopt.index.segment import posted


def test_a_large_vocabulary_s_postings_are_its_own() -> None:
    """Terms times positions exceed 32 bits from some 260,000 words on, at 8,192 texts a call."""
    rng = np.random.default_rng(1)
    terms = rng.integers(0, 2_000_000, size=20_000)
    terms[:3] = 0, 2_000_000, 2_000_000
    positions = np.sort(rng.integers(0, 8192, size=20_000)) + 5_000_000
    segment = posted(terms, positions)
    found = {
        (term, int(position)): int(count)
        for term in segment.terms.tolist()
        for position, count in zip(segment.where[segment.part(term)], segment.counts[segment.part(term)], strict=True)
    }
    assert found == Counter(zip(terms.tolist(), positions.tolist(), strict=True))


def test_every_word_of_a_large_vocabulary_finds_its_text() -> None:
    index = LexicalIndex()
    for start in range(0, 40_960, 8192):
        numbers = range(start, start + 8192)
        index.add(np.arange(start, start + 8192), [[f"w{number * 8 + place}" for place in range(8)] for number in numbers])
    view = index.view()
    for number in range(0, 40_960, 997):
        scores = view.scores(index.terms([f"w{number * 8 + 3}"]), None, 40_960)
        assert np.flatnonzero(scores).tolist() == [number]
