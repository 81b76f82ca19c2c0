"""A retriever with vectopt's own options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Self

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, model_validator

from .vectorstore import VectOptVectorStore

_PER_CALL = ("k", "filter", "tiers", "mode", "namespace", "score_threshold", "fetch_k", "lambda_mult")


class VectOptRetriever(BaseRetriever):
    """Retrieves from a VectOptVectorStore; every option can be given here, and again at a call: `invoke(query, k=2)`.

    Args:
        vectorstore: the store.
        k: how many documents.
        search_type: "similarity", "mmr" or "similarity_score_threshold".
        filter: on the metadata: a Mongo-style dictionary, or a function of a Document.
        tiers: look in these only.
        mode: of a similarity search: "hybrid", "dense" or "lexical".
        namespace: where to look.
        score_threshold: of (1 + cosine) / 2, for "similarity_score_threshold".
        fetch_k: out of how many "mmr" chooses.
        lambda_mult: of "mmr": 1 is relevance alone, 0 diversity.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    vectorstore: VectOptVectorStore
    k: int = 4
    search_type: Literal["similarity", "mmr", "similarity_score_threshold"] = "similarity"
    filter: Mapping[str, Any] | Callable[[Document], bool] | None = None
    tiers: Sequence[str] | None = None
    mode: Literal["hybrid", "dense", "lexical"] = "hybrid"
    namespace: str | None = None
    score_threshold: float | None = None
    fetch_k: int = 20
    lambda_mult: float = 0.5

    @model_validator(mode="after")
    def _heed_everything(self) -> Self:
        if self.search_type == "similarity_score_threshold" and self.score_threshold is None:
            raise ValueError("search_type similarity_score_threshold needs a score_threshold in 0..1")
        if self.search_type != "similarity" and self.mode != "hybrid":
            raise ValueError(f"mode is of similarity searches; search_type {self.search_type} ranks by cosine")
        return self

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any) -> list[Document]:
        method, options = self._call(kwargs)
        if method == "similarity_search_with_relevance_scores":
            return [document for document, _ in self.vectorstore.similarity_search_with_relevance_scores(query, **options)]
        found: list[Document] = getattr(self.vectorstore, method)(query, **options)
        return found

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        method, options = self._call(kwargs)
        if method == "similarity_search_with_relevance_scores":
            return [document for document, _ in await self.vectorstore.asimilarity_search_with_relevance_scores(query, **options)]
        found: list[Document] = await getattr(self.vectorstore, f"a{method}")(query, **options)
        return found

    def _call(self, kwargs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return the store's method for this search type, and its arguments."""
        unknown = kwargs.keys() - set(_PER_CALL)
        if unknown:
            raise TypeError(f"unknown arguments {sorted(unknown)}; known are {', '.join(_PER_CALL)}")
        given = {name: kwargs.get(name, getattr(self, name)) for name in _PER_CALL}
        options = {name: given[name] for name in ("k", "filter", "tiers", "namespace")}
        if self.search_type == "mmr":
            return "max_marginal_relevance_search", {**options, "fetch_k": given["fetch_k"], "lambda_mult": given["lambda_mult"]}
        if self.search_type == "similarity_score_threshold":
            return "similarity_search_with_relevance_scores", {**options, "score_threshold": given["score_threshold"]}
        return "similarity_search", {**options, "mode": given["mode"]}
