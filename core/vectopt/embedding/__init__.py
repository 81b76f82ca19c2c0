"""Embedders: where vectors come from. Each is imported when it is asked for first."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .checked import checked_vectors

if TYPE_CHECKING:
    from .local import LocalEmbedder
    from .openai import OpenAIEmbedder, Spending
    from .secret import Secret

_HOMES = {"LocalEmbedder": "local", "OpenAIEmbedder": "openai", "Spending": "openai", "Secret": "secret"}

__all__ = ["LocalEmbedder", "OpenAIEmbedder", "Secret", "Spending", "checked_vectors"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
