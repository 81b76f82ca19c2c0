"""Texts and documents to items and back; LangChain's keyword arguments to ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any

from langchain_core.documents import Document

from vectopt import Hit, Item, StoredItem

_SEARCH_OPTIONS = frozenset({"filter", "tiers", "mode", "namespace", "collapse_duplicates"})


def to_items(
    texts: Sequence[str],
    metadatas: Sequence[Mapping[str, Any]] | None,
    ids: Sequence[str | None] | None,
    vectors: Sequence[Any] | None = None,
) -> list[Item]:
    """Return texts as items; raises ValueError where the lists don't match."""
    for name, given in (("metadatas", metadatas), ("ids", ids)):
        if given is not None and len(given) != len(texts):
            raise ValueError(f"{name} has {len(given)} entries for {len(texts)} texts; give one a text")
    rows = zip(texts, metadatas or repeat({}), ids or repeat(None), vectors or repeat(None), strict=False)
    return [Item(text, {} if metadata is None else metadata, id, vector) for text, metadata, id, vector in rows]


def document_items(documents: Sequence[Document], ids: Sequence[str | None] | None) -> list[Item]:
    """Return documents as items, under `ids` or under their own."""
    own = [document.id for document in documents] if ids is None else ids
    return to_items([document.page_content for document in documents], [document.metadata for document in documents], own)


def to_document(item: Hit | StoredItem | Any) -> Document:
    """Return an item or a hit as a document: the caller's metadata, nothing of ours."""
    return Document(id=item.id, page_content=item.content, metadata=item.metadata)


def relevance(hit: Hit) -> float:
    """Return (1 + cosine) / 2 of a hit, 0..1."""
    return min(1.0, max(0.0, (1 + (hit.similarity or 0.0)) / 2))


def namespace_of(kwargs: dict[str, Any], default: str) -> str:
    """Return the namespace of an add or a delete; refuses what it doesn't know."""
    unknown = kwargs.keys() - {"namespace", "batch_size"}
    if unknown:
        raise TypeError(f"unknown arguments {sorted(unknown)}; known are namespace and batch_size")
    given = kwargs.get("namespace")
    return default if given is None else given


def search_options(kwargs: dict[str, Any], namespace: str) -> dict[str, Any]:
    """Return a search's options; refuses what it doesn't know. A function as a filter is given Documents."""
    unknown = kwargs.keys() - _SEARCH_OPTIONS
    if unknown:
        raise TypeError(f"unknown search options {sorted(unknown)}; known are {sorted(_SEARCH_OPTIONS)}")
    options = {**kwargs, "namespace": namespace if kwargs.get("namespace") is None else kwargs["namespace"]}
    given = kwargs.get("filter")
    if callable(given) and not isinstance(given, Mapping):
        options["filter"] = lambda item: given(to_document(item))
    return options


def relevance_options(kwargs: dict[str, Any], namespace: str) -> dict[str, Any]:
    """Return the options of a search by cosine alone; refuses another mode."""
    if kwargs.get("mode", "dense") != "dense":
        raise TypeError('relevance scores are cosines: mode can only be "dense"')
    return {**search_options(kwargs, namespace), "mode": "dense"}


def mmr_options(kwargs: dict[str, Any], namespace: str) -> dict[str, Any]:
    """Return the options of a search by maximal marginal relevance; refuses what it can't heed."""
    options = search_options(kwargs, namespace)
    refused = options.keys() & {"mode", "collapse_duplicates"}
    if refused:
        raise TypeError(f"{sorted(refused)} can't be set for maximal marginal relevance: it ranks by cosine, one place a text")
    return options
