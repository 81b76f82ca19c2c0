"""VectorManager behind LlamaIndex's vector store interface. No decision, no ranking here: it translates."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import Any, Literal

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)

from vectopt import Budget, Hit, StoredItem, VectorManager, compile_filter

from .embedder import LlamaIndexEmbedder
from .translation import belongs_to, to_filter, to_item, to_node

_MODES: dict[VectorStoreQueryMode, Literal["hybrid", "dense", "lexical"]] = {
    VectorStoreQueryMode.DEFAULT: "dense",
    VectorStoreQueryMode.SPARSE: "lexical",
    VectorStoreQueryMode.TEXT_SEARCH: "lexical",
    VectorStoreQueryMode.HYBRID: "hybrid",
    VectorStoreQueryMode.SEMANTIC_HYBRID: "hybrid",
}


class VectOptVectorStore(BasePydanticVectorStore):
    """A LlamaIndex vector store that keeps itself small.

    Nodes that come with an embedding are taken as they are. With an `embed_model`, nodes without one are accepted by
    `add` too, and embedded as far as the budget and the rules ask for.

    Args:
        path: the store's file; None for a private temporary store.
        namespace: where nodes go and are looked for.
        budget: what the store may use.
        embed_model: embeds nodes that come without an embedding, and queries that come as text.
        manager: a VectorManager of your own, instead of all of the above but `namespace`.
    """

    stores_text: bool = True
    flat_metadata: bool = False
    path: str | None = None
    namespace: str = "default"
    budget: Budget = Budget()

    _manager: VectorManager = PrivateAttr()
    _owned: bool = PrivateAttr()

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        namespace: str = "default",
        budget: Budget | None = None,
        embed_model: BaseEmbedding | None = None,
        manager: VectorManager | None = None,
        **fields: Any,
    ) -> None:
        path = None if path is None else os.fspath(path)
        super().__init__(path=path, namespace=namespace, budget=budget or Budget(), **fields)  # type: ignore[call-arg]  # the base hides its fields
        embedder = LlamaIndexEmbedder(embed_model) if embed_model is not None else None
        self._owned = manager is None
        self._manager = manager or VectorManager(path, embedder=embedder, budget=self.budget, namespace=namespace)

    @classmethod
    def class_name(cls) -> str:
        """Return the name LlamaIndex serialises this class under."""
        return "VectOptVectorStore"

    @property
    def client(self) -> VectorManager:
        """The VectorManager behind this store."""
        return self._manager

    def close(self) -> None:
        """Close the store's file; with a manager of your own, that is yours to close."""
        if self._owned:
            self._manager.close()

    # --- adding and deleting

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Add nodes, all or none, and return their ids; an existing id is replaced."""
        _refuse(kwargs)
        return self._manager.add([to_item(node) for node in nodes], namespace=self.namespace, wait=True)

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Add nodes without blocking the event loop."""
        _refuse(kwargs)
        items = await asyncio.to_thread(lambda: [to_item(node) for node in nodes])
        return await self._manager.aadd(items, namespace=self.namespace, wait=True)

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Delete the nodes of a document."""
        _refuse(delete_kwargs)
        found = self._manager.scan(namespace=self.namespace, filter=lambda item: belongs_to(item, ref_doc_id))
        self._manager.delete([item.id for item in found], namespace=self.namespace)

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Delete the nodes of a document without blocking the event loop."""
        await asyncio.to_thread(self.delete, ref_doc_id, **delete_kwargs)

    def delete_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any) -> None:
        """Delete nodes by id, by filter, or by both; without either nothing is deleted."""
        _refuse(delete_kwargs)
        if node_ids is None and filters is None:
            return
        found = self._find(node_ids, filters)
        self._manager.delete([item.id for item in found], namespace=self.namespace)

    async def adelete_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any) -> None:
        """Delete nodes without blocking the event loop."""
        await asyncio.to_thread(self.delete_nodes, node_ids, filters, **delete_kwargs)

    def clear(self) -> None:
        """Delete every node of the namespace."""
        self._manager.delete_all(namespace=self.namespace)

    async def aclear(self) -> None:
        """Delete every node of the namespace without blocking the event loop."""
        await self._manager.adelete_all(namespace=self.namespace)

    # --- reading

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """Return nodes by id, by filter, by both, or all of the namespace."""
        found = [item.id for item in self._find(node_ids, filters)]
        nodes = []
        for item in self._manager.get(found, namespace=self.namespace, with_vectors=True):
            node = to_node(item)
            node.embedding = None if item.vector is None else item.vector.tolist()
            nodes.append(node)
        return nodes

    async def aget_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """Return nodes without blocking the event loop."""
        return await asyncio.to_thread(self.get_nodes, node_ids, filters)

    def _find(self, node_ids: list[str] | None, filters: MetadataFilters | None) -> list[StoredItem]:
        spec = to_filter(filters)
        if node_ids is None:
            return self._manager.scan(namespace=self.namespace, filter=spec)
        if not spec:
            return self._manager.get(node_ids, namespace=self.namespace)
        passing = {item.id: item for item in self._manager.scan(namespace=self.namespace, filter=spec)}
        return [passing[id] for id in node_ids if id in passing]

    # --- querying

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Answer a query in the modes default, sparse, text_search, hybrid, semantic_hybrid and mmr.

        Raises:
            ValueError: the mode is another one, or the query has neither text nor embedding nor filters.
        """
        return self._query(query, kwargs)

    async def aquery(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Answer a query without blocking the event loop."""
        return await asyncio.to_thread(self._query, query, kwargs)

    def _query(self, query: VectorStoreQuery, kwargs: dict[str, Any]) -> VectorStoreQueryResult:
        _refuse(kwargs, "mmr_threshold")
        passes = _restriction(query)
        scope = {"namespace": self.namespace, "filter": passes}
        if query.query_embedding is None and query.query_str is None:
            if query.filters is None and not query.node_ids and not query.doc_ids:
                raise ValueError("the query has neither text nor embedding nor filters")
            listed = self._manager.scan(namespace=self.namespace, filter=passes)[: query.similarity_top_k]
            return _result([(item, 0.0) for item in listed])
        given: Any = query.query_embedding if query.query_embedding is not None else query.query_str
        if query.mode == VectorStoreQueryMode.MMR:
            threshold = kwargs.get("mmr_threshold", query.mmr_threshold)
            hits = self._manager.max_marginal_relevance(
                given, query.similarity_top_k, lambda_mult=0.5 if threshold is None else threshold, **scope
            )
            return _result([(hit, hit.similarity or 0.0) for hit in hits])
        mode = _MODES.get(query.mode)
        if mode is None:
            raise ValueError(f"query mode {query.mode.value!r} is not offered; there are {', '.join(one.value for one in _MODES)} and mmr")
        if mode == "dense":
            if query.query_embedding is None and self._manager.embedder is None:
                mode = "lexical"
            hits = self._manager.search(given, query.similarity_top_k, mode=mode, **scope)
            return _result([(hit, 2 * hit.score - 1 if mode == "dense" else hit.score) for hit in hits])
        if mode == "lexical" or query.query_embedding is None:
            if query.query_str is None:
                raise ValueError(f"query mode {query.mode.value!r} needs query_str")
            top = (query.sparse_top_k if mode == "lexical" else query.hybrid_top_k) or query.similarity_top_k
            hits = self._manager.search(query.query_str, top, mode=mode, lexical_weight=_weight(query, mode), **scope)
        else:
            top = query.hybrid_top_k or query.similarity_top_k
            hits = self._manager.search(
                query.query_embedding, top, text=query.query_str, mode="hybrid", lexical_weight=_weight(query, mode), **scope
            )
        return _result([(hit, hit.score) for hit in hits])

    def persist(self, persist_path: str, fs: Any = None) -> None:
        """Do nothing: what was added is durable already, in the store's own file."""


