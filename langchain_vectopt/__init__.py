"""vectopt for LangChain: a vector store and a retriever."""

from vectopt.errors import MissingExtra

try:
    import langchain_core  # noqa: F401 - only to say what to install
except ImportError as error:
    raise MissingExtra("langchain-core", "langchain") from error

from vectopt import Budget, Settings

from .embedder import LangChainEmbedder
from .retriever import VectOptRetriever
from .vectorstore import VectOptVectorStore
from .wrap import wrap

__all__ = ["Budget", "LangChainEmbedder", "Settings", "VectOptRetriever", "VectOptVectorStore", "wrap"]
