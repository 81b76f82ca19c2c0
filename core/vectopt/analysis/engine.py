"""PURE. The analysis of one text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model import ContentAnalysis
from .importance import Importance
from .novelty import Novelty
from .patterns import DEFAULT_RULES, PatternRule
from .reading import Reading, read
from .scale import Scale


class PatternEngine:
    """Says what a text is: its patterns, its importance and its novelty.

    Both scores are ranks: 0.8 means above 80 % of what the namespace has seen. In an empty one they are raw scores.

    Args:
        rules: the patterns looked for; extend `DEFAULT_RULES` with your own.
        novelty: what the namespace has seen so far. `observe` takes a text in; nothing else changes it.
        scale: how the namespace's texts have scored so far; changed by `observe` alone, too.
        importance: what the namespace's feedback has taught; read, never changed.
    """

    def __init__(
        self,
        rules: tuple[PatternRule, ...] = DEFAULT_RULES,
        novelty: Novelty | None = None,
        scale: Scale | None = None,
        importance: Importance | None = None,
    ) -> None:
        self.rules = tuple(rules)
        self.novelty = novelty or Novelty()
        self.scale = scale or Scale()
        self.importance = importance or Importance()
        self._last: Reading | None = None
        self._raw: tuple[Reading, Importance, float, float] | None = None  # the last one's raw scores, until a text is taken in

    def analyze_content(self, content: str, metadata: Mapping[str, Any] | None = None) -> ContentAnalysis:
        """Return what the text is, against what was observed before it. Changes nothing."""
        reading = self.read(content)
        importance, novelty = self._scores(reading)
        return ContentAnalysis(
            patterns=reading.patterns,
            importance_score=self.scale.importance.score(importance),
            novelty_score=self.scale.novelty.score(novelty),
            metadata=metadata or {},
        )

    def observe(self, content: str) -> None:
        """Take a text in as seen. One without words leaves the scale as it is."""
        reading = self.read(content)
        if reading.words:
            self.scale.observe(*self._scores(reading))
        self.novelty.observe(reading.shingles)
        self._raw = None

    def read(self, content: str) -> Reading:
        """Read a text; the last one's reading is at hand, since it is mostly observed next."""
        if self._last is None or self._last.content is not content:
            self._last = read(content, self.rules)
        return self._last

    def _scores(self, reading: Reading) -> tuple[float, float]:
        """Return the raw importance and novelty; features cost their time only where something was learned of them."""
        if self._raw is None or self._raw[0] is not reading or self._raw[1] is not self.importance:
            novelty = self.novelty.of(reading.shingles)
            importance = reading.prior
            if not self.importance.neutral:
                importance = self.importance.raw(reading.features(self.scale.novelty.score(novelty)))
            self._raw = reading, self.importance, importance, novelty
        return self._raw[2:]
