"""Deciding before paying: LlamaIndex embeds every node before a store sees it, unless it is told to leave that to the store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import BaseNode

from vectopt import AsyncEmbedder, Embedder

from .embedder import LlamaIndexEmbedder


class DeferredEmbedding(BaseEmbedding):
    """An embedding model that leaves nodes to the store, and embeds queries at once.

    It goes wherever LlamaIndex takes an embedding model: a pipeline's last transformation, an index, a memory block. Nodes
    then come to the store with an empty embedding, which a VectOptVectorStore takes for none: it decides itself what its own
    `embed_model` is asked for. Nodes that have an embedding keep it. Other stores can't do with such nodes.

    Args:
        model: embeds queries: the one that the store was given, LlamaIndex's or an embedder of vectopt's.
    """

    _embedder: Embedder = PrivateAttr()  # it may hold a key

    def __init__(self, model: BaseEmbedding | Embedder, **fields: Any) -> None:
        embedder = LlamaIndexEmbedder(model) if isinstance(model, BaseEmbedding) else model
        super().__init__(**{"model_name": embedder.name, **fields})
        self._embedder = embedder

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._embedder,)

    @classmethod
    def class_name(cls) -> str:
        """Return the name LlamaIndex serialises this class under."""
        return "DeferredEmbedding"

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """Mark those nodes that have no embedding as put off."""
        for node in nodes:
            if node.embedding is None:
                node.embedding = []
        return nodes

    async def acall(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """Mark those nodes that have no embedding as put off."""
        return self(nodes)

    def _get_text_embedding(self, text: str) -> Embedding:
        return []

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return []

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return [[] for _ in texts]

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return [[] for _ in texts]

    def _get_query_embedding(self, query: str) -> Embedding:
        return _floats(self._embedder.embed([query], "query"))

    async def _aget_query_embedding(self, query: str) -> Embedding:
        if isinstance(self._embedder, AsyncEmbedder):
            return _floats(await self._embedder.aembed([query], "query"))
        return await asyncio.to_thread(self._get_query_embedding, query)


def _floats(vectors: Any) -> Embedding:
    """Return the one vector as LlamaIndex has it."""
    return [float(value) for value in vectors[0]]
