"""Searching several namespaces at once, for callers whose namespaces are a hierarchy."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from ..errors import EmbedderFailed
from ..model import Event, Hit
from ..retrieval import Ask, Mode
from ..validation import checked_k, checked_offset, checked_query
from .items import Filters
from .searching import Searching


class Across(Searching):
    """How items of several namespaces are found together."""

    def search_across(
        self,
        query: str,
        k: int = 4,
        *,
        namespaces: Sequence[str],
        offset: int = 0,
        filter: Filters | None = None,
        collapse_duplicates: bool = True,
    ) -> list[tuple[str, Hit]]:
        """Return the k best items of several namespaces, each with its namespace, from one moment's state.

        They are ranked by cosine, which means the same in all of them; by words, as far as those scores compare, where there
        is no embedder or it fails.

        Args:
            query: a text.
            k: how many.
            namespaces: where to look.
            offset: how many of the best to leave out first.
            filter: as in `search`.
            collapse_duplicates: as in `search`, within each namespace.
        """
        asks = self._asks_across(query, k, namespaces, offset, filter, collapse_duplicates)
        try:
            ready = self._queries.embedded_all(asks)
        except EmbedderFailed as error:
            ready = self._by_words(asks, error)
        return _best_of(asks, self._retrieval.search_many(ready), k, offset)

    async def asearch_across(
        self,
        query: str,
        k: int = 4,
        *,
        namespaces: Sequence[str],
        offset: int = 0,
        filter: Filters | None = None,
        collapse_duplicates: bool = True,
    ) -> list[tuple[str, Hit]]:
        """Do the same as `search_across` without blocking the event loop."""
        asks = self._asks_across(query, k, namespaces, offset, filter, collapse_duplicates)
        try:
            ready = await self._queries.aembedded_all(asks)
        except EmbedderFailed as error:
            ready = self._by_words(asks, error)
        return _best_of(asks, await asyncio.to_thread(self._retrieval.search_many, ready), k, offset)

    def _asks_across(self, query: str, k: int, namespaces: Sequence[str], offset: int, filter: Filters | None, collapse: bool) -> list[Ask]:
        mode: Mode = "hybrid" if self.embedder is None else "dense"
        most = checked_k(k) + checked_offset(offset)
        one = self._ask(checked_query(query), most, None, filter, None, mode, collapse)
        return [replace(one, namespace=self._own(name)) for name in dict.fromkeys(namespaces)]

    def _by_words(self, asks: Sequence[Ask], error: EmbedderFailed) -> list[Ask]:
        self._tell(Event("query_not_embedded", {"error": type(error.__cause__ or error).__name__}))
        return [replace(ask, mode="hybrid") for ask in asks]


def _best_of(asks: Sequence[Ask], found: Sequence[Sequence[Hit]], k: int, offset: int) -> list[tuple[str, Hit]]:
    """Return the best hits of several searches, each with its search's namespace."""
    every = [(ask.namespace, hit) for ask, hits in zip(asks, found, strict=True) for hit in hits]
    every.sort(key=lambda pair: -pair[1].score)  # stable: of equals the earlier namespace's first
    return every[offset : offset + k]
