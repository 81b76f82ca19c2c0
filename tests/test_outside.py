"""A store outside: what is promised whatever it does."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from vectopt import Budget, Event, OutsideSettings, Settings, StorageSettings, VectorManager
from vectopt import Item as AnyItem
from vectopt.errors import InvalidSettings, OutsideMismatch, OutsideUnavailable
from vectopt.ledger import outside, records
from vectopt.outside import instance_of
from vectopt.stores.keys import copy_of, key_of, prefix_of
from vectopt.testing import FakeClock, FakeStore, HashEmbedder, VectorStoreContract

DIMENSIONS = 64
EMBEDDER = HashEmbedder(DIMENSIONS)


def Item(content: str, metadata: dict | None = None, *, id: str, vector: np.ndarray | None = None) -> AnyItem:
    """Return an item whose vector is persistent at once."""
    return AnyItem(content, metadata or {}, id, vector=EMBEDDER.vector(content) if vector is None else vector)


class TestFakeStore(VectorStoreContract):
    def make_store(self) -> FakeStore:
        return FakeStore()


class TestFakeStoreThatHandsNothingBack(VectorStoreContract):
    def make_store(self) -> FakeStore:
        return FakeStore(hands_back=False, lists=False, queries=False)


class TestFakeStoreThatCanOnlyBeWritten(VectorStoreContract):
    def make_store(self) -> FakeStore:
        return FakeStore(hands_back=False, lists=False, queries=False, fetches=False)


class Watch:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def notify(self, event: Event) -> None:
        self.events.append(event)

    def of(self, name: str) -> list[Event]:
        return [event for event in self.events if event.name == name]


class House:
    """A manager, its store, its clock and what it told."""

    def __init__(self, path: Path, **capabilities: object) -> None:
        self.path, self.store, self.clock, self.watch = path / "store.db", FakeStore(**capabilities), FakeClock(), Watch()
        self.embedder = HashEmbedder(DIMENSIONS)
        self.manager: VectorManager

    def open(
        self, *, budget: Budget | None = None, outside: OutsideSettings | None = None, archive: Path | None = None, **settings: object
    ) -> VectorManager:
        outside = outside or OutsideSettings(patience_seconds=5, rest_seconds=1e-6)
        every = Settings(observer=self.watch, outside=outside, **settings)
        space = {"embedder": self.embedder, "budget": budget or Budget(), "clock": self.clock, "archive": archive}
        self.manager = VectorManager(self.path, settings=every, store=self.store, **space)
        return self.manager

    def settle(self, seconds: float = 120) -> None:
        for _ in range(6):
            self.manager.drain()
            self.clock.advance(seconds)
        self.manager.drain()

    @property
    def texts(self) -> list[str]:
        """The texts whose vectors are outside, as the ledger has them."""
        with self.manager._ledger.reading() as db:
            instance = instance_of(records.meta(db, "instance"))
            copies = [copy_of(instance, key) for _, key in self.store.rows]
            found = outside.slots_of(db, [copy for copy in copies if copy is not None])
            texts = dict(records.texts(db, "default", 0).fetchall())
        return sorted(texts.get(found.get(copy, -1), "nobody's") for copy in copies)

    def key(self, word: str) -> str:
        return next(key for (_, key), record in self.store.rows.items() if np.array_equal(record.vector, EMBEDDER.vector(word)))

    def outside_only(self) -> int:
        with self.manager._ledger.reading() as db:
            return outside.held(db, "default")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    one = House(tmp_path)
    with one.open():
        yield one


WORDS = ("amber", "birch", "cedar", "dunes", "ember", "flint", "grove", "heath", "inlet", "jetty", "knoll", "larch")


def test_keys_say_whose_they_are() -> None:
    instance = 0x123_4567_89AB_CDEF
    for copy in (0, 1, 2**62 - 1):
        key = key_of(instance, copy)
        assert key.startswith(prefix_of(instance))
        assert key.isascii()
        assert copy_of(instance, key) == copy
        assert copy_of(instance + 1, key) is None
    assert copy_of(instance, prefix_of(instance) + "not-a-key") is None
    assert not key_of(instance, 5).startswith(prefix_of(instance - 1))


def test_vectors_go_outside_and_leave_sketches(house: House) -> None:
    house.manager.add([Item(word, {"n": n}, id=word) for n, word in enumerate(WORDS)])
    report = house.manager.drain()
    assert report.shipped == len(WORDS)
    assert house.texts == sorted(WORDS)
    assert all(record.text == "" and record.metadata == {} for record in house.store.rows.values())  # vectors go out, and no more
    stats = house.manager.stats()
    assert (stats.vectors, stats.vector_bytes, stats.sketches) == (len(WORDS), 0, len(WORDS))
    for word in WORDS:
        hit = house.manager.search(house.embedder.vector(word), 1)[0]
        assert hit.id == word
        assert hit.similarity == pytest.approx(1, abs=1e-5)  # exact again: the vector came back for the search
        assert not hit.predicted
    assert house.manager.reconcile().clean


def test_what_the_store_answers_is_the_same_as_without_it(house: House, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    items = [Item(f"{word} {other}", {"n": n % 3}, id=f"{word}-{other}") for word in WORDS for n, other in enumerate(WORDS)]
    house.manager.add(items)
    house.manager.drain()
    with VectorManager(tmp_path / "plain.db", embedder=house.embedder, clock=house.clock) as plain:
        plain.add(items)
        plain.drain()
        for _ in range(20):
            query = rng.standard_normal(DIMENSIONS).astype(np.float32)
            for options in ({}, {"filter": {"n": 1}}, {"filter": lambda item: item.metadata["n"] == 2}, {"exact": True}):
                ours, theirs = house.manager.search(query, 5, **options), plain.search(query, 5, **options)
                assert [hit.id for hit in ours] == [hit.id for hit in theirs]
                assert [hit.similarity for hit in ours] == pytest.approx([hit.similarity for hit in theirs], abs=1e-5)
        text = f"{WORDS[3]} {WORDS[5]}"
        assert house.manager.search(text, 3)[0].id == plain.search(text, 3)[0].id
        assert house.manager.max_marginal_relevance(text, 3)[0].id == f"{WORDS[3]}-{WORDS[5]}"
        batch = house.manager.search_many([house.embedder.vector(item.content) for item in items[:5]], 1)
        assert [hits[0].id for hits in batch] == [item.id for item in items[:5]]


def test_a_store_that_is_down_fails_nothing(house: House) -> None:
    house.manager.add([Item(word, id=word) for word in WORDS[:6]])
    house.manager.drain()
    house.store.failing = True
    house.manager.add([Item(word, id=word) for word in WORDS[6:]])
    house.manager.delete([WORDS[0]])
    house.manager.drain()
    for word in WORDS[1:]:
        assert house.manager.search(word, 1)[0].id == word
        assert house.manager.search(house.embedder.vector(word), 1)[0].id == word
    assert WORDS[0] not in {hit.id for hit in house.manager.search(WORDS[0], 20)}
    assert house.watch.of("outside_unavailable")
    assert house.watch.of("outside_failed")
    with pytest.raises(OutsideUnavailable):
        house.manager.get([WORDS[1]], with_vectors=True)
    house.store.failing = False
    house.settle()
    assert house.texts == sorted(WORDS[1:])


def test_a_store_that_hangs_holds_no_search_up(house: House) -> None:
    house.manager.add([Item(word, id=word) for word in WORDS])
    house.manager.drain()
    house.manager.close()
    hangs = threading.Event()
    with house.open(outside=OutsideSettings(patience_seconds=0.05)) as manager:
        house.store.before = lambda call: hangs.wait(20)
        assert manager.search(house.embedder.vector("cedar"), 1)[0].id == "cedar"
        assert house.watch.of("outside_unavailable")[0].fields["error"] == "slow"
        asked = len(house.store.calls)
        assert manager.search(house.embedder.vector("birch"), 1)[0].id == "birch"  # left alone for a while
        assert len(house.store.calls) == asked
        hangs.set()


def test_what_it_refuses_or_swallows_is_sent_again(house: House) -> None:
    refused: set[str] = set()

    def once(key: str) -> bool:
        seen = key in refused
        refused.add(key)
        return not seen and len(refused) % 2 == 0

    house.store.refusing = once
    house.manager.add([Item(word, id=word) for word in WORDS])
    house.manager.drain()
    assert 0 < len(house.store.rows) < len(WORDS)
    assert house.outside_only() == len(house.store.rows)  # the others' vectors are still here
    assert house.watch.of("outside_refused")
    house.store.swallowing = lambda key: house.clock.now() < FakeClock().now() + 500
    house.settle()
    assert house.texts == sorted(WORDS)
    assert house.manager.reconcile().clean


def test_a_vector_that_was_stored_wrongly_is_not_let_go_of(house: House) -> None:
    upsert = house.store.upsert

    def wrong(namespace, records_):
        from dataclasses import replace

        return upsert(namespace, [replace(one, vector=-one.vector) for one in records_])

    house.store.upsert = wrong
    house.manager.add([Item("amber", id="a")])
    house.manager.drain()
    assert house.outside_only() == 0
    assert house.manager.search(house.embedder.vector("amber"), 1)[0].similarity == pytest.approx(1, abs=1e-5)


def test_one_bad_record_does_not_hold_the_others_up(house: House) -> None:
    upsert = house.store.upsert

    def upsert_checked(namespace, batch):
        if any(np.array_equal(record.vector, EMBEDDER.vector("poison")) for record in batch):
            raise ValueError("one of these is too large")
        return upsert(namespace, batch)

    house.store.upsert = upsert_checked
    house.manager.add([Item(word, id=word) for word in (*WORDS, "poison")])
    house.settle(4000)
    assert house.texts == sorted(WORDS)
    assert list(house.manager.reconcile().failing.values()) == ["ValueError: one of these is too large"]
    assert house.manager.search("poison", 1)[0].id == "poison"


def test_a_changed_text_and_a_deleted_one_leave_nothing_behind(house: House) -> None:
    house.manager.add([Item(word, id=word) for word in WORDS])
    house.manager.drain()
    house.manager.add([Item("something else", id="amber")])
    house.manager.delete(["birch"])
    house.manager.add([Item("birch", id="birch")])
    house.manager.delete(["cedar"])
    house.settle()
    assert house.texts == sorted(["something else", *set(WORDS) - {"amber", "cedar"}])
    report = house.manager.reconcile()
    assert report.clean
    assert (report.there, report.leaving) == (len(WORDS) - 1, 0)


def test_deleted_while_it_is_sent(house: House) -> None:
    """The answer comes late: the copy is removed all the same, and its row only then."""
    house.store.before = lambda call: house.manager.delete(["a"]) if call == "upsert" and len(house.store.calls) == 1 else None
    house.manager.add([Item("amber", id="a")])
    house.manager.drain()
    house.store.before = lambda _: None
    house.settle()
    assert house.store.rows == {}
    with house.manager._ledger.reading() as db:
        assert outside.states(db, "default") == {}


def test_a_store_is_given_to_a_file_that_has_much_in_it(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than is written down at once, of one change and of several."""
    monkeypatch.setattr(outside, "_MANY", 5)
    house.manager.close()
    with VectorManager(tmp_path / "full.db", embedder=house.embedder) as manager:
        manager.add([Item(word, id=word) for word in WORDS])
        for word in WORDS:
            manager.add([Item(f"{word} again", id=f"{word}+")])
    house.path = tmp_path / "full.db"
    with house.open() as manager:
        assert manager.drain().shipped == len(house.store.rows) == 2 * len(WORDS)
        assert manager.reconcile().clean


