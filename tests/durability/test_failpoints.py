"""Killed at every named point of everything the capacity manager and the archive do: nothing is lost, nothing is there twice."""

from __future__ import annotations

import os
import shutil
import signal
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

import vectopt  # noqa: F401 - whose modules make the points
from vectopt import Budget, StoredItem, Tier, VectorManager, failpoints
from vectopt.archive import open_target

from .child import Role
from .trials import RECOVERIES, TRIALS, Trial

LONG = os.environ.get("VECTOPT_LONG") == "1"
SEED = int(os.environ.get("VECTOPT_SEED", "1"))
SPACES = ("default", "side")

Held = dict[tuple[str, str], StoredItem]


def held(store: VectorManager) -> Held:
    return {
        (item.namespace, item.id): item for space in SPACES for item in store.get(ids_of(store, space), namespace=space, with_vectors=True)
    }


def ids_of(store: VectorManager, space: str) -> list[str]:
    ids = [item.id for item in store.scan(namespace=space)]
    assert len(set(ids)) == len(ids), Counter(ids).most_common(3)
    return ids


def wrong_items(found: Held, before: Held, trial: Trial) -> list[str]:
    """Return what is not as it was: lost, come back, or other in a byte."""
    wrong = [f"lost: {key}" for key in before.keys() - found.keys() if not trial.deletes]
    fresh = {key for key in found.keys() - before.keys() if key[1].startswith("fresh")}
    wrong += [f"came back: {key}" for key in found.keys() - before.keys() - fresh]
    if len(fresh) not in (0, 4):
        wrong.append(f"torn: {sorted(fresh)}")
    for key in before.keys() & found.keys():
        was, now = before[key], found[key]
        if (was.content, was.metadata, was.generation) != (now.content, now.metadata, now.generation):
            wrong.append(f"changed: {key}")
        if was.vector is None or (now.vector is None and (trial.drops or was.tier is Tier.TEMP)):
            continue
        if now.vector is None or any(was.vector != now.vector):
            wrong.append(f"another vector: {key}: {was.vector} {now.vector}")
    return wrong


def wrong_after(trial: Trial, folder: Path, before: Held) -> list[str]:
    """Return what is wrong with a store whose process was killed, at once and after what tidies it up."""
    with trial.open(folder, Budget()) as store:
        wrong = wrong_items(held(store), before, trial)
        wrong += [str(one) for one in store.doctor() if one.what not in ("archive_orphan", "counter" if trial.sick else "")]
        store.compact()
        wrong += [f"left: {one}" for one in store.doctor() if not (trial.sick and one.what == "counter")]
        wrong += wrong_items(held(store), before, trial)
        if trial.archive:
            with store._ledger.reading() as db:
                known = {name for (name,) in db.execute("SELECT name FROM segment")}
            there = set(open_target(folder / "archive").names())
            wrong += [f"objects: {there ^ known}"] if there != known else []
            for space in SPACES:
                store.restore(store.archived_ids(namespace=space), namespace=space)
        found = held(store)
        wrong += wrong_items(found, before, trial)
        wrong += [f"in no tier: {key}" for key, item in found.items() if item.tier == "archived"]
        hits = {(space, hit.id) for space in SPACES for hit in store.search("text", 100, namespace=space, collapse_duplicates=False)}
        wrong += [f"not searched: {hits ^ found.keys()}"] if hits != found.keys() else []
        store.doctor(repair=True)
        wrong += [f"at the end: {one}" for one in store.doctor()]
    return wrong


class Place:
    """A store on disk, of which every trial gets its copy."""

    def __init__(self, zygote: Role, folder: Path, name: str) -> None:
        self.name, self.trial, self._zygote, self._folder = name, TRIALS[name], zygote, folder
        self._copies = 0
        self.base = folder / "base"
        self.base.mkdir(parents=True)
        self.trial.prepare(self.base)
        with self.trial.open(self.copy(), Budget()) as store:
            self.before = held(store)

    def copy(self) -> Path:
        self._copies += 1
        return Path(shutil.copytree(self.base, self._folder / str(self._copies)))

    def run(self, folder: Path, crash: int = 0, recovery: str = "") -> list[str]:
        """Let a child act, killed at a point (0: at none); return the points that it reached."""
        log = self._folder / "log"
        log.unlink(missing_ok=True)
        order: dict[str, Any] = {"do": "trial", "trial": self.name, "folder": str(folder), "log": str(log), "recovery": recovery}
        pid = self._zygote.ask(order | {"crash": crash})
        status = self._zygote.ask({"reap": pid})
        reached = log.read_text().splitlines() if log.exists() else []
        assert not reached or not reached[-1].startswith("error"), reached[-1]
        if crash and len(reached) == crash:
            assert os.WTERMSIG(status) == signal.SIGKILL
        else:
            assert status == 0
        return reached


REACHED: set[str] = set()


def chosen(points: list[str], rng: Random) -> list[int]:
    """Return at which of the points to crash, counted from 1: all of them, or one of each name that was not tried yet, and another one."""
    every = range(1, len(points) + 1)
    if LONG:
        return list(every)
    fresh = [[place for place in every if points[place - 1] == name] for name in dict.fromkeys(points) if name not in REACHED]
    return sorted({rng.choice(some) for some in [every, *fresh]})


@pytest.mark.parametrize("name", TRIALS)
def test_killed_at_every_point(zygote: Role, tmp_path: Path, name: str) -> None:
    place, rng = Place(zygote, tmp_path, name), Random(SEED)
    whole = place.copy()
    points = place.run(whole)
    assert wrong_after(place.trial, whole, place.before) == []
    for crash in chosen(points, rng):
        folder = place.copy()
        assert place.run(folder, crash)[-1] == points[crash - 1]
        assert wrong_after(place.trial, folder, place.before) == [], (crash, points[:crash], points[crash - 1])
        shutil.rmtree(folder)
    REACHED.update(points)


def test_every_point_was_reached() -> None:
    """The code says which there are: none is left untried. Stores outside have trials of their own."""
    assert {name for name in failpoints.names() if not name.startswith("outside.")} == REACHED


@pytest.mark.parametrize(
    ("name", "recovery"),
    [(name, recovery) for name in ("archive", "compact", "repair") for recovery in RECOVERIES if LONG or recovery in (name, "compact")],
)
def test_killed_again_while_it_is_put_right(zygote: Role, tmp_path: Path, name: str, recovery: str) -> None:
    """Ten crashes in a row, each a step further in what tidies up after the one before."""
    place, rng = Place(zygote, tmp_path, name), Random(SEED)
    points = place.run(place.copy())
    for first in range(1, len(points) + 1, 3) if LONG else [rng.randint(2, len(points))]:
        folder = place.copy()
        place.run(folder, first)
        for crash in range(1, 11):
            place.run(folder, crash, recovery)
        assert wrong_after(place.trial, folder, place.before) == [], (first, points[:first])
