"""PURE. A cluster of texts that are alike, and what is said of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..model import Keyed

_SIGNATURE = 5  # patterns


@dataclass(frozen=True, slots=True)
class PatternCluster(Keyed):
    """Texts that are alike.

    Attributes:
        cluster_id: stays the same as long as the compressor lives.
        representative_content: the text of the highest importance, the first of equals.
        similar_contents: the others, in the order they came; equal ones as often as they came.
        pattern_signature: the five most frequent patterns as `name:count`, joined by `|`.
        frequency: how many texts there are.
        importance_score: their mean importance, 0..1.
        created_at, last_updated: seconds since the epoch.
    """

    cluster_id: str
    representative_content: str
    similar_contents: tuple[str, ...]
    pattern_signature: str
    frequency: int
    importance_score: float
    created_at: float
    last_updated: float


@dataclass(slots=True)
class GrowingCluster:
    """A cluster while texts come in."""

    number: int
    created_at: float
    last_updated: float = 0.0
    contents: list[str] = field(default_factory=list)
    patterns: Counter[str] = field(default_factory=Counter)
    importance: float = 0.0  # the sum
    representative: int = 0
    highest: float = float("-inf")
    bytes: int = 0

    def add(self, content: str, importance: float, patterns: Sequence[str], now: float) -> None:
        """Take a text in."""
        if importance > self.highest:
            self.representative, self.highest = len(self.contents), importance
        self.contents.append(content)
        self.patterns.update(patterns)
        self.importance += importance
        self.bytes += content_bytes(content)
        self.last_updated = now

    def cluster(self) -> PatternCluster:
        """Return the cluster as it is."""
        return PatternCluster(
            cluster_id=f"cluster_{self.number}",
            representative_content=self.contents[self.representative],
            similar_contents=tuple(content for place, content in enumerate(self.contents) if place != self.representative),
            pattern_signature=signature(self.patterns),
            frequency=len(self.contents),
            importance_score=self.importance / len(self.contents),
            created_at=self.created_at,
            last_updated=self.last_updated,
        )


def signature(patterns: Counter[str]) -> str:
    """Return the most frequent patterns, those seen first where they are equally frequent."""
    return "|".join(f"{name}:{count}" for name, count in patterns.most_common(_SIGNATURE))


def content_bytes(content: str) -> int:
    """Return how many bytes a text takes in UTF-8."""
    return len(content.encode("utf-8", "surrogatepass"))
