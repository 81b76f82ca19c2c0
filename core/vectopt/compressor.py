"""`PatternCompressor`: a stream of contents, and the clusters they fall into."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

from .clock import SystemClock
from .compression import TOKENIZERS, GrowingCluster, GuardedLeader, Leader, PatternCluster, Tokenizer, content_bytes
from .errors import InvalidItem, InvalidSettings
from .model import Keyed
from .protocols import Clock

_DEFAULT_IMPORTANCE = 0.5
_MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class CompressionResult(Keyed):
    """What `compress_patterns` did.

    Attributes:
        compressed_clusters: the clusters that the contents are in, in the order they opened.
        original_count: the contents given.
        compressed_count: the clusters.
        compression_ratio: 1 - bytes of the representatives / bytes of all contents of the clusters.
        storage_saved_mb: the difference, in megabytes of 1,048,576 bytes.
    """

    compressed_clusters: tuple[PatternCluster, ...]
    original_count: int
    compressed_count: int
    compression_ratio: float
    storage_saved_mb: float


class PatternCompressor:
    """Clusters near-duplicate contents as they come; in one call or in many, the clusters are the same.

    Two contents are alike as the specification measures it: 0.7 x Jaccard(lower-cased words) + 0.3 x (1 - |length difference| /
    longer length). The first content that is like no opener opens a cluster, and those that are like it join it. Exact: the
    clusters are those of a comparison of all pairs, at 10 to 30 microseconds a content.

    Args:
        similarity_threshold: from which two contents are alike, above 0 and at most 1.
        tokenizer: "spec" takes what lies between white space as words; "mixed" does so too, but takes runs in scripts without
            spaces (Japanese, Chinese, Thai, Lao, Khmer, Burmese) as pairs of characters.
        guard: let only contents be one that say the same: nothing may differ but letter case, punctuation, white space, words
            that carry nothing, and the place of an adverbial.
        clock: what tells `created_at` and `last_updated`.
    """

    def __init__(
        self,
        similarity_threshold: float = 0.85,
        *,
        tokenizer: Tokenizer = "spec",
        guard: bool = False,
        clock: Clock | None = None,
    ) -> None:
        if not isinstance(similarity_threshold, int | float) or not 0 < similarity_threshold <= 1:
            raise InvalidSettings(f"similarity_threshold must be above 0 and at most 1, not {similarity_threshold!r}")
        if tokenizer not in TOKENIZERS:
            raise InvalidSettings(f"tokenizer must be one of {', '.join(TOKENIZERS)}, not {tokenizer!r}")
        self.similarity_threshold = float(similarity_threshold)
        self.tokenizer = tokenizer
        self.guard = guard
        self._clock = clock or SystemClock()
        self._leader = (GuardedLeader if guard else Leader)(self.similarity_threshold, TOKENIZERS[tokenizer])
        self._clusters: list[GrowingCluster] = []
        self._processed = 0

    def add(self, content: str | Mapping[str, Any]) -> int:
        """Take one content in and return the number of its cluster, as `add_many`."""
        return self.add_many([content])[0]

    def add_many(self, contents: Iterable[str | Mapping[str, Any]]) -> list[int]:
        """Take contents in and return the number of each one's cluster.

        Args:
            contents: texts, or mappings with `content` and optionally `importance_score` (0.5) and `patterns` (names).

        Returns:
            Numbers of clusters, counted from 0 as they open; a content's number never changes.

        Raises:
            InvalidItem: a content is not what it should be; none was taken in.
        """
        checked = [_checked(content, place) for place, content in enumerate(contents)]
        now = self._clock.now()
        numbers = self._leader.add([content for content, _, _ in checked])
        for number, (content, importance, patterns) in zip(numbers, checked, strict=True):
            if number == len(self._clusters):
                self._clusters.append(GrowingCluster(number, created_at=now))
            self._clusters[number].add(content, importance, patterns, now)
        self._processed += len(checked)
        return numbers

    @property
    def clusters(self) -> dict[str, PatternCluster]:
        """All clusters by their ids."""
        return {cluster.cluster_id: cluster for cluster in (growing.cluster() for growing in self._clusters)}

    def compress_patterns(self, contents: Iterable[str | Mapping[str, Any]]) -> CompressionResult:
        """Take contents in, as `add_many`, and return the clusters they are in."""
        numbers = self.add_many(contents)
        touched = [self._clusters[number] for number in sorted(set(numbers))]
        clusters = tuple(growing.cluster() for growing in touched)
        before, after = _bytes(touched)
        return CompressionResult(clusters, len(numbers), len(clusters), _ratio(before, after), (before - after) / _MEGABYTE)

    def search_compressed_patterns(self, query: str, limit: int = 10) -> list[PatternCluster]:
        """Return clusters with the query, in any case, in a content or in the signature: by importance, then frequency, highest first."""
        if limit < 0:
            raise InvalidItem(f"limit must not be negative, but is {limit}")
        asked = query.lower()
        found = [
            cluster
            for cluster in (growing.cluster() for growing in self._clusters)
            if asked in cluster.pattern_signature.lower()
            or asked in cluster.representative_content.lower()
            or any(asked in content.lower() for content in cluster.similar_contents)
        ]
        found.sort(key=lambda cluster: (cluster.importance_score, cluster.frequency), reverse=True)
        return found[:limit]

    def get_compression_statistics(self) -> dict[str, Any]:
        """Return what was done so far.

        `total_processed` contents and `clusters_created`; `compression_ratio` and `storage_saved_mb` over all of them;
        `active_clusters`; `average_cluster_size` in contents.
        """
        before, after = _bytes(self._clusters)
        return {
            "total_processed": self._processed,
            "clusters_created": len(self._clusters),
            "compression_ratio": _ratio(before, after),
            "storage_saved_mb": (before - after) / _MEGABYTE,
            "active_clusters": len(self._clusters),
            "average_cluster_size": self._processed / max(len(self._clusters), 1),
        }


def _checked(content: str | Mapping[str, Any], place: int) -> tuple[str, float, Sequence[str]]:
    if isinstance(content, str):
        return content, _DEFAULT_IMPORTANCE, ()
    if not isinstance(content, Mapping):
        raise InvalidItem(f"contents[{place}] must be a text or a mapping with `content`, not {type(content).__name__}")
    text, importance = content.get("content"), content.get("importance_score", _DEFAULT_IMPORTANCE)
    patterns = content.get("patterns") or ()
    if not isinstance(text, str):
        raise InvalidItem(f"contents[{place}]['content'] must be a text, not {type(text).__name__}")
    if isinstance(importance, bool) or not isinstance(importance, int | float) or isnan(importance):
        raise InvalidItem(f"contents[{place}]['importance_score'] must be a number, not {importance!r}")
    if isinstance(patterns, str) or not all(isinstance(name, str) for name in patterns):
        raise InvalidItem(f"contents[{place}]['patterns'] must be a list of names, not {patterns!r}")
    return text, float(importance), patterns


def _bytes(clusters: Iterable[GrowingCluster]) -> tuple[int, int]:
    """Return the bytes of all contents, and of the representatives."""
    before = after = 0
    for cluster in clusters:
        before += cluster.bytes
        after += content_bytes(cluster.contents[cluster.representative])
    return before, after


def _ratio(before: int, after: int) -> float:
    return 1 - after / before if before else 0.0
