"""vectopt as the long-term memory of LangGraph: a `BaseStore`."""

from vectopt.errors import MissingExtra

try:
    import langgraph.store.base  # noqa: F401 - only to say what to install
except ImportError as error:
    raise MissingExtra("langgraph-checkpoint", "langgraph") from error

from .store import VectOptStore

__all__ = ["VectOptStore"]