def _weight(query: VectorStoreQuery, mode: str) -> float | None:
    """Return the share of the words: LlamaIndex's alpha is that of the vectors."""
    return None if query.alpha is None or mode != "hybrid" else 1 - query.alpha


def _restriction(query: VectorStoreQuery) -> Any:
    """Return the query's filters, ids and documents as one filter. An empty list of ids restricts nothing."""
    spec = to_filter(query.filters)
    if not query.node_ids and not query.doc_ids:
        return spec
    checks: list[Callable[[Any], bool]] = []
    if spec:
        compiled = compile_filter(spec)
        if compiled is not None:
            checks.append(compiled)
    if query.node_ids:
        node_ids = frozenset(query.node_ids)
        checks.append(lambda item: item.id in node_ids)
    if query.doc_ids:
        doc_ids = tuple(query.doc_ids)
        checks.append(lambda item: any(belongs_to(item, doc_id) for doc_id in doc_ids))
    return lambda item: all(check(item) for check in checks)


def _result(found: Sequence[tuple[Hit | StoredItem, float]]) -> VectorStoreQueryResult:
    return VectorStoreQueryResult(
        nodes=[to_node(item) for item, _ in found],
        similarities=[float(score) for _, score in found],
        ids=[item.id for item, _ in found],
    )


def _refuse(kwargs: dict[str, Any], *known: str) -> None:
    unknown = kwargs.keys() - set(known)
    if unknown:
        raise TypeError(f"unknown arguments {sorted(unknown)}")
