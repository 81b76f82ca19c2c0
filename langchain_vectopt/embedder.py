"""Any LangChain `Embeddings` as vectopt's embedder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from langchain_core.embeddings import Embeddings

from vectopt.protocols import Embedder, Role


class LangChainEmbedder:
    """Lets vectopt embed with a LangChain `Embeddings`.

    Args:
        embeddings: the embeddings.
        name: what the store remembers of the space its vectors lie in; by default the class and its `model`.
        dimensions: of its vectors, where they are known.
    """

    def __init__(self, embeddings: Embeddings, *, name: str | None = None, dimensions: int | None = None) -> None:
        self.embeddings = embeddings
        self.name = name or _name(embeddings)
        self.dimensions = dimensions

    def embed(self, texts: Sequence[str], role: Role) -> list[list[float]]:
        """Return one vector a text."""
        if role == "query":
            return [self.embeddings.embed_query(text) for text in texts]
        return self.embeddings.embed_documents(list(texts))

    async def aembed(self, texts: Sequence[str], role: Role) -> list[list[float]]:
        """Return the same through the embeddings' own async methods."""
        if role == "query":
            return [await self.embeddings.aembed_query(text) for text in texts]
        return await self.embeddings.aembed_documents(list(texts))


def as_embedder(given: Embeddings | Embedder | None) -> Embedder | None:
    """Return LangChain embeddings, or whatever has their methods, as an embedder; an embedder as it is."""
    return LangChainEmbedder(cast("Embeddings", given)) if hasattr(given, "embed_documents") else given


def _name(embeddings: Embeddings) -> str:
    kind = type(embeddings).__qualname__
    for attribute in ("model", "model_name", "model_id", "deployment"):
        model = getattr(embeddings, attribute, None)
        if isinstance(model, str) and model:
            return f"{kind}:{model}"
    return kind
