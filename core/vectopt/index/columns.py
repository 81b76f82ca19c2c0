"""Metadata in memory, by the paths that filters ask for: a filter is answered for every item at once.

A path's distinct values are kept once, and compared by the very function that compares a single item's: what passes here
passes there.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..filters import compare, lookup
from ..model import And, Comparator, Comparison, Filter, Or
from .growing import Growing

_MAX_PATHS = 32
_EXACT = 2**53  # integers up to this are floats, exactly
_RANGES: dict[Comparator, Callable[[Any, Any], Any]] = {
    Comparator.GT: operator.gt,
    Comparator.GTE: operator.ge,
    Comparator.LT: operator.lt,
    Comparator.LTE: operator.le,
}

Mask = NDArray[np.bool_]


class Column:
    """One path's value in each item, as the number of a distinct value."""

    def __init__(self) -> None:
        self._values: list[Any] = []
        self._number_of: dict[Any, int] = {}
        self._numbers = Growing(np.float64)  # of the distinct values, NaN for what is no number
        self._codes = Growing(np.int32)
        self._exact = True

    def extend(self, values: Iterable[Any]) -> None:
        """Take in the next items' values."""
        begin = len(self._values)
        codes = [self._code(value) for value in values]
        self._codes.extend(np.array(codes, np.int32))
        fresh = self._values[begin:]
        self._numbers.extend(np.array([_as_float(value) for value in fresh], np.float64))
        self._exact = self._exact and not any(_is_number(value) and not _is_exact(value) for value in fresh)

    def _code(self, value: Any) -> int:
        known = self._number_of.setdefault(_key(value), len(self._values))
        if known == len(self._values):
            self._values.append(value)
        return known

    def mask(self, node: Comparison) -> Mask:
        """Tell which items pass a comparison on this path."""
        codes = self._codes.now()
        wanted = node.value
        if node.op in (Comparator.EQ, Comparator.NE) and _scalar(wanted):
            equal: Mask = codes == self._number_of.get(_key(wanted), -1)
            return equal if node.op is Comparator.EQ else ~equal
        verdict = self._verdict(node)
        return np.asarray(verdict[codes], np.bool_)

    def _verdict(self, node: Comparison) -> Mask:
        """Tell which distinct values pass."""
        wanted = node.value
        if node.op is Comparator.IN and all(map(_scalar, wanted)):
            verdict = np.zeros(len(self._values), np.bool_)
            verdict[[code for value in wanted if (code := self._number_of.get(_key(value))) is not None]] = True
            return verdict
        if self._exact and node.op in _RANGES and _is_number(wanted) and _is_exact(wanted):
            return np.asarray(_RANGES[node.op](self._numbers.now(), wanted), np.bool_)
        return np.fromiter((compare(node, value) for value in self._values), np.bool_, len(self._values))


class Columns:
    """The metadata of a namespace's items, by path. Items are taken in again whenever their text's slot changes."""

    def __init__(self) -> None:
        self._position = Growing(np.int32)  # of each item taken in; -1 where it was taken in again, or is gone
        self._paths: dict[str, Column] = {}
        self.changed: set[int] = set()  # slots whose items are to be taken in again
        self.begun = False

    @property
    def nbytes(self) -> int:
        """Bytes held, estimated: 4 an item and path, and the paths' distinct values."""
        return self._position.nbytes + sum(column._codes.nbytes + 100 * len(column._values) for column in list(self._paths.values()))

    def lacks(self, node: Filter) -> bool:
        """Tell whether the filter asks for a path that isn't held."""
        return any(path not in self._paths for path in _paths_of(node))

    def begin(self, node: Filter, items: Iterable[tuple[int, str]]) -> None:
        """Start anew with the paths held and those of the filter, from all items as (position, metadata as JSON)."""
        asked = list(dict.fromkeys(_paths_of(node)))
        paths = asked + [path for path in self._paths if path not in asked][: max(0, _MAX_PATHS - len(asked))]
        self._position, self._paths = Growing(np.int32), {path: Column() for path in paths}
        self.begun = True
        self.changed.clear()
        self._take(items)

    def update(self, gone: NDArray[np.int64], items: Iterable[tuple[int, str]]) -> None:
        """Take items in again, in place of those at the positions `gone`."""
        self.changed.clear()
        if len(gone) and len(self._position):
            self._position.put(np.isin(self._position.now(), gone), -1)
        self._take(items)

    def _take(self, items: Iterable[tuple[int, str]]) -> None:
        positions: list[int] = []
        found: dict[str, list[Any]] = {path: [] for path in self._paths}
        for position, text in items:
            metadata: Mapping[str, Any] = json.loads(text)
            positions.append(position)
            for path, values in found.items():
                values.append(lookup(metadata, path))
        self._position.extend(np.array(positions, np.int32))
        for path, values in found.items():
            self._paths[path].extend(values)

    @property
    def wasteful(self) -> bool:
        """Whether so many entries are void that beginning anew is better."""
        return len(self._position) > 1024 and int((self._position.now() < 0).sum()) > len(self._position) // 4

    def allowed(self, node: Filter, size: int) -> Mask:
        """Tell at which of the positions 0..size any item passes."""
        passing = self._mask(node)
        positions = self._position.now()[passing]
        result = np.zeros(size, np.bool_)
        result[positions[positions >= 0]] = True
        return result

    def _mask(self, node: Filter) -> Mask:
        if isinstance(node, Comparison):
            return self._paths[node.path].mask(node)
        masks = [self._mask(part) for part in node.parts]
        if isinstance(node, And):
            return np.logical_and.reduce(masks) if masks else np.ones(len(self._position), np.bool_)
        some = np.logical_or.reduce(masks) if masks else np.zeros(len(self._position), np.bool_)
        return some if isinstance(node, Or) else ~some


def _paths_of(node: Filter) -> Iterator[str]:
    if isinstance(node, Comparison):
        yield node.path
    else:
        for part in node.parts:
            yield from _paths_of(part)


def _scalar(value: Any) -> bool:
    return type(value) in (bool, int, float, str)  # an operand of a subclass is compared one by one


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _as_float(value: Any) -> float:
    return float(value) if _is_number(value) and _is_exact(value) else np.nan


def _is_exact(value: float) -> bool:
    """Tell whether a number is the same as a float."""
    return isinstance(value, float) or abs(value) <= _EXACT


def _key(value: Any) -> Any:
    """Return something hashable that is equal for values that compare as the same, and for no others."""
    if isinstance(value, bool) or value is None:
        return type(value), value
    return value if isinstance(value, (int, float, str)) else (list, json.dumps(value, sort_keys=True))