def test_a_temp_vector_stays_until_it_is_promoted(house: House) -> None:
    result = house.manager.process_content("Error: connection refused, the port was taken.", id="crash")
    assert result.status == "temp_vectorized"
    house.manager.drain()
    assert house.store.rows == {}
    assert house.manager.promote_temp_vector("crash") == "crash"
    house.manager.drain()
    assert len(house.store.rows) == 1
    assert house.manager.get(["crash"])[0].facts["promoted_from_temp"] is True


def test_the_callers_own_vector_is_the_same_after_it_left(house: House) -> None:
    vector = np.arange(1, DIMENSIONS + 1, dtype=np.float32)
    house.manager.add([Item("mine", id="m", vector=vector)])
    house.manager.drain()
    assert house.outside_only() == 1
    np.testing.assert_array_equal(house.manager.get(["m"], with_vectors=True)[0].vector, vector)
    house.manager.add([Item("mine", id="m", vector=vector)])
    house.manager.drain()
    assert len(house.store.rows) == 1  # the same again: nothing is sent twice
    house.manager.add([Item("mine", id="m", vector=-vector)])
    house.settle()
    np.testing.assert_array_equal(house.manager.get(["m"], with_vectors=True)[0].vector, -vector)
    assert len(house.store.rows) == 1


