"""vectopt for LangChain: a vector store and a retriever; for LangGraph: a store."""

from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from .graph_store import VectOptStore as VectOptStore

__all__ = ["Budget", "LangChainEmbedder", "Settings", "VectOptRetriever", "VectOptVectorStore", "wrap"]  # and VectOptStore: not for `*`


def __getattr__(name: str) -> Any:
    """Import the LangGraph store when it is asked for: it needs the extra `langgraph`."""
    if name == "VectOptStore":
        from .graph_store import VectOptStore

        return VectOptStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
