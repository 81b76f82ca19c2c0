"""The query's vector: asked for where it helps, done without where it can't be had."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .embedding.checked import checked_vectors
from .errors import EmbedderFailed, EmbedderMismatch, NoEmbedder
from .model import Event
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
        return self.embedded_all([ask])[0]

    def embedded_all(self, asks: Sequence[Ask]) -> list[Ask]:
        """Do the same for several searches in one call of the embedder."""
        texts = self._texts(asks)
        if self._embedder is None or not texts:
            return list(asks)
        try:
            return _with_vectors(
                asks, texts, checked_vectors(self._embedder.embed(texts, "query"), len(texts), self._embedder.dimensions), self._embedder
            )
        except Exception as error:  # an embedder may raise anything
            return self._without(asks, error)

    async def aembedded(self, ask: Ask) -> Ask:
        """Do the same as `embedded`; an embedder that can be awaited is, another runs in a thread."""
        return (await self.aembedded_all([ask]))[0]

    async def aembedded_all(self, asks: Sequence[Ask]) -> list[Ask]:
        """Do the same for several searches in one call of the embedder."""
        texts = self._texts(asks)
        if self._embedder is None or not texts:
            return list(asks)
        aembed = getattr(self._embedder, "aembed", None)
        if aembed is None:
            return await asyncio.to_thread(self.embedded_all, asks)
        try:
            return _with_vectors(
                asks, texts, checked_vectors(await aembed(texts, "query"), len(texts), self._embedder.dimensions), self._embedder
            )
        except Exception as error:  # as above
            return self._without(asks, error)

    def _texts(self, asks: Sequence[Ask]) -> list[str]:
        """Return the distinct texts that need a vector."""
        needed = [ask for ask in asks if _needs_vector(ask)]
        if self._embedder is None and any(ask.mode == "dense" for ask in needed):
            raise NoEmbedder
        return list(dict.fromkeys(ask.text for ask in needed if ask.text is not None))

    def stale(self, asks: Sequence[Ask], error: EmbedderMismatch) -> list[Ask]:
        """Return the searches for words alone, where another embedder took over the store; raises the error in dense mode."""
        if any(ask.space is not None and ask.mode == "dense" for ask in asks):
            raise error
        self._tell(Event("query_not_embedded", {"error": type(error).__name__}))
        return [replace(ask, vector=None, space=None) if ask.space is not None else ask for ask in asks]

    def _without(self, asks: Sequence[Ask], error: Exception) -> list[Ask]:
        if any(_needs_vector(ask) and ask.mode == "dense" for ask in asks):
            raise EmbedderFailed(f"the query could not be embedded: {type(error).__name__}: {error}") from error
        self._tell(Event("query_not_embedded", {"error": type(error).__name__}))
        return list(asks)


def _needs_vector(ask: Ask) -> bool:
    return ask.text is not None and ask.vector is None and ask.mode != "lexical" and bool(ask.text.strip())


def _with_vectors(asks: Sequence[Ask], texts: Sequence[str], vectors: NDArray[np.float32], embedder: Embedder) -> list[Ask]:
    by_text = dict(zip(texts, vectors, strict=True))
    return [
        replace(ask, vector=by_text[ask.text], space=embedder.name) if _needs_vector(ask) and ask.text is not None else ask for ask in asks
    ]
