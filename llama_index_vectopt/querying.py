"""LlamaIndex's queries as calls of VectorManager, and its hits as results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode, VectorStoreQueryResult

from vectopt import Hit, StoredItem

from .translation import to_filter, to_node

Measure = Literal["score", "cosine", "similarity", "listed"]

_MODES: dict[VectorStoreQueryMode, Literal["hybrid", "dense", "lexical"]] = {
    VectorStoreQueryMode.DEFAULT: "dense",
    VectorStoreQueryMode.SPARSE: "lexical",
    VectorStoreQueryMode.TEXT_SEARCH: "lexical",
    VectorStoreQueryMode.HYBRID: "hybrid",
    VectorStoreQueryMode.SEMANTIC_HYBRID: "hybrid",
}
_MMR_OPTIONS = ("mmr_threshold", "mmr_prefetch_k", "mmr_prefetch_factor")
_PREFETCHED = 4  # times as many as asked for are what "mmr" chooses from
_FEWEST_PREFETCHED = 20


@dataclass(frozen=True, slots=True)
class Call:
    """A call of VectorManager that answers a query: its method, its arguments, and what of its hits LlamaIndex is told."""

    method: Literal["search", "max_marginal_relevance", "scan"]
    arguments: tuple[Any, ...]
    options: Mapping[str, Any]
    measure: Measure

    def result(self, found: Sequence[Hit | StoredItem]) -> VectorStoreQueryResult:
        """Return what the call found, nodes, similarities and ids alike."""
        return VectorStoreQueryResult(
            nodes=[to_node(item) for item in found],
            similarities=[self._similarity(item) for item in found],
            ids=[item.id for item in found],
        )

    def _similarity(self, item: Hit | StoredItem) -> float:
        if self.measure == "listed" or not isinstance(item, Hit):
            return 1.0  # a filter's answer has no ranking: all of it matches
        if self.measure == "cosine":
            return 2 * item.score - 1
        return item.score if self.measure == "score" else item.similarity or 0.0


def call_for(query: VectorStoreQuery, kwargs: Mapping[str, Any], namespace: str, *, embeds: bool, collapse: bool) -> Call | None:
    """Return the call that answers a query; None where nothing can.

    Args:
        query: the query.
        kwargs: given with it.
        namespace: where to look.
        embeds: whether the manager can embed the query's text.
        collapse: give texts that say the same one place.

    Raises:
        ValueError: the mode is not offered, or lacks what it needs, or something is asked for that has no meaning here.
        TypeError: unknown arguments.
    """
    _refuse(query, kwargs)
    if query.doc_ids is not None and not query.doc_ids:
        return None  # of no document
    scope: dict[str, Any] = {"namespace": namespace, "filter": _filter(query)}
    top = query.similarity_top_k
    if query.query_embedding is None and query.query_str is None:
        if query.filters is None and not query.node_ids and not query.doc_ids:
            raise ValueError("the query has neither text nor embedding nor filters")
        return Call("scan", (), {**scope, "limit": top, "ids": query.node_ids or None}, "listed")
    scope |= {"ids": query.node_ids or None, "collapse_duplicates": collapse}
    given = query.query_embedding if query.query_embedding is not None else query.query_str
    if query.mode == VectorStoreQueryMode.MMR:
        scope |= {"fetch_k": _prefetched(top, kwargs), "lambda_mult": _threshold(query, kwargs)}
        return Call("max_marginal_relevance", (given, top), scope, "similarity")
    mode = _MODES[query.mode]
    if mode == "dense" and query.query_embedding is None and not embeds:
        mode = "lexical"
    scope["mode"] = mode
    if mode == "dense":
        return Call("search", (given, top), scope, "cosine")
    if query.query_str is None:
        raise ValueError(f"query mode {query.mode.value!r} needs query_str")
    if mode == "lexical":
        return Call("search", (query.query_str, query.sparse_top_k or top), scope, "score")
    scope |= {"lexical_weight": None if query.alpha is None else 1 - query.alpha}  # alpha is the share of the vectors
    if query.query_embedding is not None:
        scope["text"] = query.query_str
    return Call("search", (given, query.hybrid_top_k or top), scope, "score")


def _refuse(query: VectorStoreQuery, kwargs: Mapping[str, Any]) -> None:
    """Refuse what couldn't be heeded."""
    if query.mode not in _MODES and query.mode != VectorStoreQueryMode.MMR:
        raise ValueError(f"query mode {query.mode.value!r} is not offered; there are {', '.join(one.value for one in _MODES)} and mmr")
    for name in ("output_fields", "embedding_field"):
        if getattr(query, name):
            raise ValueError(f"{name} has no meaning here: nodes come whole, and a node has one embedding")
    known = _MMR_OPTIONS if query.mode == VectorStoreQueryMode.MMR else ()
    if unknown := kwargs.keys() - set(known):
        raise TypeError(f"unknown arguments {sorted(unknown)} for query mode {query.mode.value!r}; known are {', '.join(known) or 'none'}")
    if kwargs.get("mmr_prefetch_k") is not None and kwargs.get("mmr_prefetch_factor") is not None:
        raise ValueError("give mmr_prefetch_k or mmr_prefetch_factor, not both")


def _filter(query: VectorStoreQuery) -> dict[str, Any]:
    """Return the query's filters and documents as one filter."""
    spec = to_filter(query.filters)
    if query.doc_ids is None:
        return spec
    documents = {"ref_doc_id": {"$in": list(query.doc_ids)}}
    return {"$and": [spec, documents]} if spec else documents


def _threshold(query: VectorStoreQuery, kwargs: Mapping[str, Any]) -> float:
    """Return how much relevance counts beside diversity: as LlamaIndex has it, what is given with the call goes first."""
    given = kwargs.get("mmr_threshold", query.mmr_threshold)
    return 0.5 if given is None else given


def _prefetched(top: int, kwargs: Mapping[str, Any]) -> int:
    given, factor = kwargs.get("mmr_prefetch_k"), kwargs.get("mmr_prefetch_factor")
    if given is not None:
        return int(given)
    return max(top, int(top * factor)) if factor is not None else max(_FEWEST_PREFETCHED, _PREFETCHED * top)
