"""VectorManager behind LlamaIndex's vector store interface. No decision, no ranking here: it translates."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import BasePydanticVectorStore, MetadataFilters, VectorStoreQuery, VectorStoreQueryResult

from vectopt import Budget, Embedder, Settings, StoredItem, VectorManager

from .embedder import LlamaIndexEmbedder
from .ingestion import DeferredEmbedding
from .querying import call_for
from .translation import embedded_text, to_filter, to_items, to_node


class VectOptVectorStore(BasePydanticVectorStore):
    """A LlamaIndex vector store that keeps itself small.

    Nodes that come with an embedding are taken as they are, and cost nothing. With an `embed_model`, nodes without one are
    accepted too, and embedded as far as the budget and the rules ask for: see `deferred`.
    When `add` returns, the nodes are durable and can be found, embedded or not.

    Args:
        path: the store's file; None for a private temporary store, removed at close.
        namespace: where nodes go and are looked for. One file holds any number of them, and they share nothing.
        budget: what the store may use.
        collapse_duplicates: give nodes whose texts say the same one place in results; each is there by its own id.
        embed_model: LlamaIndex's, or an embedder of vectopt's. Embeds nodes that come without an embedding, and queries that
            come as text. Never part of `to_dict`: it may hold a key.
        settings: everything else.
        manager: a VectorManager of your own, instead of all of the above but `namespace` and `collapse_duplicates`; closing it
            stays yours.

    Raises:
        vectopt.VectoptError: the file can't be used, or holds another embedder's vectors.
    """

    stores_text: bool = True
    flat_metadata: bool = False
    path: str | None = None
    namespace: str = "default"
    budget: Budget = Budget()
    collapse_duplicates: bool = True

    _manager: VectorManager = PrivateAttr()
    _owned: bool = PrivateAttr()

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        namespace: str | None = None,
        budget: Budget | Mapping[str, Any] | None = None,
        collapse_duplicates: bool = True,
        embed_model: BaseEmbedding | Embedder | None = None,
        settings: Settings | None = None,
        manager: VectorManager | None = None,
        **fields: Any,
    ) -> None:
        if manager is not None and any(one is not None for one in (path, budget, embed_model, settings)):
            raise ValueError("a manager has its own path, budget, embedder and settings: leave these out")
        if unknown := fields.keys() - type(self).model_fields.keys():
            raise TypeError(f"unknown arguments {sorted(unknown)}")
        allowed = Budget(**budget) if isinstance(budget, Mapping) else budget or Budget()
        opened = manager or VectorManager(
            path,
            embedder=LlamaIndexEmbedder(embed_model) if isinstance(embed_model, BaseEmbedding) else embed_model,
            budget=allowed,
            namespace="default" if namespace is None else namespace,
            settings=settings or Settings(),
            text_of=embedded_text,
        )
        fields |= {
            "path": None if path is None else os.fspath(path),
            "namespace": opened.namespace if namespace is None else namespace,
            "budget": opened.budget,
            "collapse_duplicates": collapse_duplicates,
        }
        super().__init__(**fields)
        self._owned = manager is None
        self._manager = opened

    @classmethod
    def class_name(cls) -> str:
        """Return the name LlamaIndex serialises this class under."""
        return "VectOptVectorStore"

    @property
    def client(self) -> VectorManager:
        """The VectorManager behind this store: `explain`, `stats`, `drain`, `start` and everything else."""
        return self._manager

    def in_namespace(self, namespace: str) -> Self:
        """Return the same store for another namespace, of a user or a session, say. Only closing this one closes the file."""
        return type(self)(namespace=namespace, collapse_duplicates=self.collapse_duplicates, manager=self._manager)

    def deferred(self) -> DeferredEmbedding:
        """Return an embedding model for pipelines, indexes and memory blocks that leaves nodes to this store.

        Raises:
            ValueError: the store has no embedding model of its own.
        """
        if self._manager.embedder is None:
            raise ValueError("nobody would embed the nodes: give the store an embed_model")
        return DeferredEmbedding(self._manager.embedder)

    # --- adding and deleting

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Add nodes, all or none, and return their ids; an existing id is replaced.

        Raises:
            vectopt.errors.InvalidItem, vectopt.errors.InvalidVector: nothing was stored.
        """
        _refuse(kwargs)
        self._manager.add(to_items(nodes), namespace=self.namespace, wait=True)
        return [node.node_id for node in nodes]

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Add nodes without blocking the event loop."""
        _refuse(kwargs)
        await self._manager.aadd(await asyncio.to_thread(to_items, nodes), namespace=self.namespace, wait=True)
        return [node.node_id for node in nodes]

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Delete the nodes of a document, from every tier."""
        _refuse(delete_kwargs)
        self._manager.delete_where({"ref_doc_id": {"$in": [ref_doc_id]}}, namespace=self.namespace)

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Delete the nodes of a document without blocking the event loop."""
        await asyncio.to_thread(self.delete, ref_doc_id, **delete_kwargs)

    def delete_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any) -> None:
        """Delete nodes by id, by filter, or those of the ids that pass the filter; unknown ids are no error.

        Raises:
            ValueError: neither says which nodes; to delete them all there is `clear`.
        """
        _refuse(delete_kwargs)
        spec = to_filter(filters)
        if node_ids is not None:
            self._manager.delete(node_ids, namespace=self.namespace, filter=spec)
        elif spec:
            self._manager.delete_where(spec, namespace=self.namespace)
        else:
            raise ValueError("which nodes? Give node_ids or filters; to delete all of the namespace call clear()")

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
        """Return nodes by id, by filter, by both, or all of the namespace, with their embeddings where they have one."""
        spec = to_filter(filters)
        found = self._manager.scan(namespace=self.namespace, filter=spec, ids=node_ids, with_vectors=True)
        return [_embedded(item) for item in found]

    async def aget_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """Return nodes without blocking the event loop."""
        return await asyncio.to_thread(self.get_nodes, node_ids, filters)

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Answer a query in the modes default, sparse, text_search, hybrid, semantic_hybrid and mmr.

        Nodes, similarities and ids are always given, in the same order. Similarities are cosines in the modes default and mmr,
        scores in 0..1 in the others. An empty list of node ids restricts nothing, an empty list of documents lets nothing through.
        A query with filters alone lists what passes.

        Args:
            query: the query.
            kwargs: in mode mmr, `mmr_threshold` (1 is relevance alone), and `mmr_prefetch_k` or `mmr_prefetch_factor`.

        Raises:
            ValueError: the mode is another one, or the query has neither text nor embedding nor filters.
        """
        call = call_for(query, kwargs, self.namespace, embeds=self._embeds, collapse=self.collapse_duplicates)
        if call is None:
            return VectorStoreQueryResult(nodes=[], similarities=[], ids=[])
        return call.result(getattr(self._manager, call.method)(*call.arguments, **call.options))

    async def aquery(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Answer a query without blocking the event loop; an embedding model that can be awaited is."""
        if query.query_embedding is not None or query.query_str is None:
            return await asyncio.to_thread(self.query, query, **kwargs)
        call = call_for(query, kwargs, self.namespace, embeds=self._embeds, collapse=self.collapse_duplicates)
        if call is None:
            return VectorStoreQueryResult(nodes=[], similarities=[], ids=[])
        return await asyncio.to_thread(call.result, await getattr(self._manager, f"a{call.method}")(*call.arguments, **call.options))

    @property
    def _embeds(self) -> bool:
        return self._manager.embedder is not None

    # --- the file

    def persist(self, persist_path: str, fs: Any = None) -> None:
        """Do nothing: what was added is durable already, in the store's own file."""

    def close(self) -> None:
        """Close the store's file; with a manager of your own, that is yours to close."""
        if self._owned:
            self._manager.close()

    async def aclose(self) -> None:
        """Close the store's file without blocking the event loop."""
        if self._owned:
            await self._manager.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    # --- copies

    def __copy__(self) -> Self:
        return self.in_namespace(self.namespace)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self.in_namespace(self.namespace)  # of one file there are no two copies

    def __reduce__(self) -> tuple[Any, ...]:
        """Let another process open the same file. A temporary store is there as long as it is open here."""
        return _reopened, (type(self), self._manager, self.path, self.namespace, self.collapse_duplicates)


def _reopened(
    kind: type[VectOptVectorStore], manager: VectorManager, path: str | None, namespace: str, collapse: bool
) -> VectOptVectorStore:
    store = kind(namespace=namespace, collapse_duplicates=collapse, manager=manager)
    store.path, store._owned = path, True
    return store


def _embedded(item: StoredItem) -> BaseNode:
    node = to_node(item)
    node.embedding = None if item.vector is None else item.vector.tolist()
    return node


def _refuse(kwargs: Mapping[str, Any]) -> None:
    if kwargs:
        raise TypeError(f"unknown arguments {sorted(kwargs)}")
