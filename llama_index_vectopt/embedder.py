"""Any LlamaIndex embedding model as vectopt's embedder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding

from vectopt.protocols import Role

from .translation import embedded_text


class LlamaIndexEmbedder:
    """Lets vectopt embed with a LlamaIndex embedding model.

    Args:
        model: the embedding model.
        name: what the store remembers of the space its vectors lie in; by default the class and its `model_name`.
        dimensions: of its vectors, where they are known.
    """

    def __init__(self, model: BaseEmbedding, *, name: str | None = None, dimensions: int | None = None) -> None:
        self.model = model
        self.name = name or f"{type(model).__qualname__}:{model.model_name}"
        self.dimensions = dimensions

    def embed(self, texts: Sequence[str], role: Role) -> list[list[float]]:
        """Return one vector a text."""
        if role == "query":
            return [self.model.get_query_embedding(text) for text in texts]
        return self.model.get_text_embedding_batch(list(texts))

    def text_of(self, content: str, metadata: Mapping[str, Any]) -> str:
        """Return what LlamaIndex itself would embed for a node: its text, with the metadata that its template shows."""
        return embedded_text(content, metadata)

    async def aembed(self, texts: Sequence[str], role: Role) -> list[list[float]]:
        """Return the same through the model's own async methods."""
        if role == "query":
            return [await self.model.aget_query_embedding(text) for text in texts]
        return await self.model.aget_text_embedding_batch(list(texts))
