"""PURE. The analysis of one text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model import ContentAnalysis, Pattern
from .novelty import Novelty, shingles
from .patterns import DEFAULT_RULES, PatternRule, find_patterns
from .scale import Scale
from .words import words

_READ_CHARS = 20_000  # a text's beginning says what it is; bounds the work on huge ones
_RICH_WORDS = 24  # distinct words from which a text's length says nothing more


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a text says by itself, whatever came before it."""

    content: str
    shingles: NDArray[np.uint32]
    patterns: tuple[Pattern, ...]
    importance: float


class PatternEngine:
    """Says what a text is: its patterns, its importance and its novelty.

    Both scores are ranks: 0.8 means above 80 % of what the namespace has seen. In an empty one they are raw scores.

    Args:
        rules: the patterns looked for; extend `DEFAULT_RULES` with your own.
        novelty: what the namespace has seen so far. `observe` takes a text in; nothing else changes it.
        scale: how the namespace's texts have scored so far; changed by `observe` alone, too.
    """

    def __init__(self, rules: tuple[PatternRule, ...] = DEFAULT_RULES, novelty: Novelty | None = None, scale: Scale | None = None) -> None:
        self.rules = rules
        self.novelty = novelty or Novelty()
        self.scale = scale or Scale()
        self._last: _Reading | None = None

    def analyze_content(self, content: str, metadata: Mapping[str, Any] | None = None) -> ContentAnalysis:
        """Return what the text is, against what was observed before it. Changes nothing."""
        reading = self._read(content)
        return ContentAnalysis(
            patterns=reading.patterns,
            importance_score=self.scale.importance.score(reading.importance),
            novelty_score=self.scale.novelty.score(self.novelty.of(reading.shingles)),
            metadata=metadata or {},
        )

    def observe(self, content: str) -> None:
        """Take a text in as seen. One without words leaves the scale as it is."""
        reading = self._read(content)
        if len(reading.shingles):
            self.scale.observe(reading.importance, self.novelty.of(reading.shingles))
        self.novelty.observe(reading.shingles)

    def _read(self, content: str) -> _Reading:
        """Read a text; the last one's reading is at hand, since it is mostly observed next."""
        if self._last is None or self._last.content is not content:
            beginning = content[:_READ_CHARS]
            tokens = words(beginning)
            patterns, weight = find_patterns(beginning, self.rules)
            self._last = _Reading(content, shingles(tokens), patterns, _importance(tokens, weight))
        return self._last


def _importance(tokens: Sequence[str], weight: float) -> float:
    """Return 0.3 to 0.55 by the number of distinct words, moved by what the patterns found weigh, within 0..1."""
    richness = min(1.0, len(set(tokens)) / _RICH_WORDS)
    return min(1.0, max(0.0, 0.3 + 0.25 * richness + weight))