def test_vectors_may_stay_here_too(tmp_path: Path) -> None:
    house = House(tmp_path)
    with house.open(outside=OutsideSettings(keep_vectors=True)) as manager:
        manager.add([Item(word, id=word) for word in WORDS])
        assert manager.drain().shipped == len(WORDS)
        assert house.outside_only() == 0
        manager.search("amber", 1)
        assert "query" not in house.store.calls
    with house.open() as manager:  # and go once they may
        manager.drain()
        assert house.outside_only() == len(WORDS)


@pytest.mark.parametrize("less", [{"durable": False}, {"hands_back": False}, {"fetches": False}, {"takes_vectors": False}])
def test_vectors_stay_where_the_store_could_not_give_them_back(tmp_path: Path, less: dict[str, bool]) -> None:
    house = House(tmp_path, **less)
    with house.open() as manager:
        manager.add([Item(word, id=word) for word in WORDS])
        assert manager.drain().shipped == len(WORDS)
        assert house.outside_only() == 0
        assert manager.stats().vector_bytes > 0


def test_without_sketches_the_store_is_asked_what_is_nearest(tmp_path: Path) -> None:
    house = House(tmp_path)
    with house.open(storage=StorageSettings(sketches=False)) as manager:
        manager.add([Item(word, id=word) for word in WORDS])
        manager.drain()
        assert manager.stats().sketches == 0
        hit = manager.search(house.embedder.vector("larch"), 1)[0]
        assert (hit.id, hit.similarity) == ("larch", pytest.approx(1, abs=1e-5))
        assert "query" in house.store.calls


