"""PURE. What a text says by itself, whatever came before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model import Pattern
from .importance import Features, features
from .novelty import paired, within
from .patterns import DEFAULT_RULES, PatternRule, find_patterns, hints_of
from .words import words

READ_CHARS = 20_000  # a text's beginning says what it is; bounds the work on huge ones
_RICH_WORDS = 24  # distinct words from which a text's length says nothing more


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A text's words, shingles and patterns, and the importance it has before anything is learned."""

    content: str
    words: list[str]
    shingles: NDArray[np.uint32]
    patterns: tuple[Pattern, ...]
    prior: float

    def features(self, novelty: float) -> Features:
        """Return what its importance can be learned from. `novelty`: how new it was when it came."""
        return features(self.content[:READ_CHARS], self.words, self.patterns, self.prior, novelty)


def read(content: str, rules: tuple[PatternRule, ...] = DEFAULT_RULES) -> Reading:
    """Read the first 20,000 characters of a text."""
    beginning = content[:READ_CHARS]
    tokens = words(beginning)
    codes = hints_of(rules).codes(tokens)
    patterns, weight = find_patterns(beginning, rules, codes)
    return Reading(content, tokens, within(paired(codes)), patterns, _prior(tokens, weight))


def _prior(tokens: Sequence[str], weight: float) -> float:
    """Return 0.3 to 0.55 by the number of distinct words, moved by what the patterns found weigh, within 0..1."""
    distinct = len(set(tokens[: 2 * _RICH_WORDS]))
    if distinct < _RICH_WORDS < len(tokens):
        distinct = len(set(tokens))
    richness = min(1.0, distinct / _RICH_WORDS)
    return min(1.0, max(0.0, 0.3 + 0.25 * richness + weight))
