"""Nodes to items and back; LlamaIndex's filters to ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.schema import BaseNode, ImageNode, IndexNode, MetadataMode, Node, TextNode
from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from vectopt import Hit, Item, StoredItem
from vectopt.errors import InvalidItem

NODE = "_node"
"""The metadata key that holds what makes an item its node again, without what the item holds itself."""

_DOCUMENT = ("ref_doc_id", "doc_id", "document_id")  # under which LlamaIndex's filters look for a node's document
_KINDS: dict[str, type[BaseNode]] = {kind.class_name(): kind for kind in (Node, IndexNode, ImageNode)}  # all others come back as text nodes
_LEFT_OUT = {"id_", "embedding", "metadata", "text", "text_resource", "class_name"}

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


def to_items(nodes: Sequence[BaseNode]) -> list[Item]:
    """Return nodes as items; of nodes with the same id the last counts, as if they came one after the other."""
    return [to_item(node) for node in {node.node_id: node for node in nodes}.values()]


def to_item(node: BaseNode) -> Item:
    """Return a node as an item: its text, its metadata and what makes it whole again, its embedding where it has one.

    The metadata can be filtered by the caller's own keys, and by the document's id under the names LlamaIndex gives it.

    Raises:
        InvalidItem: its metadata can't be written as JSON.
    """
    try:
        fields = node.model_dump(mode="json", exclude_defaults=True)
    except ValueError as error:
        raise InvalidItem(f"node {node.node_id!r} can't be stored: {error}") from error
    metadata = fields.get("metadata", {})
    rest = {key: value for key, value in fields.items() if key not in _LEFT_OUT}
    for related in _related(rest):
        if related.get("metadata") == metadata:
            related["metadata"] = None  # the document's, and mostly the node's own
    added = {} if node.ref_doc_id is None else dict.fromkeys(_DOCUMENT, node.ref_doc_id)
    hidden = {key: metadata[key] for key in (NODE, *added) if key in metadata}  # the caller's own under the same names
    packed = {"type": node.class_name(), "fields": rest, "added": len(added), "hidden": hidden}
    return Item(
        content=node.get_content(metadata_mode=MetadataMode.NONE),
        metadata={**metadata, **added, NODE: packed},
        id=node.node_id,
        vector=node.embedding or None,  # an empty one was put off
    )


def to_node(item: Hit | StoredItem) -> BaseNode:
    """Return an item as the node it came from; one that came by another way as a text node."""
    return _node(item.id, item.content, item.metadata)


def embedded_text(content: str, metadata: Mapping[str, Any]) -> str:
    """Return what LlamaIndex embeds for a node: its text, and of its metadata what its template shows."""
    return _node("", content, metadata).get_content(metadata_mode=MetadataMode.EMBED) if NODE in metadata else content


def _node(id: str, content: str, metadata: Mapping[str, Any]) -> BaseNode:
    packed = metadata.get(NODE)
    if packed is None:
        return TextNode(id_=id, text=content, metadata=dict(metadata))
    hidden = packed["hidden"]
    added = (NODE, *_DOCUMENT[: packed["added"]])
    theirs = {key: hidden.get(key, value) for key, value in metadata.items() if key not in added or key in hidden}
    fields = packed["fields"]
    for related in _related(fields):
        if "metadata" in related and related["metadata"] is None:
            related["metadata"] = theirs
    node = _KINDS.get(packed["type"], TextNode).from_dict({**fields, "id_": id, "metadata": theirs})
    node.set_content(content)
    return node


def _related(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a node tells of its relations; of children there are lists."""
    given = fields.get("relationships", {}).values()
    return [one for value in given for one in (value if isinstance(value, list) else [value])]


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
