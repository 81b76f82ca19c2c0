"""PURE. One filter language: Mongo-style dictionaries parsed into `model.Filter`, evaluated on metadata.

A missing value and None behave alike, as in LlamaIndex's core: they match only `$ne`, `$nin` and `$is_empty`
(and `$exists: false`). A value of another type than the operand never matches; it is no error. Booleans are not numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .errors import InvalidFilter
from .model import And, Comparator, Comparison, Filter, Not, Or

_LISTS = {Comparator.IN, Comparator.NIN, Comparator.ANY, Comparator.ALL}
_TEXTS = {Comparator.LIKE, Comparator.ILIKE, Comparator.TEXT_MATCH, Comparator.TEXT_MATCH_INSENSITIVE}
_RANGES = {Comparator.GT, Comparator.GTE, Comparator.LT, Comparator.LTE}
_FLAGS = {Comparator.EXISTS, Comparator.IS_EMPTY}
_NAMES = frozenset(op.value for op in Comparator) | {"$not"}
_MAX_DEPTH = 32


class HasMetadata(Protocol):
    """What a filter is asked of: an item or a hit."""

    @property
    def id(self) -> str: ...
    @property
    def content(self) -> str: ...
    @property
    def metadata(self) -> dict[str, Any]: ...


Predicate = Callable[[HasMetadata], bool]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A filter, ready to be asked. `node` is None where it is a function, which only an item itself can answer."""

    check: Predicate
    node: Filter | None

    def __call__(self, item: HasMetadata) -> bool:
        return self.check(item)


def compiled(given: Mapping[str, Any] | Filter | Predicate | None) -> Compiled | None:
    """Return a filter given in any of its forms; None where it restricts nothing.

    Raises:
        InvalidFilter: it is of no known form.
    """
    if given is None:
        return None
    if isinstance(given, Mapping):
        given = parse(given)
    if isinstance(given, (Comparison, And, Or, Not)):
        node = rechecked(given)
        return None if _whole(node) else Compiled(lambda item: matches(node, item.metadata), node)
    if callable(given):
        return Compiled(given, None)
    raise InvalidFilter(f"filter must be a dictionary, a Filter or a function of an item; got {given!r}")


def _whole(node: Filter) -> bool:
    """Tell whether a filter asks for nothing, however deep that is wrapped."""
    return isinstance(node, And) and all(map(_whole, node.parts))


def parse(spec: Mapping[str, Any]) -> Filter:
    """Turn a Mongo-style dictionary into a Filter.

    Raises:
        InvalidFilter: an operator isn't known, or its operand isn't of the kind it takes.
    """
    return _parse_document(spec, 0)


def _parse_document(spec: Any, depth: int) -> Filter:
    if not isinstance(spec, Mapping):
        raise InvalidFilter(f"a filter must be a dictionary such as {{'page': {{'$gte': 3}}}}; got {spec!r}")
    if depth > _MAX_DEPTH:
        raise InvalidFilter(f"a filter may be nested {_MAX_DEPTH} deep at most")
    parts: list[Filter] = []
    for key, value in spec.items():
        if not isinstance(key, str):
            raise InvalidFilter(f"filter keys must be strings; got {key!r}")
        if key in ("$and", "$or"):
            if not isinstance(value, (list, tuple)) or not value:
                raise InvalidFilter(f"{key} takes a list of one or more filters; got {value!r}")
            children = tuple(_parse_document(child, depth + 1) for child in value)
            parts.append(And(children) if key == "$and" else Or(children))
        elif key == "$not":
            parts.append(Not((_parse_document(value, depth + 1),)))
        elif key.startswith("$"):
            raise InvalidFilter(f"unknown operator {key!r}; at the top there are $and, $or and $not")
        else:
            parts.append(_parse_field(key, value, depth + 1))
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _parse_field(path: str, spec: Any, depth: int) -> Filter:
    if not isinstance(spec, Mapping) or not any(isinstance(key, str) and key.startswith("$") for key in spec):
        if isinstance(spec, Mapping) and spec and all(f"${key}" in _NAMES for key in spec):
            meant = ", ".join(f"${key}" for key in spec)
            raise InvalidFilter(f"operators begin with a dollar sign: for {path!r} write {meant}; to compare with a dictionary use $eq")
        return comparison(path, Comparator.EQ, spec)
    if depth > _MAX_DEPTH:
        raise InvalidFilter(f"a filter may be nested {_MAX_DEPTH} deep at most")
    parts: list[Filter] = []
    for name, operand in spec.items():
        if name == "$not":
            parts.append(Not((_parse_field(path, operand, depth + 1),)))
            continue
        try:
            op = Comparator(name)
        except ValueError:
            known = ", ".join(Comparator)
            raise InvalidFilter(f"unknown operator {name!r} for {path!r}; known are {known} and $not") from None
        parts.append(comparison(path, op, operand))
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def comparison(path: str, op: Comparator, value: Any) -> Comparison:
    """Return the checked comparison.

    Raises:
        InvalidFilter: the operand isn't of the kind the operator takes.
    """
    if op in _LISTS or op is Comparator.BETWEEN:
        if isinstance(value, (set, frozenset)):
            value = list(value)
        if not isinstance(value, (list, tuple)):
            raise InvalidFilter(f"{op} of {path!r} takes a list; got {value!r}")
        if op is Comparator.BETWEEN and len(value) != 2:
            raise InvalidFilter(f"$between of {path!r} takes [low, high]; got {value!r}")
    elif op in _TEXTS and not isinstance(value, str):
        raise InvalidFilter(f"{op} of {path!r} takes a string; got {value!r}")
    elif op in _FLAGS and not isinstance(value, bool):
        raise InvalidFilter(f"{op} of {path!r} takes true or false; got {value!r}")
    elif op in _RANGES and (isinstance(value, bool) or not isinstance(value, (int, float, str))):
        raise InvalidFilter(f"{op} of {path!r} takes a number or a string; got {value!r}")
    elif op is Comparator.EQ and value is None:
        raise InvalidFilter(f"nothing equals null: for {path!r} use {{'$is_empty': true}} or {{'$exists': false}}")
    return Comparison(path, op, value)


