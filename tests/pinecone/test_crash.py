"""Killed at every step of bringing vectors to Pinecone and taking them away, with late reads and partial failures."""

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from vectopt import failpoints
from vectopt.ledger import outside, records
from vectopt.outside import instance_of
from vectopt.stores.keys import key_of
from vectopt.testing import HashEmbedder

from .crash_child import DIMENSIONS, FASTER, MAX_VECTORS, Fast, Planner, effect, main, open_manager, patch_retries
from .double import Faults, Index, serving

LONG = os.environ.get("VECTOPT_LONG") == "1"
CAMPAIGNS = 25 if LONG else 1
POINTS = [name for name in failpoints.names() if name.startswith("outside.")]


def test_there_are_moments_to_die_at() -> None:
    assert len(POINTS) == 13


@pytest.mark.parametrize("seed", range(CAMPAIGNS))
def test_killed_at_every_step(tmp_path: Path, seed: int) -> None:
    """After every kill what was acknowledged is found and what was deleted is not; in the end nobody's vectors are left outside."""
    patch_retries()
    spawner = multiprocessing.get_context("forkserver")
    spawner.set_forkserver_preload(["tests.pinecone.crash_child"])
    index = Index(DIMENSIONS, Fast().now, delay=60, faults=Faults(busy=0.02, down=0.02, cut=0.02, partial=0.05))
    index.rng.seed(seed)
    planner, live, killed = Planner(seed), dict[str, str](), set[str]()
    path = str(tmp_path / "store.db")
    points = planner.rng.sample(POINTS, len(POINTS) if LONG else 5)
    with serving(index) as server:
        for number, point in enumerate(points):
            calls, acks = planner.plan(live, 60), tmp_path / f"acks-{number}"
            order = {"path": path, "address": server.address, "calls": calls, "acks": str(acks), "point": point}
            child = spawner.Process(target=main, args=(json.dumps(order | {"hits": planner.rng.randint(1, 3)}),))
            child.start()
            child.join(60)
            assert child.exitcode in (0, -signal.SIGKILL), point
            killed |= {point} if child.exitcode else set()
            live = _checked(path, server.address, calls, acks.read_bytes() if acks.exists() else b"", live)
        assert killed == set(points)
        _settled_and_clean(path, server.address, index, live)


def _checked(path: str, address: str, calls: list[dict], acks: bytes, live: dict[str, str]) -> dict[str, str]:
    """Hold what a killed child left against what it acknowledged; return what is live."""
    for call in calls[: len(acks)]:
        live = effect(call, live)
    possible = [live, effect(calls[len(acks)], live)] if len(acks) < len(calls) else [live]
    manager, client = open_manager(path, address)
    with manager:
        held = {item.id: item.content for item in manager.scan()}
        assert held in possible
        found = {hit.id: hit.content for hit in manager.search(HashEmbedder(DIMENSIONS).vector("anything"), 1000)}
        assert found == held
        for id in sorted(held)[:5]:
            assert manager.search(HashEmbedder(DIMENSIONS).vector(held[id]), 1000, mode="dense")[0].similarity is not None
            assert manager.search(held[id], 1, mode="lexical")[0].id == id
        assert manager.stats().vectors <= MAX_VECTORS
    client.close()
    return held


def _settled_and_clean(path: str, address: str, index: Index, live: dict[str, str]) -> None:
    """Let all that is on its way arrive, repair, and look at the index itself."""
    index.faults = Faults()
    manager, client = open_manager(path, address)
    with manager:
        for repair in (True, False):
            for _ in range(60):
                manager.drain()
                report = manager.reconcile(repair=repair)
                if not (report.pending or report.leaving or report.missing):
                    break
                time.sleep(65 / FASTER)
            time.sleep(130 / FASTER)
        assert manager.reconcile().clean
        assert {item.id: item.content for item in manager.scan()} == live
        with manager._ledger.reading() as db:
            copies = outside.states(db, "default")
            instance = instance_of(records.meta(db, "instance"))
            assert set(copies.values()) == {"there"}
            assert len(copies) == db.execute("SELECT count(*) FROM vector JOIN slot USING (slot) WHERE tier = 'persistent'").fetchone()[0]
        assert index.true_ids() == {"default": {key_of(instance, copy) for copy in copies}}
    client.close()
