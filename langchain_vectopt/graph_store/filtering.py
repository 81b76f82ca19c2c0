"""LangGraph's filters on values as vectopt's on metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vectopt import And, Comparator, Comparison, Filter
from vectopt.errors import InvalidFilter

_OPERATORS = frozenset({"$eq", "$ne", "$gt", "$gte", "$lt", "$lte"})


def to_filter(given: Mapping[str, Any] | None, part: Comparison) -> Filter:
    """Return the filter of a search, for values of which the part is as given.

    A value is compared as it is, None with what is missing too; a dictionary part by part. Keys may be dotted paths.

    Raises:
        InvalidFilter: an operator isn't known.
    """
    return And((part, *_document("value", given or {})))


def _document(path: str, given: Mapping[str, Any]) -> list[Filter]:
    return [one for key, wanted in given.items() for one in _field(f"{path}.{key}", wanted)]


def _field(path: str, wanted: Any) -> list[Filter]:
    if not isinstance(wanted, Mapping) or not wanted:
        return [_equal(path, wanted)]
    if not any(isinstance(key, str) and key.startswith("$") for key in wanted):
        return _document(path, wanted)
    unknown = [name for name in wanted if name not in _OPERATORS]
    if unknown:
        raise InvalidFilter(f"unknown operator {unknown[0]!r} for {path.partition('.')[2]!r}; known are {', '.join(sorted(_OPERATORS))}")
    return [_compared(path, Comparator(name), operand) for name, operand in wanted.items()]


def _compared(path: str, op: Comparator, operand: Any) -> Filter:
    if op is Comparator.EQ:
        return _equal(path, operand)
    if op is Comparator.NE and operand is None:
        return Comparison(path, Comparator.EXISTS, True)
    return Comparison(path, op, operand)


def _equal(path: str, wanted: Any) -> Filter:
    return Comparison(path, Comparator.EXISTS, False) if wanted is None else Comparison(path, Comparator.EQ, wanted)