def test_an_answer_about_what_changed_meanwhile_counts_for_nothing(house: House) -> None:
    house.manager.add([Item(word, id=word) for word in WORDS])
    house.manager.drain()

    def change(call: str) -> None:
        if call == "fetch":
            house.store.before = lambda _: None
            house.manager.delete(["amber"])
            house.manager.add([Item("another", id="birch")])

    house.store.before = change
    found = house.manager.search(house.embedder.vector("amber"), 20)
    assert {hit.id for hit in found} == set(WORDS) - {"amber"}
    assert next(hit.content for hit in found if hit.id == "birch") == "another"


def test_reconciling_repairs(house: House) -> None:
    house.manager.add([Item(word, id=word) for word in WORDS])
    house.manager.drain()
    key = house.key("amber")
    record = house.store.rows["default", key]
    del house.store.rows["default", key]
    orphan = key_of(int(key.replace("-", "")[:12], 16) << 12 | int(key[15:18], 16), 999)
    foreign = {("default", "somebody's own"): record, ("default", key_of(1, 3)): record}
    house.store.rows |= {("default", orphan): record, **foreign}
    report = house.manager.reconcile()
    assert (report.missing, report.orphans, report.clean, report.repaired) == ((key,), (orphan,), False, 0)
    assert house.manager.reconcile().missing == (key,)  # looking changes nothing
    assert house.manager.reconcile(repair=True).repaired == 2
    house.settle()
    assert house.manager.reconcile().clean
    assert ("default", orphan) not in house.store.rows
    assert foreign.items() <= house.store.rows.items()
    assert house.texts == sorted([*WORDS, "nobody's", "nobody's"])
    assert house.embedder.seen == ["amber"]  # its vector was there alone, so it was made anew


