"""kill -9 at any moment: what was acknowledged is there, what was not is there wholly or not at all."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from vectopt import Budget, Settings, VectorManager
from vectopt.protocols import Clock

from .checker import DIMENSIONS, Later, Model, Planner, apply, faults, settle_in_flight
from .child import Role
from .embedder import HashEmbedder

KILLS = int(os.environ.get("VECTOPT_KILLS", "50"))
SEED = int(os.environ.get("VECTOPT_SEED", "1"))
KILLS_A_FILE = 10


@dataclass(frozen=True)
class Kind:
    """How a campaign uses one file.

    Attributes:
        max_vectors: the budget; full most of the time.
        checkpoint_bytes: when the log is moved into the file; small, so that kills hit that too.
        kept_open: the checker keeps the store open from kill to kill, so that the log is never tidied by a close.
        seconds: how long the embedder takes.
    """

    max_vectors: int | None = None
    checkpoint_bytes: int = 4 * 2**20
    kept_open: bool = False
    seconds: float = 0.0
    planted: str = "nothing"


KINDS = (
    Kind(),
    Kind(max_vectors=30, checkpoint_bytes=100_000),
    Kind(kept_open=True, seconds=0.002),
    Kind(checkpoint_bytes=1, seconds=0.002),
    Kind(max_vectors=10, kept_open=True, checkpoint_bytes=200_000),
)


class Campaign:
    """One file, killed over and over."""

    def __init__(self, zygote: Role, folder: Path, kind: Kind, seed: int) -> None:
        self._zygote, self._folder, self._kind = zygote, folder, kind
        self._rng = Random(seed)
        self._planner = Planner(self._rng)
        self._store: VectorManager | None = None
        self.path = str(folder / "store.db")
        self.model = Model()
        self.acknowledged_items = 0
        self.acknowledged_calls = 0

    def open(self, clock: Clock | None = None) -> VectorManager:
        embedder, budget = HashEmbedder(DIMENSIONS), Budget(max_vectors=self._kind.max_vectors)
        return VectorManager(self.path, embedder=embedder, budget=budget, clock=clock, settings=Settings(busy_seconds=10))

    def kill_once(self, until: Callable[[Path], object] | None = None) -> list[str]:
        """Let a child work, kill it, and return what is wrong with what it left.

        Args:
            until: returns when the child is to be killed; by default after a short while or upon some acknowledgement.
        """
        calls = self._planner.plan(self.model, 150)
        acks, plan = self._folder / "acks", self._folder / "calls"
        acks.unlink(missing_ok=True)
        plan.write_text(json.dumps(calls))
        kind = self._kind
        order = {"do": "plan", "path": self.path, "acks": str(acks), "calls": str(plan), "planted": kind.planted}
        pid = self._zygote.ask(
            order | {"checkpoint_bytes": kind.checkpoint_bytes, "max_vectors": kind.max_vectors, "seconds": kind.seconds}
        )
        try:
            (until or self._any_moment)(acks)
        finally:
            os.kill(pid, signal.SIGKILL)
            status = self._zygote.ask({"reap": pid})
        assert os.WIFSIGNALED(status)
        assert os.WTERMSIG(status) == signal.SIGKILL
        return self._check(calls, _lines(acks))

    def _any_moment(self, acks: Path) -> None:
        if self._rng.random() < 0.3:
            wait_for_acks(acks, self._rng.randint(1, 40))
            return
        time.sleep(self._rng.choice((0.02, 0.08, 0.25)) * self._rng.random())

    def _check(self, calls: list[dict[str, Any]], lines: list[dict[str, Any]]) -> list[str]:
        wrong = [f"child: {line['error']}" for line in lines if "error" in line]
        done = sum("done" in line for line in lines)
        for op in calls[:done]:
            apply(op, self.model)
            self.acknowledged_items += len(op.get("items", ()))
        self.acknowledged_calls += done
        if self._store is None:
            self._store = self.open()
        if done < len(calls) and not wrong:
            wrong += settle_in_flight(self._store, calls[done], self.model)
        wrong += faults(self._store, self.model, calls[: done + 1], self._rng)
        if not self._kind.kept_open:
            self._close()
        return wrong

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def finish(self) -> list[str]:
        """Look for everything, let the queue run dry, and look again."""
        self._close()
        with self.open(Later()) as store:
            wrong = faults(store, self.model, None, self._rng)
            report = store.drain()
            if report.waiting or report.failed:
                wrong.append(f"queue: what a killed process had claimed is not embedded: {report}")
            wrong += faults(store, self.model, [], self._rng)
            limit, held = self._kind.max_vectors, store.stats().vectors
            if limit is not None and held > limit:
                wrong.append(f"budget: {held} vectors of {limit}")
        return wrong


def _lines(acks: Path) -> list[dict[str, Any]]:
    """Return the whole lines of an acknowledgement file."""
    text = acks.read_text() if acks.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def wait_for_acks(acks: Path, count: int) -> None:
    """Return as soon as so many calls are acknowledged, or the child failed."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        lines = _lines(acks)
        if len(lines) >= count or any("error" in line for line in lines):
            return
        time.sleep(0.0002)


def campaign(zygote: Role, folder: Path, kills: int) -> None:
    items = calls = done = 0
    while done < kills:
        number = done // KILLS_A_FILE
        place = folder / str(number)
        place.mkdir()
        one = Campaign(zygote, place, KINDS[number % len(KINDS)], SEED * 1_000_003 + number)
        for _ in range(min(KILLS_A_FILE, kills - done)):
            assert one.kill_once() == [], (number, SEED)
            done += 1
        assert one.finish() == [], (number, SEED)
        items, calls = items + one.acknowledged_items, calls + one.acknowledged_calls
    assert items >= kills
    assert calls >= kills


def test_nothing_acknowledged_is_lost_to_kills(zygote: Role, tmp_path: Path) -> None:
    campaign(zygote, tmp_path, KILLS)


def test_killed_while_making_the_file(zygote: Role, tmp_path: Path) -> None:
    """Whatever stage the making has reached, the next opening finishes it."""
    states = set()
    for number in range(40):
        place = tmp_path / str(number)
        place.mkdir()
        one = Campaign(zygote, place, KINDS[0], SEED + number)
        pause = 0.08 * number / 60
        store = Path(one.path)

        def until(acks: Path, store: Path = store, pause: float = pause) -> None:
            time.sleep(pause)
            states.add(store.exists() and store.stat().st_size)

        assert one.kill_once(until) == [], number
        assert one.finish() == [], number
    assert len(states) > 1  # some were killed before the file was there, or was whole


@pytest.mark.parametrize(
    ("planted", "reported"),
    [
        ("acks before the commit", "lost: "),
        ("tears batches", "torn: "),
        ("forgets deletions", "came back: "),
        ("miscounts", "counter: "),
    ],
)
def test_the_campaign_catches_a_planted_bug(zygote: Role, tmp_path: Path, planted: str, reported: str) -> None:
    """A campaign that can't fail proves nothing: the same one must report each of these."""
    rng, wrong = Random(SEED), []
    for attempt in range(25):
        place = tmp_path / str(attempt)
        place.mkdir()
        one = Campaign(zygote, place, Kind(planted=planted), SEED + attempt)
        count = rng.randint(3, 30)
        pause = rng.uniform(0, 0.008)
        wrong = one.kill_once(lambda acks, count=count, pause=pause: (wait_for_acks(acks, count), time.sleep(pause)))
        if any(fault.startswith(reported) for fault in wrong):
            return
    pytest.fail(f"not caught; last seen: {wrong}")
