"""Deciding before paying: LlamaIndex embeds every node before a store sees it, unless it is told to leave that to the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import BaseNode


class DeferredEmbedding(BaseEmbedding):
    """An embedding model that leaves nodes to the store, and embeds queries at once.

    It goes wherever LlamaIndex takes an embedding model: a pipeline's last transformation, an index, a memory block. Nodes
    then come to the store with an empty embedding, which a VectOptVectorStore takes for none: it decides itself what its own
    `embed_model` is asked for. Nodes that have an embedding keep it. Other stores can't do with such nodes.

    Args:
        model: embeds queries; the same that the store was given.
    """

    _model: BaseEmbedding = PrivateAttr()  # it may hold a key

    def __init__(self, model: BaseEmbedding, **fields: Any) -> None:
        super().__init__(**{"model_name": model.model_name, **fields})
        self._model = model

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._model,)

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
        return self._model.get_query_embedding(query)

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return await self._model.aget_query_embedding(query)
