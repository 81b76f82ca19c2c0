"""Of texts that equal each other but for digits, one that has a vector lends it to the others: it leaves last."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vectopt import Item, VectorManager
from vectopt.ledger import evicting
from vectopt.model import Precision
from vectopt.quantization import encoding, sketches_of
from vectopt.strategy import eviction_order

_LATER = 4e9  # seconds since the epoch: what being fresh is worth is over


def _stored(path: Path, texts: list[str]) -> VectorManager:
    manager = VectorManager(path)
    vectors = np.random.default_rng(5).standard_normal((len(texts), 16)).astype(np.float32)
    manager.add([Item(text, id=str(n), vector=vector) for n, (text, vector) in enumerate(zip(texts, vectors, strict=True))])
    return manager


def test_the_worthiest_of_the_lines_of_one_template_leaves_after_the_others(tmp_path: Path) -> None:
    with _stored(tmp_path / "store.db", [f"job {n} took {7 * n} seconds" for n in range(20)]) as manager:
        with manager._ledger.reading() as db:
            found = evicting.candidates(db, None, with_vectors=True)
        (lender,) = [one for one in found if not one.covered]
        assert len(found) == 20
        assert lender.worth == max(one.worth for one in found)
        assert eviction_order(found, _LATER)[-1] == lender.slot


def test_a_line_whose_lender_left_is_covered_no_more(tmp_path: Path) -> None:
    with _stored(tmp_path / "store.db", [f"job {n} took {7 * n} seconds" for n in range(3)]) as manager:
        for left in (2, 1, 0):
            with manager._ledger.reading() as db:
                found = evicting.candidates(db, "default", with_vectors=True)
            (lender,) = [one.slot for one in found if not one.covered]
            manager._ledger.write(lambda tx, gone=lender: evicting.drop(tx, [gone], 0.0, "a test"))
            with manager._ledger.reading() as db:
                assert len(evicting.candidates(db, "default", with_vectors=True)) == left


def test_a_line_whose_own_vector_left_is_still_covered_by_another(tmp_path: Path) -> None:
    with _stored(tmp_path / "store.db", ["job 1 took 3 seconds", "job 2 took 4 seconds", "a text of another kind"]) as manager:
        with manager._ledger.reading() as db:
            (borrower,) = [one.slot for one in evicting.candidates(db, None, with_vectors=True) if one.covered]
        manager._ledger.write(lambda tx: evicting.drop(tx, [borrower], 0.0, "a test"))
        with manager._ledger.reading() as db:
            covered = [one.slot for one in evicting.candidates(db, None, with_vectors=False) if one.covered]
        assert covered == [borrower]


@pytest.mark.parametrize("precision", [Precision.FLOAT32, Precision.FLOAT16, Precision.INT8])
def test_sketches_made_together_are_those_made_one_by_one(precision: Precision) -> None:
    rows = np.random.default_rng(6).standard_normal((9, 48)).astype(np.float32)
    held = encoding(precision, 48).to_bytes(rows)
    assert sketches_of(held, precision) == [sketches_of([one], precision)[0] for one in held]
