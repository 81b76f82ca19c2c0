"""Searching what is archived, on request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..model import Hit, Item, Tier
from ..retrieval import Mode
from .async_twin import off_loop
from .items import Filters
from .searching import Asked, Searching


class Shelving(Searching):
    """Archived items are not in the indexes: a search of them reads them all."""

    _shelf: Callable[[], Any]  # makes a private temporary store, to search in what is put there

    def search_archived(
        self, query_or_vector: Asked, k: int = 4, *, namespace: str | None = None, filter: Filters | None = None, mode: Mode = "hybrid"
    ) -> list[Hit]:
        """Return the k best archived items, best first. It reads the namespace's whole archive: `restore` what is needed often.

        Args:
            query_or_vector: as in `search`, like all that follows.
            k: how many.
            namespace: where to look.
            filter: on the metadata.
            mode: "hybrid", "dense" or "lexical".

        Raises:
            NoArchive, ArchiveUnavailable, ArchiveDamaged: an archived item can't be read.
            InvalidQuery, InvalidVector, InvalidFilter, EmbedderFailed: as in `search`.
        """
        ask = self._queries.embedded(self._ask(query_or_vector, k, namespace, filter, None, mode, True))
        found = self._archivist.read(ask.namespace, None, with_vectors=True)
        if not found:
            return []
        with self._shelf() as shelf:
            shelf.add([Item(item.content, item.metadata, item.id, item.vector) for item in found.values()], namespace=ask.namespace)
            return [replace(hit, tier=Tier.ARCHIVED) for hit in shelf._retrieval.search(ask)]

    asearch_archived = off_loop(search_archived)