def test_a_file_keeps_to_its_store(house: House, tmp_path: Path) -> None:
    house.manager.add([Item("amber", id="a")])
    house.manager.drain()
    house.manager.close()
    with pytest.raises(OutsideMismatch, match="fake"):
        VectorManager(house.path, embedder=house.embedder, store=FakeStore("other"))
    with VectorManager(house.path, embedder=house.embedder) as alone:  # without any it still answers, by the sketch
        assert alone.search(house.embedder.vector("amber"), 1)[0].id == "a"
        with pytest.raises(OutsideUnavailable):
            alone.get(["a"], with_vectors=True)
        with pytest.raises(InvalidSettings):
            alone.reconcile()


@pytest.mark.parametrize("store", [object(), "pinecone", FakeStore("")])
def test_what_is_no_store_is_refused(tmp_path: Path, store: object) -> None:
    with pytest.raises(InvalidSettings, match="store"):
        VectorManager(tmp_path / "store.db", store=store)  # type: ignore[arg-type]


def test_budgets_hold_with_vectors_outside(tmp_path: Path) -> None:
    house = House(tmp_path)
    with house.open(budget=Budget(max_vectors=5)) as manager:
        for start in range(0, len(WORDS), 4):
            manager.add([Item(word, id=word) for word in WORDS[start : start + 4]], wait=True)
            house.settle()
            assert manager.stats().vectors <= 5
        assert len(house.store.rows) == manager.stats().vectors
        assert {hit.id for hit in manager.search("amber", 20)} == set(WORDS)
        assert manager.reconcile().clean


def test_a_budget_in_bytes_does_not_drop_what_takes_none(tmp_path: Path) -> None:
    house = House(tmp_path)
    with house.open() as manager:
        manager.add([Item(word, id=word) for word in WORDS])
        manager.drain()
        assert house.outside_only() == len(WORDS)
    with house.open(budget=Budget(max_vector_bytes=DIMENSIONS * 4 * 6)) as manager:
        manager.add([Item(f"{word} and more", id=f"{word}+") for word in WORDS], wait=True)
        house.settle()
        assert {manager.explain(word).tier for word in WORDS} == {"persistent"}
        assert manager.stats().vector_bytes + manager.stats().sketch_bytes <= DIMENSIONS * 4 * 6


def test_counters_tell_what_is_held_outside(house: House) -> None:
    house.manager.add([Item(word, id=word) for word in WORDS])
    house.manager.drain()
    house.manager.delete(["amber", "birch"])
    house.manager.add([Item("cedar, in other words", id="cedar")])
    house.settle()
    with house.manager._ledger.reading() as db:
        counted, kept = records.recount(db), records.counters(db, "default")
    for name in ("vectors", "vector_bytes", "sketches", "sketch_bytes", "outside"):
        assert counted.get(("default", name), 0) == kept.get(name, 0), name


def test_merging_takes_vectors_outside_along(house: House) -> None:
    first, second = "The user prefers dark mode in the evening", "in the evening the user prefers dark mode"
    house.manager.add([AnyItem(first, id="one"), AnyItem(second, id="two")], wait=True)
    house.manager.promote_temp_vector("one")
    house.manager.drain()
    assert len(house.store.rows) == 1
    house.manager.delete(["one"])  # the slot goes on under another number, with the copy it has
    house.settle()
    assert house.outside_only() == 1
    assert house.manager.search(house.embedder.vector(first), 1)[0].id == "two"
    assert house.manager.reconcile().clean


