"""Three requests in ten go wrong and the process is killed on the way: every text gets its own vector, once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from vectopt import Tier, VectorManager

from .openai_double import Behaviour, Double, Fault, vectors_of
from .openai_double.child import SETTINGS, text_of

LONG = os.environ.get("VECTOPT_LONG") == "1"
TEXTS, KILLS, BATCH = (100_000, 10, 100) if LONG else (1_800, 2, 10)
DIMENSIONS = 32
MODEL = "text-embedding-3-small"
THIRTY_PERCENT = {
    Fault.LIMITED: 0.12, Fault.SERVER: 0.08, Fault.CUT_BEFORE: 0.04, Fault.CUT_AFTER: 0.03,
    Fault.SHORT: 0.007, Fault.NAN: 0.007, Fault.SIZE: 0.006, Fault.SHUFFLED: 0.01,
}  # fmt: skip


def run_until_done(order: dict[str, Any], double: Double, kills: int, seconds: float) -> tuple[dict[str, Any], int]:
    """Run the child; kill it that often, evenly over the work. Return what it said at the end, and how often it was killed."""
    work = [order["texts"] * (number + 1) // (kills + 1) for number in range(kills)]
    before, killed, deadline = double.behaviour.paid_inputs, 0, time.monotonic() + seconds
    done = Path(order["done"])
    while not done.exists():
        child = subprocess.Popen([sys.executable, "-m", "tests.openai_double.child", json.dumps(order)], cwd=Path(__file__).parent.parent)
        try:
            while child.poll() is None and not (work and double.behaviour.paid_inputs - before >= work[0]):
                assert time.monotonic() < deadline, "it never came to an end"
                time.sleep(0.002)
            if child.poll() is None:
                child.kill()
                killed += 1
                work.pop(0)
            else:
                assert child.returncode == 0
        finally:
            child.kill()
            child.wait()
    return json.loads(done.read_text()), killed


def wrong_bindings(path: Path, model: str = MODEL) -> tuple[int, int]:
    """Return how many items have a vector, and how many of these have another text's."""
    there = wrong = 0
    with VectorManager(path, settings=SETTINGS) as store:
        for start in range(0, TEXTS, 5000):
            numbers = range(start, min(start + 5000, TEXTS))
            found = store.get([str(number) for number in numbers], with_vectors=True)
            assert [item.content for item in found] == [text_of(number) for number in numbers]
            assert {item.tier for item in found} <= {Tier.PERSISTENT, Tier.TEMP}
            held = np.stack([item.vector for item in found if item.vector is not None])
            there += len(held)
            wrong += int((np.abs(held - vectors_of([item.content for item in found], model, DIMENSIONS)) > 1e-6).any(axis=1).sum())
        assert store.stats().embeddings_made == TEXTS
    return there, wrong


def test_every_text_is_stored_once_with_its_own_vector_whatever_goes_wrong(tmp_path: Path) -> None:
    with Double(Behaviour(shares=THIRTY_PERCENT, counted=False)) as double:
        order = {
            "path": str(tmp_path / "store.db"), "cache": str(tmp_path / "cache"), "done": str(tmp_path / "done"), "url": double.url,
            "texts": TEXTS, "batch": BATCH, "dimensions": DIMENSIONS,
        }  # fmt: skip
        said, killed = run_until_done(order, double, KILLS, 1800)
        seen = double.behaviour
    assert killed == KILLS
    assert said == {"dead": 0}
    assert wrong_bindings(tmp_path / "store.db") == (TEXTS, 0)
    assert seen.invalid == []
    assert {fault for fault in THIRTY_PERCENT if not seen.faults[fault]} <= (
        set() if LONG else {Fault.SHORT, Fault.NAN, Fault.SIZE, Fault.SHUFFLED}
    )
    assert seen.paid_inputs <= 1.15 * TEXTS


def test_the_check_finds_a_wrong_binding(tmp_path: Path) -> None:
    with VectorManager(tmp_path / "store.db", settings=SETTINGS) as store:
        right = vectors_of([text_of(number) for number in range(TEXTS)], MODEL, DIMENSIONS)
        right[[3, 4]] = right[[4, 3]]
        for start in range(0, TEXTS, 5000):
            store.add([{"id": str(n), "content": text_of(n), "vector": right[n]} for n in range(start, min(start + 5000, TEXTS))])
        store._ledger.write(lambda tx: tx.count("default", "embeddings_made", TEXTS))
    assert wrong_bindings(tmp_path / "store.db") == (TEXTS, 2)
