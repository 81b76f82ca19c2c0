"""One namespace's index: takes texts in, and gives views of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model import Filter, Precision
from ..quantization import encoding
from .columns import Columns
from .growing import Growing
from .lexical import LexicalIndex
from .surrogate import LEAST, Surrogate
from .vectors import VectorMatrix
from .view import GONE, TIERS, Mask, Positions, View

_STATES = {tier.value: number for number, tier in enumerate(TIERS)}
_MIN_COMPACT = 64
_CHUNK = 8192  # items looked at at a time
_SHORT = 16  # where one in so many texts has no cosine to measure or to borrow, it pays to learn what words tell of it

SlotRow = tuple[int, bytes, str, str | None, bytes | None]
"""A slot as the index takes it in: its number, the digest of its masked text, its tier, and the precision and bytes of its
vector or sketch, if it has one."""


class NamespaceIndex:
    """Takes texts in by slot number, ascending, and keeps them up to date."""

    def __init__(self) -> None:
        self._slots = Growing(np.int64)
        self._groups = Growing(np.int32)
        self._state = Growing(np.uint8)
        self._group_of: dict[bytes, int] = {}
        self._matrices: dict[Precision, VectorMatrix] = {}
        self._gone = 0
        self._view: View | None = None
        self._surrogate: Surrogate | None = None
        self.lexical = LexicalIndex()
        self.columns = Columns()
        self.worded_to = 0  # the slot up to which `lexical` has taken texts in

    @property
    def nbytes(self) -> int:
        """Bytes held, estimated."""
        own = self._slots.nbytes + self._groups.nbytes + self._state.nbytes + 100 * len(self._group_of)
        own += 0 if self._surrogate is None else self._surrogate.nbytes
        return own + self.lexical.nbytes + self.columns.nbytes + sum(matrix.nbytes for matrix in list(self._matrices.values()))

    @property
    def coded(self) -> int:
        """How many vectors have codes."""
        return sum(matrix.coded for matrix in self._matrices.values())

    def put(self, rows: Sequence[SlotRow], dimensions: int | None) -> None:
        """Take in slots as they are now; they ascend, and those that are new are greater than all before."""
        self._view = None
        numbers, masks, tiers, kinds, data = zip(*rows, strict=True)
        slots = np.array(numbers, np.int64)
        states = np.array([_STATES[tier] for tier in tiers], np.uint8)
        known = int(np.searchsorted(slots, self._slots.now()[-1], side="right")) if len(self._slots) else 0
        places, there = self._places(slots[:known])
        if len(places):
            self._state.put(places, states[:known][there])
            self._touch(slots[:known][there])
        positions = np.full(len(rows), -1, np.int64)
        positions[:known][there] = places
        if known < len(rows):
            positions[known:] = np.arange(len(self._slots), len(self._slots) + len(rows) - known)
            groups = self._group_of
            self._slots.extend(slots[known:])
            self._groups.extend(np.array([groups.setdefault(mask, len(groups)) for mask in masks[known:]], np.int32))
            self._state.extend(states[known:])
            self._touch(slots[known:])
        self._put_vectors(positions, kinds, data, dimensions)

    def _put_vectors(self, positions: Positions, kinds: Sequence[str | None], data: Sequence[bytes | None], dimensions: int | None) -> None:
        for kind, matrix in self._matrices.items():
            matrix.remove(
                positions[np.array([number for number, other in enumerate(kinds) if other != kind and positions[number] >= 0], np.int64)]
            )
        for precision in [Precision(kind) for kind in set(kinds) if kind is not None]:
            numbers = [number for number, kind in enumerate(kinds) if kind == precision and positions[number] >= 0]
            assert dimensions is not None
            if precision not in self._matrices:
                self._matrices[precision] = VectorMatrix(encoding(precision, dimensions), dimensions)
            self._matrices[precision].put(positions[numbers], [one for one in map(data.__getitem__, numbers) if one is not None])

    def _touch(self, slots: NDArray[np.int64]) -> None:
        """Have the columns take the items of slots in again."""
        if self.columns.begun:
            self.columns.changed.update(slots.tolist())

    def _places(self, slots: NDArray[np.int64]) -> tuple[Positions, Mask]:
        """Return the positions of those slots that are known, and which those are."""
        known = self._slots.now()
        places = np.searchsorted(known, slots)
        there = places < len(known)
        there[there] = known[places[there]] == slots[there]
        there[there] = self._state.now()[places[there]] != GONE
        return places[there], there

    def remove(self, slots: Sequence[int]) -> None:
        """Forget slots; those never known are passed over."""
        places, _ = self._places(np.array(slots, np.int64))
        if not len(places):
            return
        self._view = None
        self._state.put(places, GONE)
        for matrix in self._matrices.values():
            matrix.remove(places)
        self.lexical.remove(places)
        self._touch(self._slots.now()[places])
        self._gone += len(places)
        if self._gone > max(_MIN_COMPACT, len(self._slots) // 4):
            self._compact()

    def _compact(self) -> None:
        """Renumber the positions without those that are gone; views keep the old arrays."""
        kept = self._state.now() != GONE
        new_position = np.where(kept, np.cumsum(kept) - 1, -1)
        self._slots = Growing(np.int64, held=self._slots.now()[kept])
        self._groups = Growing(np.int32, held=self._groups.now()[kept])
        self._state = Growing(np.uint8, held=self._state.now()[kept])
        used, groups = np.unique(self._groups.now(), return_inverse=True)
        if len(used) < len(self._group_of):
            place = np.full(len(self._group_of), -1, np.int64)
            place[used] = np.arange(len(used))
            self._group_of = {key: int(place[old]) for key, old in self._group_of.items() if place[old] >= 0}
            self._groups = Growing(np.int32, held=groups.astype(np.int32))
        self._matrices = {kind: matrix.compacted(new_position) for kind, matrix in self._matrices.items()}
        self.lexical = self.lexical.compacted(new_position)
        self.columns = Columns()
        self._surrogate = None  # words are numbered anew
        self._gone = 0

    def add_words(self, slots: Sequence[int], texts: Sequence[Sequence[str]]) -> None:
        """Take in the words of the next slots, which ascend from call to call."""
        places, there = self._places(np.array(slots, np.int64))
        self.lexical.add(places, [text for text, known in zip(texts, there.tolist(), strict=True) if known])
        self._view, self.worded_to = None, slots[-1]

    def filtered(self, node: Filter, items: Callable[[Sequence[int] | None], Iterable[tuple[int, str]]]) -> Mask:
        """Tell at which positions any item passes a filter.

        Args:
            node: the filter.
            items: gives (slot, metadata as JSON) of the items of some slots, or of all for None.
        """
        columns = self.columns
        if not columns.begun or columns.lacks(node) or columns.wasteful:
            columns.begin(node, self._placed(items(None)))
        elif columns.changed:
            slots = sorted(columns.changed)
            gone = np.searchsorted(self._slots.now(), np.array(slots, np.int64))
            columns.update(gone, self._placed(items(slots)))
        return columns.allowed(node, len(self._slots))

    def _placed(self, items: Iterable[tuple[int, str]]) -> Iterable[tuple[int, str]]:
        for chunk in _batched(items, _CHUNK):
            places, there = self._places(np.array([slot for slot, _ in chunk], np.int64))
            yield from zip(places.tolist(), (text for (_, text), known in zip(chunk, there.tolist(), strict=True) if known), strict=True)

    def saved(self) -> dict[str, Any]:
        """Return what `restored` takes; later changes don't touch it."""
        keys = b"".join(self._group_of)
        return {
            "slots": self._slots.view(),
            "groups": self._groups.view(),
            "state": self._state.view(),
            "masked": np.frombuffer(keys, np.uint8).reshape(len(self._group_of), -1) if keys else np.empty((0, 1), np.uint8),
            "group_numbers": np.fromiter(self._group_of.values(), np.int32, len(self._group_of)),
            "matrices": [matrix.saved() for matrix in self._matrices.values()],
            "lexical": self.lexical.saved(),
            "gone": self._gone,
            "worded_to": self.worded_to,
        }

    @classmethod
    def restored(cls, saved: dict[str, Any]) -> NamespaceIndex:
        """Return the index that was saved."""
        result = cls()
        result._slots, result._groups = Growing(np.int64, held=saved["slots"]), Growing(np.int32, held=saved["groups"])
        result._state = Growing(np.uint8, held=saved["state"])
        size, data = saved["masked"].shape[1], saved["masked"].tobytes()
        keys = (data[start : start + size] for start in range(0, len(data), size))
        result._group_of = dict(zip(keys, saved["group_numbers"].tolist(), strict=True))
        matrices = [VectorMatrix.restored(one) for one in saved["matrices"]]
        result._matrices = {matrix.encoding.precision: matrix for matrix in matrices}
        result.lexical = LexicalIndex.restored(saved["lexical"])
        result._gone, result.worded_to = saved["gone"], saved["worded_to"]
        return result

    def __len__(self) -> int:
        return len(self._slots) - self._gone

    def view(self) -> View:
        """Return the namespace as it is now; later changes don't touch it."""
        if self._view is None or any(matrix.behind for matrix in self._matrices.values()):
            for kind, matrix in list(self._matrices.items()):
                if matrix.wasteful:
                    self._matrices[kind] = matrix.compacted(np.arange(len(self._slots)))
            self._view = View(
                self._slots.view(),
                self._groups.view(),
                self._state.view(),
                tuple(matrix.view() for matrix in self._matrices.values() if len(matrix)),
                self.lexical.view(),
            )
            self._view = self._with_what_words_tell(self._view)
        return self._view

    def _with_what_words_tell(self, view: View) -> View:
        """Return the view with what was learned of words, where there are texts of which nothing else tells a cosine."""
        vectors = sum(len(matrix) for matrix in view.matrices)
        if self._surrogate is not None and vectors == len(self):
            self._surrogate = None
            self.lexical.forget_forward()
        if vectors < LEAST or (len(self) - vectors) * _SHORT < len(self) or np.count_nonzero(view.unknown) * _SHORT < len(self):
            return view
        if self._surrogate is None:
            self._surrogate = Surrogate(len(view.matrices[0].total))
        forward = self.lexical.forward()
        self._surrogate.follow(view.measured, forward, view.unpacked, view.centre)
        learned = self._surrogate.view()
        return view if learned is None else replace(view, learned=(learned, forward))


def _batched(items: Iterable[tuple[int, str]], size: int) -> Iterator[list[tuple[int, str]]]:
    """Yield lists of up to `size` of the items."""
    every = iter(items)
    while chunk := list(islice(every, size)):
        yield chunk
