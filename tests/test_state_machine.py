"""The whole manager beside a plain dictionary, driven by random sequences of everything a user can do."""

from __future__ import annotations

import os
import shutil
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from vectopt import Budget, Change, Item, QueueSettings, Settings, Tier, VectorManager
from vectopt.analysis import fingerprint, words
from vectopt.errors import CapacityExceeded, EmbedderFailed, InvalidItem
from vectopt.ledger import records
from vectopt.ledger.wording import OWN_TEXT

from .fakes import HOUR, FakeClock, HashEmbedder, SilentObserver

LONG = os.environ.get("VECTOPT_LONG") == "1"
RUN = settings(
    max_examples=400 if LONG else 24,
    stateful_step_count=60 if LONG else 30,
    deadline=None,
    derandomize=not LONG,
    phases=tuple(Phase) if LONG else (Phase.explicit, Phase.generate),  # to shrink a failure takes minutes: VECTOPT_LONG=1 does
    # Opening files is slow beside pure code; nothing else is suppressed.
    suppress_health_check=[HealthCheck.too_slow],
)

SPACES = st.sampled_from(["a", "a%"])  # "a%" as a LIKE pattern would hold "a"
IDS = st.sampled_from([f"id{number}" for number in range(7)])
WORDS = st.sampled_from(["amber", "birch", "cedar"])
TEXTS = st.one_of(
    WORDS.map(lambda word: f"{word} grows by the river"),
    WORDS.map(lambda word: f"by the river {word} grows"),  # says the same: shares the slot
    # The first says what the second says, and the second what the third says, but the first and the third are two moves apart.
    st.sampled_from(
        [
            "yesterday the amber grew by the river",
            "yesterday by the river the amber grew",
            "by the river the amber grew yesterday",
        ]
    ),
    st.tuples(WORDS, st.integers(8080, 8083)).map(lambda pair: f"the {pair[0]} service listens on port {pair[1]}"),
    WORDS.map(lambda word: f"ERROR: {word} failed to start: connection refused, step 1 then step 2"),
    st.sampled_from(["Amber GROWS by  the river", "東京で雨が降った", "nul \0 inside", "", "  \n"]),
)
METADATA = st.fixed_dictionaries(
    {}, optional={"n": st.integers(0, 3), "tag": st.sampled_from(["x", "y"]), "deep": st.just({"lc": 1, "$ref": []})}
)
VECTORS = st.integers(0, 3)
FILTERS = st.sampled_from([None, {}, {"n": {"$gte": 2}}, {"tag": "x"}, {"$not": {"tag": "x"}}, {"n": {"$exists": False}}])
TIER_SETS = st.one_of(st.none(), st.sets(st.sampled_from(sorted(set(Tier) - {Tier.ARCHIVED})), min_size=1))  # those are in no index


def said(text: str) -> tuple[str, ...]:
    """What texts that say the same have in common; of TEXTS, these alone have it in common."""
    return tuple(sorted(words(text)))


def passes(filter: dict[str, Any] | None, metadata: dict[str, Any]) -> bool:
    """What FILTERS mean, written out."""
    if not filter:
        return True
    if filter == {"tag": "x"}:
        return metadata.get("tag") == "x"
    if filter == {"$not": {"tag": "x"}}:
        return metadata.get("tag") != "x"
    if filter == {"n": {"$exists": False}}:
        return "n" not in metadata
    return metadata.get("n", -1) >= 2


