"""What a batch of operations asks of a manager, as steps: one telling of it for the synchronous and the asynchronous store."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langgraph.store.base import GetOp, ListNamespacesOp, Op, PutOp, Result, SearchItem, SearchOp

from vectopt import Comparator, Comparison, StoredItem, VectorManager

from . import values
from .filtering import to_filter
from .naming import Labels, beginning_of, fits, id_of, key_of, labels_of, name_of, within

_WHOLE = Comparison("part", Comparator.LTE, 0)  # the part that stands for a value
_TEXT = Comparison("part", Comparator.GTE, 0)  # a part that a query can find
_BARE = Comparison("part", Comparator.EQ, values.BARE)  # a value that no query can find


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a manager's method, whose answer is sent back."""

    method: str
    args: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


Steps = Generator[Call, Any, Any]
_Scored = tuple[StoredItem, float | None]


def run(manager: VectorManager, steps: Steps) -> Any:
    """Take the steps; return what they come to."""
    try:
        call = next(steps)
        while True:
            call = steps.send(getattr(manager, call.method)(*call.args, **call.options))
    except StopIteration as done:
        return done.value


async def arun(manager: VectorManager, steps: Steps) -> Any:
    """Take the steps without blocking the event loop."""
    try:
        call = next(steps)
        while True:
            call = steps.send(await getattr(manager, f"a{call.method}")(*call.args, **call.options))
    except StopIteration as done:
        return done.value


def batch(ops: Iterable[Op], fields: Sequence[str]) -> Generator[Call, Any, list[Result]]:
    """Answer operations in their order: what is read is the store as it was before what is put, whichever comes first.

    All that is put and deleted is so at once, or not at all.

    Raises:
        ValueError: an operation is of an unknown type, or can't be done; nothing was changed.
    """
    every = list(ops)
    changes = values.changes([op for op in every if isinstance(op, PutOp)], fields)
    results: list[Result] = []
    for op in every:
        if isinstance(op, GetOp):
            results.append((yield from _get(op)))
        elif isinstance(op, SearchOp):
            results.append((yield from _search(op)))
        elif isinstance(op, ListNamespacesOp):
            results.append((yield from _list(op)))
        elif isinstance(op, PutOp):
            results.append(None)
        else:
            raise ValueError(f"unknown operation {op!r}; known are GetOp, PutOp, SearchOp and ListNamespacesOp")
    if changes:
        yield Call("write", (changes,), {"wait": True})
    return results


def _get(op: GetOp) -> Generator[Call, Any, Any]:
    if not op.namespace:
        return None  # nothing can be put there
    found: list[StoredItem] = yield Call("get", ([id_of(op.key)],), {"namespace": name_of(op.namespace)})
    if op.refresh_ttl:
        yield from _touch(found)
    return values.to_graph_item(found[0]) if found else None


def _list(op: ListNamespacesOp) -> Generator[Call, Any, list[Labels]]:
    conditions = op.match_conditions or ()
    for condition in conditions:
        beginning_of(condition.path)  # says what is wrong with a label
    every = [labels_of(name) for name in (yield Call("namespaces", (beginning_of(()),)))]
    found = {labels[: op.max_depth] for labels in every if all(fits(labels, condition) for condition in conditions)}
    return sorted(found)[op.offset : op.offset + op.limit]


def _search(op: SearchOp) -> Generator[Call, Any, list[SearchItem]]:
    names = yield Call("namespaces", (beginning_of(op.namespace_prefix),))
    names = [name for name in names if within(name, op.namespace_prefix)]
    if not names or op.limit == 0:
        return []
    if op.query:
        found = yield from _ranked(op, names)
    else:
        found = _unscored((yield from _latest(op, names, _WHOLE, op.limit, op.offset)))
    if op.refresh_ttl:
        yield from _touch([item for item, _ in found])
    return [values.to_search_item(item, score) for item, score in found]


def _ranked(op: SearchOp, names: Sequence[str]) -> Generator[Call, Any, list[_Scored]]:
    """Return values by the best of their texts; those without a text follow where there are not enough others."""
    wanted = count = op.offset + op.limit
    options = {"namespaces": names, "filter": to_filter(op.filter, _TEXT), "collapse_duplicates": False}
    while True:
        hits = yield Call("search_across", (op.query, count), options)
        scores: dict[tuple[str, str], float] = {}
        for name, hit in hits:
            scores.setdefault((name, id_of(key_of(hit.id))), values.score_of(hit))
        if len(scores) >= wanted or len(hits) < count:
            break
        count *= 4
    chosen = list(scores)[op.offset : wanted]
    stored: dict[tuple[str, str], StoredItem] = {}
    for name in dict.fromkeys(name for name, _ in chosen):
        for item in (yield Call("get", ([id for other, id in chosen if other == name],), {"namespace": name})):
            stored[name, item.id] = item
    found: list[_Scored] = [(stored[place], scores[place]) for place in chosen if place in stored]
    if len(scores) >= wanted:
        return found
    rest = yield from _latest(op, names, _BARE, op.limit - len(chosen), max(0, op.offset - len(scores)))
    return found + _unscored(rest)


def _latest(op: SearchOp, names: Sequence[str], part: Comparison, limit: int, offset: int) -> Generator[Call, Any, list[StoredItem]]:
    found: list[StoredItem] = yield Call("latest", (limit,), {"offset": offset, "namespaces": names, "filter": to_filter(op.filter, part)})
    return found


def _unscored(found: Sequence[StoredItem]) -> list[_Scored]:
    return [(item, None) for item in found]


def _touch(found: Sequence[StoredItem]) -> Steps:
    """Let those that expire live for their whole time again, all their parts."""
    ids: dict[str, list[str]] = {}
    for item in found:
        if "delete_at" in item.facts:
            ids.setdefault(item.namespace, []).extend(values.parts_of(item))
    for name, several in ids.items():
        yield Call("touch", (several,), {"namespace": name})
