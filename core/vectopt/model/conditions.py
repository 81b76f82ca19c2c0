"""Filters, as a tree of frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Comparator(StrEnum):
    """How a filter compares one metadata value."""

    EQ = "$eq"
    NE = "$ne"
    GT = "$gt"
    GTE = "$gte"
    LT = "$lt"
    LTE = "$lte"
    IN = "$in"
    NIN = "$nin"
    EXISTS = "$exists"
    LIKE = "$like"
    ILIKE = "$ilike"
    BETWEEN = "$between"
    ANY = "$any"
    ALL = "$all"
    CONTAINS = "$contains"
    TEXT_MATCH = "$text_match"
    TEXT_MATCH_INSENSITIVE = "$text_match_insensitive"
    IS_EMPTY = "$is_empty"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One condition: the value at `path` (a literal key first, then a dotted path) against `value`."""

    path: str
    op: Comparator
    value: Any

    def __post_init__(self) -> None:
        if not isinstance(self.op, Comparator) and self.op in set(Comparator):
            object.__setattr__(self, "op", Comparator(self.op))  # a string of the same spelling


@dataclass(frozen=True, slots=True)
class And:
    """Every part matches; without parts it matches everything."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part matches."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """None of the parts match."""

    parts: tuple[Filter, ...]


Filter = Comparison | And | Or | Not
