"""Every embedder of ours keeps to the contract that is shipped."""

from langchain_core.embeddings import DeterministicFakeEmbedding
from llama_index.core.base.embeddings.base import BaseEmbedding

from langchain_vectopt import LangChainEmbedder
from llama_index_vectopt import LlamaIndexEmbedder
from vectopt import Embedder
from vectopt.embedding.local import LocalEmbedder
from vectopt.testing import EmbedderContract, HashEmbedder


class TestHashEmbedder(EmbedderContract):
    def make_embedder(self) -> Embedder:
        return HashEmbedder(24)


class TestLocalEmbedder(EmbedderContract):
    def make_embedder(self) -> Embedder:
        return LocalEmbedder()


class TestLangChainEmbedder(EmbedderContract):
    def make_embedder(self) -> Embedder:
        return LangChainEmbedder(DeterministicFakeEmbedding(size=8))


class _Lengths(BaseEmbedding):
    """A LlamaIndex model that needs nothing."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return [float(len(text)), 1.0]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


class TestLlamaIndexEmbedder(EmbedderContract):
    def make_embedder(self) -> Embedder:
        return LlamaIndexEmbedder(_Lengths())