def rechecked(node: Filter, depth: int = 0) -> Filter:
    """Return a filter built by hand, held to the same rules as a parsed one; raises InvalidFilter."""
    if depth > _MAX_DEPTH:
        raise InvalidFilter(f"a filter may be nested {_MAX_DEPTH} deep at most")
    if isinstance(node, Comparison):
        if not isinstance(node.path, str):
            raise InvalidFilter(f"a filter's path must be a string; got {node.path!r}")
        try:
            op = Comparator(node.op)
        except ValueError:
            raise InvalidFilter(f"unknown operator {node.op!r} for {node.path!r}; known are {', '.join(Comparator)}") from None
        return comparison(node.path, op, node.value)
    return type(node)(tuple(rechecked(part, depth + 1) for part in node.parts))


def matches(node: Filter, metadata: Mapping[str, Any]) -> bool:
    """Tell whether the metadata passes the filter."""
    if isinstance(node, Comparison):
        return compare(node, lookup(metadata, node.path))
    if isinstance(node, And):
        return all(matches(part, metadata) for part in node.parts)
    if isinstance(node, Or):
        return any(matches(part, metadata) for part in node.parts)
    return not any(matches(part, metadata) for part in node.parts)


def lookup(metadata: Mapping[str, Any], path: str) -> Any:
    """Find a literal key before a dotted path; None if there is neither."""
    if path in metadata:
        return metadata[path]
    head, dot, tail = path.partition(".")
    while dot:
        inner = metadata.get(head)
        if isinstance(inner, Mapping):
            found = lookup(inner, tail)
            if found is not None:
                return found
        more, dot, tail = tail.partition(".")
        head = f"{head}.{more}"
    return None


def _kind(value: Any) -> object:
    if isinstance(value, bool):
        return bool
    return float if isinstance(value, (int, float)) else type(value)


def same(left: Any, right: Any) -> bool:
    """Tell whether two values are equal and of one type; booleans are not numbers."""
    if isinstance(right, tuple):
        right = list(right)
    return _kind(left) is _kind(right) and bool(left == right)


def _among(value: Any, candidates: Any) -> bool:
    return any(same(value, candidate) for candidate in candidates)


def _contains(value: Any, wanted: Any) -> bool:
    if isinstance(value, str):
        return isinstance(wanted, str) and wanted in value
    return isinstance(value, (list, Mapping)) and _among(wanted, value)


def _like(text: str, pattern: str) -> bool:
    """Match an SQL pattern; only the last `%` is ever gone back to, so that the time is at most the product of the lengths."""
    at = spot = 0
    star = after = -1
    while at < len(text):
        if spot < len(pattern) and pattern[spot] == "%":
            star, after = spot, at
            spot += 1
        elif spot < len(pattern) and pattern[spot] in ("_", text[at]):
            spot += 1
            at += 1
        elif star >= 0:
            after += 1
            spot, at = star + 1, after
        else:
            return False
    return pattern[spot:].strip("%") == ""


_ORDER: dict[Comparator, Callable[[Any, Any], bool]] = {
    Comparator.GT: lambda a, b: bool(a > b),
    Comparator.GTE: lambda a, b: bool(a >= b),
    Comparator.LT: lambda a, b: bool(a < b),
    Comparator.LTE: lambda a, b: bool(a <= b),
}


def compare(node: Comparison, found: Any) -> bool:
    """Tell whether a value that `lookup` found passes a comparison."""
    op, wanted = node.op, node.value
    if op is Comparator.IS_EMPTY:
        return (found is None or found in ("", [])) is wanted
    if op is Comparator.EXISTS:
        return (found is not None) is wanted
    if found is None:
        return op in (Comparator.NE, Comparator.NIN)
    if op is Comparator.EQ:
        return same(found, wanted)
    if op is Comparator.NE:
        return not same(found, wanted)
    if op in _ORDER:
        return _kind(found) is _kind(wanted) and _ORDER[op](found, wanted)
    if op is Comparator.BETWEEN:
        low, high = wanted
        return _kind(low) is _kind(found) is _kind(high) and _kind(found) in (float, str) and bool(low <= found <= high)
    if op is Comparator.IN:
        return _among(found, wanted)
    if op is Comparator.NIN:
        return not _among(found, wanted)
    if op is Comparator.CONTAINS:
        return _contains(found, wanted)
    if op is Comparator.ANY:
        return any(_contains(found, value) for value in wanted)
    if op is Comparator.ALL:
        return all(_contains(found, value) for value in wanted)
    if not isinstance(found, str):
        return False
    if op is Comparator.TEXT_MATCH:
        return wanted in found
    if op is Comparator.TEXT_MATCH_INSENSITIVE:
        return wanted.lower() in found.lower()
    if op is Comparator.ILIKE:
        return _like(found.lower(), wanted.lower())
    return _like(found, wanted)