def test_a_store_that_takes_texts_is_told_what_changed(tmp_path: Path) -> None:
    house = House(tmp_path, takes_texts=True)
    with house.open() as manager:
        manager.add([Item(word, {"n": n}, id=word) for n, word in enumerate(WORDS)])
        manager.drain()
        assert house.outside_only() == 0
        manager.add([Item("cedar", {"n": 99}, id="cedar")])
        manager.delete(["amber"])
        house.settle()
        kept = {record.text: record.metadata["n"] for record in house.store.rows.values()}
        assert kept == {word: 99 if word == "cedar" else n for n, word in enumerate(WORDS) if word != "amber"}
        assert manager.reconcile().clean
        calls = house.store.calls.count("upsert")
        house.settle()
        assert house.store.calls.count("upsert") == calls  # nothing changed, nothing is sent


def test_an_add_waits_for_no_store_that_hangs(tmp_path: Path) -> None:
    house, hangs = House(tmp_path), threading.Event()
    house.store.before = lambda call: hangs.wait(30)
    with house.open(outside=OutsideSettings(patience_seconds=0.05)) as manager:
        for word in WORDS[:3]:
            manager.add([Item(word, id=word)], wait=True)
            house.clock.advance(60)
        assert house.store.calls == ["upsert"]  # which hangs still; nobody else is sent after it
        assert {hit.id for hit in manager.search("amber", 5)} == set(WORDS[:3])
        hangs.set()
        house.settle()
        assert house.texts == sorted(WORDS[:3])


def test_archived_items_take_their_vectors_along(tmp_path: Path) -> None:
    house = House(tmp_path)
    (tmp_path / "archive").mkdir()
    with house.open(archive=tmp_path / "archive") as manager:
        manager.add([Item(word, id=word) for word in WORDS])
        manager.drain()
        house.store.failing = True
        assert manager.archive(["amber"]) == 0  # its vector can't be had now: it stays
        house.store.failing = False
        house.clock.advance(60)
        assert manager.archive(["amber", "birch"]) == 2
        house.settle()
        assert len(house.store.rows) == len(WORDS) - 2
        np.testing.assert_allclose(manager.get(["amber"], with_vectors=True)[0].vector, EMBEDDER.vector("amber"), rtol=1e-6)
        manager.restore(["amber"])
        house.settle()
        assert house.texts == sorted(set(WORDS) - {"birch"})
        np.testing.assert_allclose(manager.get(["amber"], with_vectors=True)[0].vector, EMBEDDER.vector("amber"), rtol=1e-6)


def test_the_doctor_looks_outside(house: House) -> None:
    house.manager.add([Item(word, id=word) for word in WORDS])
    house.manager.drain()
    assert house.manager.doctor() == []
    del house.store.rows["default", house.key("amber")]
    assert [finding.what for finding in house.manager.doctor()] == ["outside_missing"]
    assert [finding.repaired for finding in house.manager.doctor(repair=True)] == [True]
    house.settle()
    assert house.manager.doctor() == []
    house.store.failing = True
    assert [finding.what for finding in house.manager.doctor()] == ["outside_unavailable"]
    house.manager.close()
    with VectorManager(house.path, embedder=house.embedder, clock=house.clock) as alone:
        assert [finding.what for finding in alone.doctor()] == ["outside_unknown"]


def test_explaining_and_figures_tell_what_is_outside(house: House) -> None:
    house.manager.add([Item("amber", id="a")])
    house.manager.drain()
    assert house.manager.explain("a").facts["outside"] == "there"
    stats = house.manager.stats()
    assert (stats.vectors, stats.vectors_outside) == (1, 1)


async def test_the_async_twins_ship_too(tmp_path: Path) -> None:
    house = House(tmp_path)
    async with house.open() as manager:
        await manager.aadd([Item(word, id=word) for word in WORDS])
        assert (await manager.adrain()).shipped == len(WORDS)
        assert (await manager.asearch(house.embedder.vector("amber"), 1))[0].id == "amber"
        assert (await manager.areconcile()).clean


def test_the_worker_ships(tmp_path: Path) -> None:
    house = House(tmp_path)
    done = threading.Event()
    with house.open() as manager:
        house.store.before = lambda call: done.set() if call == "fetch" else None
        manager.start()
        manager.add([Item(word, id=word) for word in WORDS])
        assert done.wait(20)
        manager.stop()
        assert house.texts == sorted(WORDS)
