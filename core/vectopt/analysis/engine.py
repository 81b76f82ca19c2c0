"""PURE. The analysis of one text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model import ContentAnalysis
from .novelty import Novelty, shingles
from .patterns import DEFAULT_RULES, PatternRule, find_patterns
from .words import words

_READ_CHARS = 20_000  # a text's beginning says what it is; bounds the work on huge ones
_RICH_WORDS = 24  # distinct words from which a text's length says nothing more


class PatternEngine:
    """Says what a text is: its patterns, its importance and its novelty.

    Args:
        rules: the patterns looked for; extend `DEFAULT_RULES` with your own.
        novelty: what the namespace has seen so far. `observe` takes a text in; nothing else changes it.
    """

    def __init__(self, rules: tuple[PatternRule, ...] = DEFAULT_RULES, novelty: Novelty | None = None) -> None:
        self.rules = rules
        self.novelty = novelty or Novelty()
        self._last: tuple[str, list[str], NDArray[np.uint32]] = "", [], shingles([])

    def analyze_content(self, content: str, metadata: Mapping[str, Any] | None = None) -> ContentAnalysis:
        """Return what the text is, against what was observed before it. Changes nothing."""
        tokens, hashes = self._read(content)
        patterns, weight = find_patterns(content[:_READ_CHARS], self.rules)
        return ContentAnalysis(
            patterns=patterns,
            importance_score=_importance(tokens, weight),
            novelty_score=self.novelty.of(hashes),
            metadata=metadata or {},
        )

    def observe(self, content: str) -> None:
        """Take a text in as seen."""
        self.novelty.observe(self._read(content)[1])

    def _read(self, content: str) -> tuple[list[str], NDArray[np.uint32]]:
        """Return the text's words and shingles; the last text's are at hand, since it is mostly observed next."""
        if self._last[0] is not content:
            tokens = words(content[:_READ_CHARS])
            self._last = content, tokens, shingles(tokens)
        return self._last[1:]


def _importance(tokens: Sequence[str], weight: float) -> float:
    """Return 0.3 to 0.55 by the number of distinct words, moved by what the patterns found weigh, within 0..1."""
    richness = min(1.0, len(set(tokens)) / _RICH_WORDS)
    return min(1.0, max(0.0, 0.3 + 0.25 * richness + weight))
