"""The searches of LangChain's VectorStore interface, each beside its async twin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore

from vectopt import VectorManager

from .translation import mmr_options, relevance, relevance_options, search_options, to_document


class Searches(VectorStore):
    """A manager's searches as LangChain's: documents for hits, in the store's namespace unless a call names another."""

    manager: VectorManager
    namespace: str

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Return the k best documents of all tiers; options as in the class."""
        return [to_document(hit) for hit in self.manager.search(query, k, **search_options(kwargs, self.namespace))]

    async def asimilarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Return the k best documents without blocking the event loop."""
        return [to_document(hit) for hit in await self.manager.asearch(query, k, **search_options(kwargs, self.namespace))]

    def similarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> list[tuple[Document, float]]:
        """Return the k best documents with their fused scores, 0..1, higher is better."""
        return [(to_document(hit), hit.score) for hit in self.manager.search(query, k, **search_options(kwargs, self.namespace))]

    async def asimilarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> list[tuple[Document, float]]:
        """Return the k best documents with their scores without blocking the event loop."""
        return [(to_document(hit), hit.score) for hit in await self.manager.asearch(query, k, **search_options(kwargs, self.namespace))]

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        """Return the k documents nearest to a vector; those without vectors come last."""
        return [to_document(hit) for hit in self.manager.search(embedding, k, **search_options(kwargs, self.namespace))]

    async def asimilarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        """Return the k documents nearest to a vector without blocking the event loop."""
        return [to_document(hit) for hit in await self.manager.asearch(embedding, k, **search_options(kwargs, self.namespace))]

    def similarity_search_with_score_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[tuple[Document, float]]:
        """Return the k documents nearest to a vector, each with (1 + cosine) / 2."""
        return [(to_document(hit), hit.score) for hit in self.manager.search(embedding, k, **search_options(kwargs, self.namespace))]

    async def asimilarity_search_with_score_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Return the k documents nearest to a vector with (1 + cosine) / 2 without blocking the event loop."""
        return [(to_document(hit), hit.score) for hit in await self.manager.asearch(embedding, k, **search_options(kwargs, self.namespace))]

    def _similarity_search_with_relevance_scores(self, query: str, k: int = 4, **kwargs: Any) -> list[tuple[Document, float]]:
        hits = self.manager.search(query, k, **relevance_options(kwargs, self.namespace))
        return [(to_document(hit), relevance(hit)) for hit in hits]

    async def _asimilarity_search_with_relevance_scores(self, query: str, k: int = 4, **kwargs: Any) -> list[tuple[Document, float]]:
        hits = await self.manager.asearch(query, k, **relevance_options(kwargs, self.namespace))
        return [(to_document(hit), relevance(hit)) for hit in hits]

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return lambda score: score  # fused scores are in 0..1 as they are

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Return k of the `fetch_k` nearest documents that don't repeat each other; 1 is relevance alone, 0 diversity."""
        options = mmr_options(kwargs, self.namespace)
        hits = self.manager.max_marginal_relevance(query, k, fetch_k=fetch_k, lambda_mult=lambda_mult, **options)
        return [to_document(hit) for hit in hits]

    async def amax_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Return documents that don't repeat each other without blocking the event loop."""
        options = mmr_options(kwargs, self.namespace)
        hits = await self.manager.amax_marginal_relevance(query, k, fetch_k=fetch_k, lambda_mult=lambda_mult, **options)
        return [to_document(hit) for hit in hits]

    def max_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Return k of the `fetch_k` documents nearest to a vector that don't repeat each other."""
        options = mmr_options(kwargs, self.namespace)
        hits = self.manager.max_marginal_relevance(embedding, k, fetch_k=fetch_k, lambda_mult=lambda_mult, **options)
        return [to_document(hit) for hit in hits]

    async def amax_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Return documents near a vector that don't repeat each other without blocking the event loop."""
        options = mmr_options(kwargs, self.namespace)
        hits = await self.manager.amax_marginal_relevance(embedding, k, fetch_k=fetch_k, lambda_mult=lambda_mult, **options)
        return [to_document(hit) for hit in hits]
