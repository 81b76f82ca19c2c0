"""Values as items and back. A value is kept once for each of its texts, so that filters reach every one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from langgraph.store.base import Item as GraphItem
from langgraph.store.base import PutOp, SearchItem, get_text_at_path

from vectopt import Change, Hit, Item, StoredItem
from vectopt.errors import InvalidItem

from .naming import id_of, ids_begin, key_of, labels_of, name_of

BARE = -1
"""The part of a value that no text is to be found by."""


def changes(ops: Iterable[PutOp], fields: Sequence[str]) -> list[Change]:
    """Return what puts and deletes change; of several for one key the last one counts.

    Raises:
        InvalidNamespaceError, InvalidItem: one can't be stored.
    """
    last = {(name_of(op.namespace), op.key): op for op in ops if op.namespace or op.value is not None}
    by_name: dict[str, list[PutOp]] = {}
    for (name, _), op in last.items():
        by_name.setdefault(name, []).append(op)
    return [
        Change(name, [item for op in puts for item in items(op, fields)], replace=[ids_begin(op.key) for op in puts])
        for name, puts in by_name.items()
    ]


def items(op: PutOp, fields: Sequence[str]) -> list[Item]:
    """Return a put's items: one for each text that the value is to be found by; at least one. None for a delete."""
    if op.value is None:
        return []
    if not isinstance(op.value, Mapping):
        raise InvalidItem(f"the value of {op.key!r} is a {type(op.value).__name__}; give a dictionary")
    value, lives = dict(op.value), None if op.ttl is None else op.ttl * 60
    found = texts(op.key, value, fields if op.index is None else op.index or ())
    if not found:
        return [Item("", {"value": value, "part": BARE, "texts": 0}, id_of(op.key), delete_after_seconds=lives)]
    return [
        Item(text, {"value": value, "part": part, "texts": len(found)}, id_of(op.key, part), delete_after_seconds=lives)
        for part, text in enumerate(found)
    ]


def texts(key: str, value: dict[str, Any], paths: Sequence[str]) -> list[str]:
    """Return the texts at some paths of a value, each once, but for empty ones.

    Raises:
        InvalidItem: the value can't be written as JSON.
    """
    try:
        found = [text for path in paths for text in get_text_at_path(value, path)]
    except (TypeError, ValueError) as error:
        raise InvalidItem(f"the value of {key!r} can't be written as JSON: {error}") from error
    return [text for text in dict.fromkeys(found) if text.strip()]


def to_graph_item(stored: StoredItem) -> GraphItem:
    """Return what `get` gives."""
    return GraphItem(**_fields(stored))


def to_search_item(stored: StoredItem, score: float | None = None) -> SearchItem:
    """Return what `search` gives."""
    return SearchItem(**_fields(stored), score=score)


def score_of(hit: Hit) -> float:
    """Return a hit's cosine, as far as it is known or predicted, non-increasing; without one, its score by words."""
    return hit.score if hit.similarity is None else 2 * hit.score - 1


def parts_of(stored: StoredItem) -> list[str]:
    """Return the ids of all parts of the value that an item is a part of."""
    return [id_of(key_of(stored.id), part) for part in range(max(1, stored.metadata["texts"]))]


def _fields(stored: StoredItem) -> dict[str, Any]:
    return {
        "namespace": labels_of(stored.namespace),
        "key": key_of(stored.id),
        "value": stored.metadata["value"],
        "created_at": datetime.fromtimestamp(stored.facts["created_at"], UTC),
        "updated_at": datetime.fromtimestamp(stored.facts["updated_at"], UTC),
    }
