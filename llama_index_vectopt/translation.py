"""Nodes to items and back; LlamaIndex's filters to ours."""

from __future__ import annotations

from typing import Any

from llama_index.core.schema import BaseNode, MetadataMode
from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict

from vectopt import Hit, Item, StoredItem

_OPERATORS = {
    FilterOperator.EQ: "$eq",
    FilterOperator.NE: "$ne",
    FilterOperator.GT: "$gt",
    FilterOperator.GTE: "$gte",
    FilterOperator.LT: "$lt",
    FilterOperator.LTE: "$lte",
    FilterOperator.IN: "$in",
    FilterOperator.NIN: "$nin",
    FilterOperator.ANY: "$any",
    FilterOperator.ALL: "$all",
    FilterOperator.CONTAINS: "$contains",
    FilterOperator.TEXT_MATCH: "$text_match",
    FilterOperator.TEXT_MATCH_INSENSITIVE: "$text_match_insensitive",
    FilterOperator.IS_EMPTY: "$is_empty",
}


def to_item(node: BaseNode) -> Item:
    """Return a node as an item: its text, its metadata and what makes it whole again, its embedding where it has one."""
    return Item(
        content=node.get_content(metadata_mode=MetadataMode.NONE),
        metadata=node_to_metadata_dict(node, remove_text=True, flat_metadata=False),
        id=node.node_id,
        vector=node.embedding,
    )


def to_node(item: Hit | StoredItem) -> BaseNode:
    """Return an item as the node it came from."""
    return metadata_dict_to_node(dict(item.metadata), text=item.content)


def belongs_to(item: Any, ref_doc_id: str) -> bool:
    """Tell whether an item's node comes from a document. A node without one is stored with the string "None"."""
    if item.metadata.get("ref_doc_id") != ref_doc_id:
        return False
    return ref_doc_id != "None" or to_node(item).ref_doc_id == ref_doc_id


def to_filter(filters: MetadataFilters | None) -> dict[str, Any]:
    """Return LlamaIndex's filters in vectopt's language; NOT means that none of them match."""
    if filters is None or not filters.filters:
        return {}
    parts = [to_filter(part) if isinstance(part, MetadataFilters) else _comparison(part) for part in filters.filters]
    if filters.condition == FilterCondition.OR:
        return {"$or": parts}
    if filters.condition == FilterCondition.NOT:
        return {"$not": {"$or": parts}}
    return {"$and": parts}


def _comparison(part: Any) -> dict[str, Any]:
    if not isinstance(part, MetadataFilter):  # ExactMatchFilter is a MetadataFilter
        raise TypeError(f"unknown filter {part!r}")
    if part.operator == FilterOperator.IS_EMPTY:
        return {part.key: {"$is_empty": True}}
    if part.operator == FilterOperator.EQ and part.value is None:
        return {part.key: {"$in": []}}  # as in LlamaIndex's core: nothing equals None
    return {part.key: {_OPERATORS[part.operator]: part.value}}
