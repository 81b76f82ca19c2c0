"""Near-duplicates: making them one, and looking at what they are one of."""

from __future__ import annotations

from typing import Any

from ..compression import PatternCluster
from ..errors import InvalidInput
from ..ledger import clusters
from ..model import CompressionReport, Event
from ..validation import checked_k, checked_query
from .async_twin import off_loop
from .parts import Parts

_MEGABYTE = 1024 * 1024


class Compressing(Parts):
    """What says the same, kept once."""

    def compress_similar(self, *, namespace: str | None = None, semantic: float | None = None) -> CompressionReport:
        """Let texts that say the same share one vector and one place in results. Each item keeps its id, metadata and text.

        Near-duplicates are found as they are added. This looks through the texts that are there: after `MergingSettings` were
        changed, or by meaning.

        Args:
            namespace: whose texts.
            semantic: merge also by meaning, from this cosine on (0.95 is careful, 0.9 bold). Texts of other words are merged only
                where they agree in all numbers, names and negations.

        Raises:
            InvalidInput: `semantic` is no cosine above 0.
        """
        if semantic is not None and (isinstance(semantic, bool) or not isinstance(semantic, int | float) or not 0 < semantic <= 1):
            raise InvalidInput(f"semantic must be a cosine above 0 and at most 1, or None; got {semantic!r}")
        name = self._own(namespace)
        self._upkeep.delete_expired()
        report = self._merging.run(name, semantic)
        if report.merged:
            self._tell(Event("merged", {"namespace": name, "texts": report.merged}))
        return report

    def search_compressed_patterns(self, query: str, limit: int = 10, *, namespace: str | None = None) -> list[PatternCluster]:
        """Return clusters with the query, in any case, in a text or in the signature: by importance, then frequency, highest first."""
        name, asked, most = self._own(namespace), checked_query(query), checked_k(limit, "limit")
        self._upkeep.delete_expired()
        with self._ledger.reading() as db:
            return clusters.search(db, name, asked, most)

    def get_compression_statistics(self, *, namespace: str | None = None) -> dict[str, Any]:
        """Return what sharing saves in a namespace, from a count of all its texts.

        `total_processed` items, `clusters_created` and `active_clusters`, `average_cluster_size` in items, `compression_ratio` = 1 - bytes
        of the texts that are kept whole / bytes of all items' texts, `storage_saved_mb` the difference.
        """
        name = self._own(namespace)
        self._upkeep.delete_expired()
        with self._ledger.reading() as db:
            items, slots, before, after = clusters.totals(db, name)
        return {
            "total_processed": items,
            "clusters_created": slots,
            "compression_ratio": 1 - after / before if before else 0.0,
            "storage_saved_mb": (before - after) / _MEGABYTE,
            "active_clusters": slots,
            "average_cluster_size": items / max(slots, 1),
        }

    acompress_similar = off_loop(compress_similar)
    asearch_compressed_patterns = off_loop(search_compressed_patterns)
    aget_compression_statistics = off_loop(get_compression_statistics)
