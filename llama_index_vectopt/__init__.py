"""vectopt for LlamaIndex: a vector store."""

from vectopt.errors import MissingExtra

try:
    import llama_index.core  # noqa: F401 - only to say what to install
except ImportError as error:
    raise MissingExtra("llama-index-core", "llama-index") from error

from vectopt import Budget

from .embedder import LlamaIndexEmbedder
from .ingestion import DeferredEmbedding
from .translation import embedded_text
from .vector_store import VectOptVectorStore
from .wrap import wrap

__all__ = ["Budget", "DeferredEmbedding", "LlamaIndexEmbedder", "VectOptVectorStore", "embedded_text", "wrap"]
