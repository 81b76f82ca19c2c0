"""The archive beside a plain dictionary: random sequences of adding, deleting, archiving, restoring, passes and undoing."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from vectopt import (
    Budget,
    CapacitySettings,
    DynamicCapacityManager,
    Item,
    MergingSettings,
    Settings,
    StorageSettings,
    StoredItem,
    Tier,
    VectorManager,
)
from vectopt.archive import open_target, salvage
from vectopt.errors import CapacityExceeded, InvalidInput
from vectopt.ledger import passes

from .fakes import DAY, FakeClock, HashEmbedder, SilentObserver

LONG = os.environ.get("VECTOPT_LONG") == "1"
RUN = settings(
    max_examples=300 if LONG else 9,
    stateful_step_count=60 if LONG else 40,
    deadline=None,
    derandomize=not LONG,
    phases=tuple(Phase) if LONG else (Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)

SPACES = st.sampled_from(["a", "a%"])
ALL = [f"id{number}" for number in range(5)]
IDS = st.sampled_from(ALL)
SOME = st.lists(IDS, min_size=1, max_size=4, unique=True)
MANY = st.lists(IDS, min_size=3, max_size=5, unique=True)
WORDS = st.sampled_from(["amber", "birch"])
TEXTS = st.one_of(
    WORDS.map(lambda word: f"{word} grows by the river"),
    WORDS.map(lambda word: f"by the river {word} grows"),  # says the same: shares the slot
    st.sampled_from(
        ["yesterday the amber grew by the river", "yesterday by the river the amber grew", "by the river the amber grew yesterday"]
    ),
    st.integers(8080, 8082).map(lambda port: f"the service listens on port {port}"),
    st.sampled_from(["Amber GROWS by  the river", "東京で雨が降った", "nul \0 inside", "", "  \n"]),
)
METADATA = st.fixed_dictionaries({}, optional={"n": st.integers(0, 3), "deep": st.just({"lc": 1, "$ref": [None, 1.5]})})
VECTORS = st.one_of(st.none(), st.integers(0, 2))


class ArchiveMachine(RuleBasedStateMachine):
    budget = Budget()

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="vectopt-machine-"))
        self.clock, self.embedder = FakeClock(), HashEmbedder()
        self.model: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
        self.pinned: set[tuple[str, str]] = set()
        self.merging = True
        self.precision = "float32"
        self.m = self.open()
        self.other = self.open()

    def open(self) -> VectorManager:
        capacity = CapacitySettings(grace_seconds=0, archive_after_seconds=DAY, most_a_pass=0.5)
        return VectorManager(
            self.folder / "store.db",
            embedder=self.embedder,
            budget=self.budget,
            clock=self.clock,
            archive=self.folder / "archive",
            settings=Settings(
                capacity=capacity,
                merging=MergingSettings(near_duplicates=self.merging),
                storage=StorageSettings(precision=self.precision),  # type: ignore[arg-type]
                observer=SilentObserver(),
            ),
        )

    def teardown(self) -> None:
        self.m.close()
        self.other.close()
        shutil.rmtree(self.folder)

    def ids(self, space: str) -> list[str]:
        return [id for owner, id in self.model if owner == space]

    # --- what users do

    @initialize(texts=st.lists(TEXTS, min_size=6, max_size=6), metadata=METADATA, seed=VECTORS, archived=MANY)
    def fill(self, texts: list[str], metadata: dict[str, Any], seed: int | None, archived: list[str]) -> None:
        for number, text in enumerate(texts):
            space, id = ("a", "a%")[number % 2], ALL[number // 2]
            self.add(space, [id], text, metadata, seed if number == 3 else None, wait=number == 5, second=False)
        self.archive("a", archived, second=False)

    @rule(space=SPACES, id=IDS, text=TEXTS, metadata=METADATA)
    def add_one(self, space: str, id: str, text: str, metadata: dict[str, Any]) -> None:
        self.add(space, [id], text, metadata, None, wait=False, second=False)

    @rule(space=SPACES, ids=SOME, text=TEXTS, metadata=METADATA, seed=VECTORS, wait=st.booleans(), second=st.booleans())
    def add(self, space: str, ids: list[str], text: str, metadata: dict[str, Any], seed: int | None, wait: bool, second: bool) -> None:
        vector = None if seed is None else self.embedder.vector(f"own {seed}")
        items = [Item(text, metadata, id, vector=vector) for id in ids]
        try:
            (self.other if second else self.m).add(items, namespace=space, wait=wait)
        except CapacityExceeded:
            assert self.budget.max_items is not None
            return
        self.model.update({(space, id): (text, metadata) for id in ids})

    @rule(space=SPACES, id=IDS, second=st.booleans())
    def delete(self, space: str, id: str, second: bool) -> None:
        ids = [id]
        known = [id for id in ids if (space, id) in self.model]
        assert (self.other if second else self.m).delete([*ids, "never there"], namespace=space) == len(known)
        for id in known:
            del self.model[space, id]
            self.pinned.discard((space, id))

    @rule(space=SPACES, ids=MANY, second=st.booleans())
    def archive(self, space: str, ids: list[str], second: bool) -> None:
        before = self.seen(space)
        count = (self.other if second else self.m).archive(ids, namespace=space)
        away = set(self.m.archived_ids(namespace=space))
        assert {id for id in ids if (space, id) in self.model} <= away  # with all that share a text with them
        assert count == len(away) - sum(item.tier is Tier.ARCHIVED for item in before.values())
        after = self.seen(space)
        for id, item in before.items():
            assert (item.content, item.metadata, item.generation) == (after[id].content, after[id].metadata, after[id].generation)
            assert same(item.vector, after[id].vector)

    @rule(space=SPACES, ids=SOME, second=st.booleans())
    def restore(self, space: str, ids: list[str], second: bool) -> None:
        away, before = set(self.m.archived_ids(namespace=space)), self.seen(space)
        try:
            report = (self.other if second else self.m).restore(ids, namespace=space)
        except CapacityExceeded:
            assert self.budget.max_items is not None
            assert set(self.m.archived_ids(namespace=space)) == away
            return
        assert (report.restored, report.damaged) == (len(away & set(ids)), ())
        assert set(self.m.archived_ids(namespace=space)) == away - set(ids)
        after = self.seen(space)
        for id in away & set(ids):
            was, now = before[id], after[id]
            assert (was.content, was.metadata, was.generation) == (now.content, now.metadata, now.generation)
            given = [item.facts.get("vector_origin") == "caller" for item in (was, now)]
            assert self.budget.max_vectors is not None or not all(given) or near(was.vector, now.vector)

    @rule()
    def compact(self) -> None:
        self.m.compact()
        with self.m._ledger.reading() as db:
            known = {name for (name,) in db.execute("SELECT name FROM segment")}
            assert db.execute("SELECT count(*) FROM segment WHERE state <> 'sealed' OR live <> items").fetchone() == (0,)
        target = open_target(self.folder / "archive")
        assert set(target.names()) == known
        records = [record for name in known for record in salvage(target, name) if isinstance(record, dict)]
        held = sorted((record["namespace"], item["id"]) for record in records for item in record["items"])
        assert held == sorted((space, id) for space in ("a", "a%") for id in self.m.archived_ids(namespace=space))

    @rule(second=st.booleans())
    def one_pass(self, second: bool) -> None:
        before = {space: self.seen(space) for space in ("a", "a%")}
        report = DynamicCapacityManager({}, self.other if second else self.m).run_once()
        assert report.problems == ()
        for space, id in self.pinned:
            assert before[space][id].tier is Tier.ARCHIVED or self.seen(space)[id].tier is not Tier.ARCHIVED

    @rule()
    def undo(self) -> None:
        try:
            DynamicCapacityManager({}, self.m).undo()
        except InvalidInput:
            with self.m._ledger.reading() as db:
                assert passes.last(db) is None
        except CapacityExceeded:
            assert self.budget.max_items is not None

    @rule(space=SPACES, ids=SOME, pinned=st.booleans())
    def pin(self, space: str, ids: list[str], pinned: bool) -> None:
        known = {(space, id) for id in ids if (space, id) in self.model}
        assert (self.m.pin if pinned else self.m.unpin)(ids, namespace=space) == len(known)
        self.pinned = self.pinned | known if pinned else self.pinned - known

    @rule(days=st.sampled_from([0.5, 2.0]))
    def drain_later(self, days: float) -> None:
        self.clock.advance(days * DAY)
        self.m.drain()

    @rule(merging=st.booleans(), precision=st.sampled_from(["float32", "float16", "int8"]))
    def restart(self, merging: bool, precision: str) -> None:
        self.m.close()
        self.merging, self.precision = merging, precision
        self.m = self.open()

    @precondition(lambda self: self.model)
    @rule(space=SPACES, text=TEXTS)
    def search_the_archive(self, space: str, text: str) -> None:
        hits = self.m.search_archived(text, 20, namespace=space, mode="lexical")
        assert {hit.id for hit in hits} <= set(self.m.archived_ids(namespace=space))
        for hit in hits:
            assert (hit.content, hit.metadata) == self.model[space, hit.id]

    # --- what always holds

    def seen(self, space: str) -> dict[str, StoredItem]:
        return {item.id: item for item in self.m.get(self.ids(space), namespace=space, with_vectors=True)}

    @invariant()
    def promises_hold(self) -> None:
        for m in (self.m, self.other):
            for space in ("a", "a%"):
                wanted = {id: self.model[space, id] for id in self.ids(space)}
                got = m.get(ALL, namespace=space)
                assert {item.id: (item.content, item.metadata) for item in got} == wanted
                assert sorted(item.id for item in m.scan(namespace=space)) == sorted(wanted)
                living = {item.id for item in got if item.tier is not Tier.ARCHIVED}
                assert {item.id for item in got} - living == set(m.archived_ids(namespace=space))
                hits = m.search("amber by the river 8081", 50, namespace=space, collapse_duplicates=False)
                assert sorted(hit.id for hit in hits) == sorted(living)
                stats = m.stats(namespace=space)
                assert (stats.items, stats.items_per_tier["archived"]) == (len(wanted), len(wanted) - len(living))
        assert self.m.doctor() == []
        stats = self.m.stats()
        assert self.budget.max_vectors is None or stats.vectors <= self.budget.max_vectors
        assert self.budget.max_items is None or stats.items - stats.items_per_tier["archived"] <= self.budget.max_items


def same(one: Any, other: Any) -> bool:
    return (one is None) == (other is None) and (one is None or bool((one == other).all()))


def near(one: Any, other: Any) -> bool:
    """Tell whether two vectors are one, as precisely as it is kept."""
    return float(one @ other) / float(np.linalg.norm(one) * np.linalg.norm(other)) > 0.999


class FullMachine(ArchiveMachine):
    """A budget that is full nearly always: passes archive, adds and restores are refused."""

    budget = Budget(max_items=5, max_vectors=3)


TestArchive = ArchiveMachine.TestCase
TestArchive.settings = RUN
TestFullArchive = FullMachine.TestCase
TestFullArchive.settings = RUN