class ManagerMachine(RuleBasedStateMachine):
    budget = Budget()
    namespace_budgets: dict[str, Budget] = {}

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="vectopt-machine-"))
        self.clock = FakeClock()
        self.embedder = HashEmbedder()
        self.model: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
        self.until: dict[tuple[str, str], tuple[float, float]] = {}  # of items that delete themselves: when, and after how long
        self.gone: set[tuple[str, str]] = set()
        self.by_rules: set[tuple[str, tuple[str, ...]]] = set()  # texts that came in by process_content: they may stay cached
        self.other: VectorManager | None = None
        self.m = self.open()

    def open(self) -> VectorManager:
        return VectorManager(
            self.folder / "store.db",
            embedder=self.embedder,
            budget=self.budget,
            namespace_budgets=self.namespace_budgets,
            clock=self.clock,
            settings=Settings(queue=QueueSettings(max_attempts=2), observer=SilentObserver()),
        )

    def teardown(self) -> None:
        self.m.close()
        if self.other is not None:
            self.other.close()
        shutil.rmtree(self.folder)

    # --- what the model knows

    def ids(self, space: str) -> list[str]:
        return [id for owner, id in self.model if owner == space]

    def put(self, space: str, id: str, text: str, metadata: dict[str, Any], lives: float | None = None) -> None:
        self.model[space, id] = text, metadata
        self.gone.discard((space, id))
        self.until.pop((space, id), None)
        if lives is not None:
            self.until[space, id] = self.clock.now() + lives, lives

    def drop(self, space: str, id: str) -> None:
        del self.model[space, id]
        self.until.pop((space, id), None)
        self.gone.add((space, id))

    def refuses(self, space: str, fresh: set[str]) -> bool:
        """Whether max_items must refuse these new ids."""
        new = len(fresh - set(self.ids(space)))
        limits = [(self.budget, len(self.model)), (self.namespace_budgets.get(space, Budget()), len(self.ids(space)))]
        return any(budget.max_items is not None and new and held + new > budget.max_items for budget, held in limits)

    def add(self, m: VectorManager, space: str, items: list[Item], *, wait: bool = False) -> None:
        given = {item.id for item in items if item.id is not None}
        anonymous = {f"new {place}" for place, item in enumerate(items) if item.id is None}
        if self.refuses(space, given | anonymous):
            with pytest.raises(CapacityExceeded):
                m.add(items, namespace=space, wait=wait)
            return
        ids = m.add(items, namespace=space, wait=wait)
        assert len(ids) == len(items)
        for id, item in zip(ids, items, strict=True):
            assert item.id in (None, id)
            assert item.id is not None or (space, id) not in self.model
            self.put(space, id, item.content, dict(item.metadata), item.delete_after_seconds)

    # --- the rules: intake

    @rule(space=SPACES, id=IDS, text=TEXTS, metadata=METADATA, wait=st.booleans())
    def add_one(self, space: str, id: str, text: str, metadata: dict[str, Any], wait: bool) -> None:
        self.add(self.m, space, [Item(text, metadata, id)], wait=wait)

    @rule(
        space=SPACES,
        parts=st.lists(st.tuples(st.one_of(st.none(), IDS), TEXTS, METADATA), max_size=4, unique_by=lambda part: part[0] or object()),
    )
    def add_batch(self, space: str, parts: list[tuple[str | None, str, dict[str, Any]]]) -> None:
        self.add(self.m, space, [Item(text, metadata, id) for id, text, metadata in parts])

    @rule(space=SPACES, ids=st.sets(IDS, min_size=2, max_size=3), text=TEXTS)
    def add_the_same_text_under_several_ids(self, space: str, ids: set[str], text: str) -> None:
        self.add(self.m, space, [Item(text, {"n": place}, id) for place, id in enumerate(sorted(ids))])

    @rule(space=SPACES, id=IDS, text=TEXTS, metadata=METADATA, seed=VECTORS)
    def add_with_an_own_vector(self, space: str, id: str, text: str, metadata: dict[str, Any], seed: int) -> None:
        self.add(self.m, space, [Item(text, metadata, id, vector=self.embedder.vector(f"own {seed}"))])

    @rule(data=st.data(), space=SPACES)
    def add_again_unchanged(self, data: st.DataObject, space: str) -> None:
        if not self.ids(space):
            return
        id = data.draw(st.sampled_from(self.ids(space)))
        before = self.m.get([id], namespace=space)[0]
        text, metadata = self.model[space, id]
        self.add(self.m, space, [Item(text, metadata, id)])
        after = self.m.get([id], namespace=space)[0]
        assert after.generation == before.generation

    @rule(space=SPACES, id=IDS, text=TEXTS, hours=st.sampled_from([1, 14]))
    def add_what_deletes_itself(self, space: str, id: str, text: str, hours: int) -> None:
        self.add(self.m, space, [Item(text, {}, id, delete_after_seconds=hours * HOUR)])

    @rule(space=SPACES, id=IDS)
    def touch(self, space: str, id: str) -> None:
        known = (space, id) in self.until
        assert self.m.touch([id], namespace=space) == known
        if known:
            lives = self.until[space, id][1]
            self.until[space, id] = self.clock.now() + lives, lives

    @rule(text=TEXTS, ids=st.sets(IDS, min_size=2, max_size=3), whole=st.booleans())
    def change_both_spaces(self, text: str, ids: set[str], whole: bool) -> None:
        """One id comes or changes in each; the others go, or everything else that begins so."""
        first, *rest = sorted(ids)
        changes = [Change(space, [Item(text, {}, first)], delete=rest, replace=["id"] if whole else []) for space in ("a", "a%")]
        left = {
            space: [id for id in self.ids(space) if id != first and (id in rest or (whole and id.startswith("id")))]
            for space in ("a", "a%")
        }
        try:
            self.m.write(changes)
        except CapacityExceeded:
            assert self.budget.max_items is not None
            return  # and nothing has changed
        for space in ("a", "a%"):
            for id in left[space]:
                self.drop(space, id)
            self.put(space, first, text, {})

    @rule(space=SPACES, id=IDS, text=TEXTS)
    def add_half_a_bad_batch(self, space: str, id: str, text: str) -> None:
        with pytest.raises(InvalidItem):
            self.m.add([Item(text, {}, id), Item("lone \ud800 surrogate")], namespace=space)

    @rule(space=SPACES, id=st.one_of(st.none(), IDS), text=TEXTS, metadata=METADATA)
    def process_content(self, space: str, id: str | None, text: str, metadata: dict[str, Any]) -> None:
        refused = self.refuses(space, {id or "new"})
        result = self.m.process_content(text, metadata, id=id, namespace=space)
        assert (result.status == "error") == refused, result
        if not refused:
            assert result.id is not None
            self.by_rules.add((space, said(text)))
            self.put(space, result.id, text, metadata)
            assert (
                self.m.get([result.id], namespace=space)[0].tier
                in {
                    "vectorized": ("persistent",),
                    "temp_vectorized": ("temp",),
                    "queued": ("queued",),
                    "cached_only": ("cached",),
                }[result.status]
            )

    # --- deletion

    def forget(self, m: VectorManager, space: str, ids: list[str]) -> None:
        known = {id for id in ids if (space, id) in self.model}
        assert m.delete(ids, namespace=space) == len(known)
        for id in known:
            self.drop(space, id)

    @rule(space=SPACES, ids=st.lists(IDS, max_size=3))
    def delete(self, space: str, ids: list[str]) -> None:
        self.forget(self.m, space, [*ids, "never there"])

    @rule(data=st.data(), space=SPACES)
    def delete_one_that_exists(self, data: st.DataObject, space: str) -> None:
        if self.ids(space):
            self.forget(self.m, space, [data.draw(st.sampled_from(self.ids(space)))])

    # --- search

    @rule(
        space=SPACES,
        query=st.one_of(TEXTS, VECTORS),
        k=st.integers(1, 9),
        mode=st.sampled_from(["hybrid", "dense", "lexical"]),
        filter=FILTERS,
        tiers=TIER_SETS,
        collapse=st.booleans(),
    )
    def search(
        self, space: str, query: str | int, k: int, mode: str, filter: dict[str, Any] | None, tiers: set[Tier] | None, collapse: bool
    ) -> None:
        asked = query if isinstance(query, str) else self.embedder.vector(f"own {query}")
        if isinstance(query, int) and mode == "lexical":
            mode = "dense"

        def ask(k: int) -> list[Any]:
            return self.m.search(asked, k, namespace=space, filter=filter, tiers=tiers, mode=mode, collapse_duplicates=collapse)  # type: ignore[arg-type]

        if mode == "dense" and isinstance(query, str) and query.strip() and self.embedder.failing:
            with pytest.raises(EmbedderFailed):
                ask(k)
            return
        everything = ask(1000)
        self.check_hits(space, everything)
        eligible = {
            item.id
            for item in self.m.get(self.ids(space), namespace=space)
            if passes(filter, item.metadata)
            and (tiers is None or item.tier in tiers)
            and (mode != "lexical" or set(words(item.content)) & set(words(str(query))))
        }
        found = {hit.id for hit in everything}
        if collapse:
            assert found <= eligible
            assert {said(hit.content) for hit in everything} == {said(self.model[space, id][0]) for id in eligible}
        else:
            assert found == eligible
        first = ask(k)
        assert [hit.id for hit in first] == [hit.id for hit in everything[:k]]

    def check_hits(self, space: str, hits: list[Any]) -> None:
        assert len({hit.id for hit in hits}) == len(hits)
        assert all(0 <= hit.score <= 1 for hit in hits)
        assert all(left.score >= right.score for left, right in pairwise(hits))
        assert all(hit.similarity is None or -1 <= hit.similarity <= 1 for hit in hits)
        for hit in hits:
            assert (space, hit.id) not in self.gone
            assert (hit.content, hit.metadata) == self.model[space, hit.id]

    # --- time, upkeep, trouble

    @rule()
    def drain(self) -> None:
        report = self.m.drain()
        if self.embedder.failing or self.budget != Budget() or self.namespace_budgets:
            return
        assert report.waiting == 0
        letters = {(letter.namespace, id) for letter in self.m.dead_letters() for id in letter.ids}
        for (space, id), (text, _) in self.model.items():
            if text.strip() and (space, said(text)) not in self.by_rules and (space, id) not in letters:
                assert self.m.get([id], namespace=space)[0].tier in (Tier.PERSISTENT, Tier.TEMP)

    @rule(hours=st.sampled_from([1, 13, 25]))
    def advance(self, hours: int) -> None:
        self.clock.advance(hours * HOUR)
        over = [place for place, (at, _) in self.until.items() if at <= self.clock.now()]
        for place in over:
            self.drop(*place)
        self.every_item_comes_back_exactly()  # before they are swept
        self.a_wide_search_gives_every_item_once()
        deleted = self.m.delete_expired()
        assert sorted((space, id) for space, ids in deleted.items() for id in ids) == sorted(over)

    @rule(failing=st.booleans())
    def embedder_fails_or_recovers(self, failing: bool) -> None:
        self.embedder.failing = failing

    @rule()
    def retry_dead_letters(self) -> None:
        dead = self.m.stats().dead_letters
        assert len(self.m.dead_letters()) == dead
        assert self.m.retry_dead_letters() == dead
        assert self.m.dead_letters() == []

    @rule(data=st.data(), space=SPACES, id=IDS)
    def promote(self, data: st.DataObject, space: str, id: str) -> None:
        before = self.m.get([id], namespace=space)
        was_temp = bool(before) and before[0].tier is Tier.TEMP
        assert self.m.promote_temp_vector(id, namespace=space) == (id if was_temp else None)
        if was_temp:
            after = self.m.get([id], namespace=space)[0]
            assert after.tier is Tier.PERSISTENT
            assert after.facts["promoted_from_temp"] is True

    @rule(space=SPACES, semantic=st.sampled_from([None, 0.95]))
    def compress_similar(self, space: str, semantic: float | None) -> None:
        before = self.m.stats(namespace=space)
        merged = self.m.compress_similar(namespace=space, semantic=semantic).merged
        after = self.m.stats(namespace=space)
        assert (after.items, after.texts) == (before.items, before.texts - merged)

    @rule()
    def close_and_reopen(self) -> None:
        before = self.m.stats()
        self.m.close()
        self.m = self.open()
        after = self.m.stats()
        for key in ("items", "items_per_tier", "texts", "vectors", "total_processed", "skipped_count", "embeddings_made", "dead_letters"):
            assert after[key] == before[key]

    @rule(space=SPACES, id=IDS, text=TEXTS, metadata=METADATA, remove=st.booleans())
    def a_second_manager_writes(self, space: str, id: str, text: str, metadata: dict[str, Any], remove: bool) -> None:
        if self.other is None:
            self.other = self.open()
        if remove:
            self.forget(self.other, space, [id])
        else:
            self.add(self.other, space, [Item(text, metadata, id)])
        self.check_hits(space, self.other.search(text, 1000, namespace=space, collapse_duplicates=False))

    # --- what always holds (one invariant: a failure's report lists it after every step)

    @invariant()
    def promises_hold(self) -> None:
        self.every_item_comes_back_exactly()
        self.counters_are_true()
        self.budgets_hold()
        self.a_wide_search_gives_every_item_once()
        self.every_word_finds_its_item()
        self.every_item_is_explained()
        self.slots_hold_what_says_the_same()

    def every_item_comes_back_exactly(self) -> None:
        for space in ("a", "a%"):
            asked = [*self.ids(space), *(id for owner, id in self.gone if owner == space)]
            stored = {item.id: (item.content, item.metadata) for item in self.m.get(asked, namespace=space)}
            assert stored == {id: self.model[space, id] for id in self.ids(space)}
            assert {item.id for item in self.m.scan(namespace=space)} == set(self.ids(space))

    def counters_are_true(self) -> None:
        with self.m._ledger.reading() as db:
            counted = records.recount(db)
            for space in ("a", "a%"):
                kept = records.counters(db, space)
                for name in ("items", "slots", "slots.queued", "vectors", "vector_bytes", "dead", *(f"items.{tier}" for tier in Tier)):
                    assert kept.get(name, 0) == counted.get((space, name), 0), name
        for space in ("a", "a%"):
            assert self.m.stats(namespace=space).items == len(self.ids(space))

    def budgets_hold(self) -> None:
        for space, budget in ((None, self.budget), *self.namespace_budgets.items()):
            stats = self.m.stats(namespace=space)
            assert budget.max_vectors is None or stats.vectors <= budget.max_vectors
            assert budget.max_items is None or stats.items <= budget.max_items

    def a_wide_search_gives_every_item_once(self) -> None:
        for space in ("a", "a%"):
            hits = self.m.search("amber and birch by the river 8081", len(self.ids(space)) + 5, namespace=space, collapse_duplicates=False)
            self.check_hits(space, hits)
            assert sorted(hit.id for hit in hits) == sorted(self.ids(space))

    def every_word_finds_its_item(self) -> None:
        for space in ("a", "a%"):
            holders: dict[str, set[str]] = {}
            for id in self.ids(space):
                for word in words(self.model[space, id][0]):
                    holders.setdefault(word, set()).add(id)
            # The rarest word of each item: its own where it has one.
            for word in {
                min(words(text), key=lambda word: (len(holders[word]), word))
                for id in self.ids(space)
                if words(text := self.model[space, id][0])
            }:
                hits = self.m.search(word, 1000, namespace=space, mode="lexical", collapse_duplicates=False)
                assert {hit.id for hit in hits} == holders[word]

    def slots_hold_what_says_the_same(self) -> None:
        with self.m._ledger.reading() as db:
            for slot, text, members, near in db.execute("SELECT slot, text, members, near FROM slot").fetchall():
                query = f"SELECT {OWN_TEXT}, own FROM item JOIN slot USING (slot) WHERE slot = ?"
                held = db.execute(query, (slot,)).fetchall()
                assert (members, near) == (len(held), sum(own is not None for _, own in held))
                assert {said(content) for content, _ in held} == {said(text)}
                assert any(own is None for _, own in held)
                for content, own in held:
                    assert fingerprint(content).exact == (fingerprint(text).exact if own is None else own)

    def every_item_is_explained(self) -> None:
        for space, id in self.model:
            told = self.m.explain(id, namespace=space)
            assert told.tier is self.m.get([id], namespace=space)[0].tier
            assert told.decision.reasoning
            assert told.history == () or told.history[-1].target is told.tier


class SmallBudgetMachine(ManagerMachine):
    """Few vectors in all, and fewer in one namespace."""

    budget = Budget(max_vectors=3)
    namespace_budgets = {"a%": Budget(max_vectors=2)}


class FewItemsMachine(ManagerMachine):
    """Few items: adds are refused whole."""

    budget = Budget(max_items=5, max_vectors=4)


TestManager = ManagerMachine.TestCase
TestManager.settings = RUN
TestSmallBudget = SmallBudgetMachine.TestCase
TestSmallBudget.settings = RUN
TestFewItems = FewItemsMachine.TestCase
TestFewItems.settings = settings(RUN, max_examples=RUN.max_examples // 3)
