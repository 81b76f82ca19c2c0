"""The query's vector: asked for where it helps, done without where it can't be had."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .embedding.checked import checked_vectors
from .errors import EmbedderFailed, NoEmbedder
from .model import Event, Vector
from .protocols import Embedder
from .retrieval import Ask


class QueryEmbedder:
    """Fills in a search's vector. In hybrid mode an embedder that fails leaves the words to answer alone."""

    def __init__(self, embedder: Embedder | None, tell: Callable[[Event], None]) -> None:
        self._embedder = embedder
        self._tell = tell

    def embedded(self, ask: Ask) -> Ask:
        """Return the search with its vector.

        Raises:
            NoEmbedder, EmbedderFailed: in dense mode.
        """
        embedder = self._needed(ask)
        if embedder is None or ask.text is None:
            return ask
        try:
            return replace(ask, vector=self._checked(embedder, embedder.embed([ask.text], "query")))
        except Exception as error:  # an embedder may raise anything
            return self._without(ask, error)

    async def aembedded(self, ask: Ask) -> Ask:
        """Do the same; an embedder that can be awaited is, another runs in a thread."""
        embedder = self._needed(ask)
        if embedder is None or ask.text is None:
            return ask
        aembed = getattr(embedder, "aembed", None)
        if aembed is None:
            return await asyncio.to_thread(self.embedded, ask)
        try:
            return replace(ask, vector=self._checked(embedder, await aembed([ask.text], "query")))
        except Exception as error:  # as above
            return self._without(ask, error)

    def _needed(self, ask: Ask) -> Embedder | None:
        if ask.text is None or ask.vector is not None or ask.mode == "lexical" or not ask.text.strip():
            return None
        if self._embedder is None and ask.mode == "dense":
            raise NoEmbedder
        return self._embedder

    @staticmethod
    def _checked(embedder: Embedder, answer: Any) -> Vector:
        vector: Vector = checked_vectors(answer, 1, embedder.dimensions)[0]
        return vector

    def _without(self, ask: Ask, error: Exception) -> Ask:
        if ask.mode == "dense":
            raise EmbedderFailed(f"the query could not be embedded: {type(error).__name__}: {error}") from error
        self._tell(Event("query_not_embedded", {"error": type(error).__name__}))
        return ask
