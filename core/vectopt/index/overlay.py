"""A view with some vectors more: those that came from elsewhere for one search, instead of the sketches that stood for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..model import Precision, Tier, Vector
from ..quantization import encoding
from .vectors import MatrixView, VectorMatrix
from .view import TIERS, View

_PERSISTENT = TIERS.index(Tier.PERSISTENT)


def held_elsewhere(view: View) -> NDArray[np.bool_]:
    """Return where persistent texts are whose vectors are not in the view; shape (positions,)."""
    elsewhere: NDArray[np.bool_] = view.state == _PERSISTENT
    for matrix in view.matrices:
        if matrix.encoding.precision is not Precision.SKETCH:
            elsewhere &= ~matrix.has(np.arange(len(view)))
    return elsewhere


def overlaid(view: View, vectors: Mapping[int, Vector]) -> View:
    """Return the view with vectors of some slots in place of their sketches; slots that it lacks or has vectors of are passed over."""
    slots = np.array(sorted(vectors), np.int64)
    places = np.searchsorted(view.slots, slots)
    there = places < len(view)
    there[there] = view.slots[places[there]] == slots[there]
    there[there] = held_elsewhere(view)[places[there]]
    if not there.any():
        return view
    positions, rows = places[there], [np.asarray(vectors[slot], "<f4") for slot in slots[there].tolist()]
    added = VectorMatrix(encoding(Precision.FLOAT32, len(rows[0])), len(rows[0]))
    added.put(positions, [row.tobytes() for row in rows])
    others = [_without(matrix, positions) for matrix in view.matrices]
    return replace(view, matrices=(*(matrix for matrix in others if len(matrix)), added.view()))


def _without(matrix: MatrixView, positions: NDArray[np.int64]) -> MatrixView:
    """Return a matrix without the rows of some positions."""
    has = positions[matrix.has(positions)]
    if not len(has):
        return matrix
    rows, row_of = matrix.row_of[has], matrix.row_of.copy()
    row_of[has] = -1
    gone = matrix.encoding.unpack(matrix.packed[rows], matrix.factors[rows]).sum(axis=0, dtype=np.float64)
    return replace(matrix, row_of=row_of, dead=np.concatenate((matrix.dead, rows)), total=matrix.total - gone)
