"""Near-duplicates in the store: one vector and one place in results, and nothing lost."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vectopt import Item, MergingSettings, PatternCompressor, Settings, VectorManager
from vectopt.analysis import fingerprint
from vectopt.errors import InvalidInput, InvalidSettings
from vectopt.ledger import records
from vectopt.ledger.connection import connect, migrate, schema_scripts
from vectopt.ledger.wording import packed, unpacked
from vectopt.model import Tier

from .compression.test_guard import pairs
from .fakes import FakeClock, HashEmbedder, SilentObserver

Open = Callable[..., VectorManager]

FIRST = "The user prefers dark mode in the evening"
SECOND = "in the evening the user prefers dark mode"
THIRD = "the user really prefers dark mode in the evening"
OTHER = "The user prefers light mode in the evening"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    managers: list[VectorManager] = []

    def open_(**merging: Any) -> VectorManager:
        for m in managers:
            m.close()
        settings = Settings(merging=MergingSettings(**merging), observer=SilentObserver())
        managers.append(VectorManager(tmp_path / "store.db", embedder=HashEmbedder(), clock=FakeClock(), settings=settings))
        return managers[-1]

    yield open_
    for m in managers:
        m.close()


def ids(hits: Any) -> list[str]:
    return [hit.id for hit in hits]


def three(m: VectorManager) -> None:
    m.add([Item(FIRST, {"n": 1}, "first"), Item(OTHER, {"n": 0}, "other")])
    m.add([Item(SECOND, {"n": 2}, "second")])
    m.add([Item(THIRD, {"n": 3}, "third")])
    m.drain()


def test_they_take_one_place_in_results_and_one_vector(opened: Open) -> None:
    m = opened()
    three(m)
    hits = m.search("dark mode in the evening", 10)
    assert sorted(ids(hits)) in (["first", "other"], ["other", "second"], ["other", "third"])
    assert any("one of 3 that say the same" in hit.reasons for hit in hits)
    assert (m.stats().items, m.stats().texts, m.stats().vectors) == (4, 2, 2)
    assert sorted(ids(m.search("dark mode", 10, collapse_duplicates=False))) == ["first", "other", "second", "third"]


def test_each_keeps_its_id_metadata_and_text(opened: Open) -> None:
    m = opened()
    three(m)
    stored = m.get(["first", "second", "third"])
    assert [(item.content, item.metadata) for item in stored] == [(FIRST, {"n": 1}), (SECOND, {"n": 2}), (THIRD, {"n": 3})]
    assert [item.content for item in opened().scan()] == [FIRST, OTHER, SECOND, THIRD]


def test_a_filter_gives_the_one_that_passes_under_its_own_id(opened: Open) -> None:
    m = opened()
    three(m)
    for n, id, content in [(1, "first", FIRST), (2, "second", SECOND), (3, "third", THIRD)]:
        hits = m.search("dark mode", 10, filter={"n": n})
        assert [(hit.id, hit.content) for hit in hits] == [(id, content)]


def test_one_is_told_what_it_duplicates(opened: Open) -> None:
    m = opened()
    m.add([Item(FIRST, {}, "first")])
    result = m.process_content(SECOND, id="second")
    assert result.duplicate_of == "first"
    assert result.status == m.process_content(FIRST, id="first").status
    assert m.explain("second").duplicate_of == "first"
    assert m.explain("first").duplicate_of is None
    assert m.why_not(THIRD).duplicate_of == "first"
    assert m.why_not(OTHER).duplicate_of is None


def test_the_representative_is_the_most_important_and_carries_frequency_and_signature(opened: Open) -> None:
    m = opened()
    m.add([Item("ERROR: the build failed on host seven", {}, "a"), Item("Error: the build really failed on host seven", {}, "b")])
    facts = [item.facts for item in m.get(["a", "b"])]
    assert [one["frequency"] for one in facts] == [2, 2]
    assert facts[0]["pattern_signature"] == facts[1]["pattern_signature"] != ""
    best = max(m.get(["a", "b"]), key=lambda item: item.facts["importance_score"]).id
    assert ids(m.search("build failed", 5)) == [best]
    (cluster,) = m.search_compressed_patterns("host SEVEN")
    assert cluster.frequency == 2
    assert cluster.representative_content == m.get([best])[0].content
    assert len(cluster.similar_contents) == 1
    assert cluster.pattern_signature == facts[0]["pattern_signature"]
    assert cluster.importance_score == pytest.approx(np.mean([one["importance_score"] for one in facts]))


@pytest.mark.parametrize("order", [["first", "second", "third"], ["third", "second", "first"], ["second", "first", "third"]])
def test_deleting_one_elects_another_and_loses_nothing(opened: Open, order: list[str]) -> None:
    m = opened()
    three(m)
    left = {"first": FIRST, "second": SECOND, "third": THIRD}
    for id in order:
        assert m.delete([id]) == 1
        del left[id]
        found = [hit for hit in m.search("dark mode in the evening", 10) if hit.id != "other"]
        assert len(found) == bool(left)
        assert all(left[hit.id] == hit.content for hit in found)
        assert {item.id: item.content for item in m.get([*order])} == left
        assert {hit.id for hit in m.search("dark", 10, mode="lexical")} == {hit.id for hit in found}
        assert m.stats().vectors == bool(left) + 1
    with m._ledger.reading() as db:
        assert db.execute("SELECT text FROM slot").fetchall() == [(OTHER,)]


def test_deleting_the_opener_forgets_its_text(opened: Open, tmp_path: Path) -> None:
    m = opened()
    m.add([Item("Please meet Ann at the well known harbour inn", {}, "a"), Item("Meet Ann at the well known harbour inn", {}, "b")])
    assert m.stats().texts == 1
    m.delete(["a"])
    with m._ledger.reading() as db:
        assert not db.execute("SELECT 1 FROM slot WHERE text LIKE '%Please%'").fetchall()
        assert not db.execute("SELECT 1 FROM item WHERE content IS NOT NULL OR own IS NOT NULL").fetchall()


def test_editing_an_opener_or_a_member_moves_it_alone(opened: Open) -> None:
    m = opened()
    three(m)
    m.add([Item("Something else entirely about boats", {"n": 1}, "first")])
    assert m.get(["first"])[0].content == "Something else entirely about boats"
    assert {hit.id for hit in m.search("dark mode in the evening", 10)} & {"second", "third"}
    assert (m.stats().texts, m.stats().items) == (3, 4)
    m.add([Item(FIRST, {"n": 1}, "first")])  # back again: now it is the one that joins
    assert (m.stats().texts, m.stats().items) == (2, 4)
    m.add([Item(THIRD, {"n": 1}, "first")])
    m.add([Item(FIRST, {"n": 3}, "third")])  # they change places
    assert [item.content for item in m.get(["first", "second", "third"])] == [THIRD, SECOND, FIRST]
    assert m.stats().texts == 2


def test_the_clusters_are_the_compressors(opened: Open) -> None:
    rng = random.Random(7)
    texts = [text for _, first, second in pairs("rewordings") + pairs("different") for text in (first, second)]
    rng.shuffle(texts)
    m = opened()
    for start in range(0, len(texts), 37):
        m.add([Item(text, {}, str(start + place)) for place, text in enumerate(texts[start : start + 37])])
    labels = PatternCompressor(tokenizer="mixed", guard=True).add_many(texts)
    with m._ledger.reading() as db:
        slots = dict(db.execute("SELECT id, slot FROM item").fetchall())
    of_label = {label: {slots[str(place)] for place in range(len(texts)) if labels[place] == label} for label in labels}
    assert all(len(several) == 1 for several in of_label.values())
    # Copies but for case and white space share a slot too, however many spaces there are.
    of_slot = {slot: {fingerprint(texts[int(id)]).exact for id in slots if slots[id] == slot} for slot in slots.values()}
    joined = len(of_label) - len(of_slot)
    assert 0 <= joined < 30
    assert sum(len(several) > 1 for several in of_slot.values()) > 80


@pytest.mark.parametrize("name", ["different", "held_out_different"])
def test_no_two_facts_share_a_place(opened: Open, name: str) -> None:
    m = opened()
    several = pairs(name)
    m.add([Item(text, {}, f"{place} {side}") for place, (_, *both) in enumerate(several) for side, text in enumerate(both)])
    with m._ledger.reading() as db:
        slots = dict(db.execute("SELECT id, slot FROM item").fetchall())
    assert [several[place] for place in range(len(several)) if slots[f"{place} 0"] == slots[f"{place} 1"]] == []


def test_what_is_not_merged_when_it_came_is_merged_by_compress_similar(opened: Open) -> None:
    m = opened(near_duplicates=False)
    three(m)
    assert m.stats().texts == 4
    m = opened()
    assert m.compress_similar().merged == 2
    assert (m.stats().texts, m.stats().vectors, m.stats().items) == (2, 2, 4)
    assert [item.content for item in m.get(["first", "second", "third"])] == [FIRST, SECOND, THIRD]
    assert m.compress_similar().merged == 0


def test_a_text_without_a_vector_takes_that_of_one_that_says_the_same(opened: Open) -> None:
    m = opened(near_duplicates=False)
    m.process_content(FIRST, id="first")
    m.add([Item(SECOND, {}, "second")])
    before = m.get(["first", "second"])
    m = opened()
    m.compress_similar()
    after = m.get(["first", "second"], with_vectors=True)
    assert after[0].tier is after[1].tier is (before[1].tier if before[0].tier is Tier.CACHED else before[0].tier)
    assert after[0].vector is not None
    assert m.stats().vectors == 1


def test_by_meaning_other_words_are_one_if_the_facts_agree(opened: Open) -> None:
    m = opened()
    rng = np.random.default_rng(1)
    base = rng.normal(size=64).astype(np.float32)

    def like(noise: float) -> Any:
        return base + noise * rng.normal(size=64).astype(np.float32)

    m.add([
        Item("The shop near the station opens at 9 in the morning", {}, "a", vector=like(0.0)),
        Item("Doors are unlocked by 9, early customers can come in", {}, "b", vector=like(0.02)),
        Item("Doors are unlocked by 10, early customers can come in", {}, "c", vector=like(0.02)),
        Item("The shop near the station closes at 9 in the morning", {}, "d", vector=like(0.02)),
        Item("Whales sing below the ice of northern seas", {}, "e", vector=rng.normal(size=64).astype(np.float32)),
    ])  # fmt: skip
    assert m.compress_similar().merged == 0
    assert m.compress_similar(semantic=0.95).merged == 1
    assert m.explain("b").duplicate_of == "a"
    assert m.stats().vectors == 4
    m.delete(["a"])
    assert [item.content for item in m.get(["b"])] == ["Doors are unlocked by 9, early customers can come in"]
    assert "b" in ids(m.search("doors early customers", 5, mode="lexical"))


@pytest.mark.parametrize("semantic", [0, 1.5, -1, "0.9", True])
def test_a_cosine_that_is_none_is_refused(opened: Open, semantic: Any) -> None:
    with pytest.raises(InvalidInput, match="semantic"):
        opened().compress_similar(semantic=semantic)
    with pytest.raises(InvalidSettings, match="similarity"):
        MergingSettings(similarity=2)
    with pytest.raises(InvalidSettings, match="near_duplicates"):
        MergingSettings(near_duplicates="no")  # type: ignore[arg-type]


def test_own_vectors_that_differ_keep_texts_apart(opened: Open) -> None:
    m = opened()
    m.add([Item(FIRST, {}, "first", vector=[1.0, 0.0]), Item(SECOND, {}, "second", vector=[0.0, 1.0])])
    m.add([Item(THIRD, {}, "third", vector=[1.0, 0.01])])
    assert m.stats().texts == 2
    assert ids(m.search([0.0, 1.0], 1)) == ["second"]
    m.compress_similar()
    assert m.stats().texts == 2


def test_namespaces_share_nothing(opened: Open) -> None:
    m = opened()
    m.add([Item(FIRST, {}, "first")], namespace="a")
    m.add([Item(SECOND, {}, "second")], namespace="b")
    assert m.stats().texts == 2
    assert m.get(["second"], namespace="b")[0].content == SECOND


def test_what_sharing_saves_is_counted(opened: Open) -> None:
    m = opened()
    three(m)
    statistics = m.get_compression_statistics()
    every = sum(len(text.encode()) for text in (FIRST, SECOND, THIRD, OTHER))
    kept = len(FIRST.encode()) + len(OTHER.encode())
    assert statistics["total_processed"] == 4
    assert statistics["active_clusters"] == statistics["clusters_created"] == 2
    assert statistics["average_cluster_size"] == 2
    assert statistics["compression_ratio"] == pytest.approx(1 - kept / every)
    assert statistics["storage_saved_mb"] == pytest.approx((every - kept) / 1024**2)


def test_a_merged_text_is_kept_compressed() -> None:
    text = "It was agreed that the harbour committee meets at noon. " * 20
    other = text.replace("agreed", "really agreed", 1)
    data = packed(other, text)
    assert isinstance(data, bytes)
    assert len(data) < 100
    assert unpacked(data, text) == other
    assert packed(text, text) is None
    assert packed("ab", "xy") == "ab"
    long = "".join(chr(32 + i * 7919 % 90) for i in range(100_000))
    squeezed = packed(long + "!", long)
    assert isinstance(squeezed, bytes)
    assert unpacked(squeezed, long) == long + "!"


def test_a_file_of_before_is_read_and_its_texts_are_known(opened: Open, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    scripts = schema_scripts()
    db = connect(path, busy_seconds=1, writable=True)
    migrate(db, path, [one for one in scripts if one[0] < 3])
    db.execute(
        "INSERT INTO slot (namespace, text, exact, masked, tier, importance, novelty, patterns, worth, tokens, members, created_at,"
        " changed) VALUES ('default', ?, x'01', x'02', 'cached', 0.5, 0.5, '[]', 1, 9, 1, 0, 1)",
        (FIRST,),
    )
    db.execute(
        "INSERT INTO item (namespace, id, slot, metadata, decision, created_at, updated_at)"
        " VALUES ('default', 'first', 1, '{}', '[\"cache_only\", \"low\", [\"r\"], 0.5, 0.5, 0]', 0, 0)"
    )
    db.execute("INSERT INTO counter VALUES ('default', 'items', 1), ('default', 'slots', 1), ('default', 'items.cached', 1)")
    db.execute("UPDATE meta SET value = 1 WHERE name = 'change'")
    db.close()
    m = opened()
    m.add([Item(SECOND, {}, "second")])
    assert m.stats().texts == 1
    assert [item.content for item in m.get(["first", "second"])] == [FIRST, SECOND]
    with m._ledger.reading() as check:
        counted = records.recount(check)
        kept = records.counters(check, "default")
        assert all(kept.get(name, 0) == value for (_, name), value in counted.items())


def test_an_index_follows_a_slot_that_goes_on_under_another_text(opened: Open, tmp_path: Path) -> None:
    m = opened()
    three(m)
    with VectorManager(tmp_path / "store.db", embedder=HashEmbedder(), settings=Settings(observer=SilentObserver())) as reader:
        assert len(reader.search("dark mode", 10)) == 2
        m.delete(["first"])
        hits = reader.search("dark mode in the evening", 10)
        assert len(hits) == 2
        assert {hit.id for hit in hits} <= {"second", "third", "other"}
        m.delete(["second", "third"])
        assert ids(reader.search("dark mode in the evening", 10)) == ["other"]


def test_sqlite_knows_the_functions_the_schema_needs(tmp_path: Path) -> None:
    db = connect(tmp_path / "x.db", busy_seconds=1, writable=True)
    assert isinstance(db, sqlite3.Connection)
    assert len(db.execute("SELECT words_key('One text')").fetchone()[0]) == 16
    db.close()


# Texts that are alike in a chain: A is like B and C, C is like D, but A isn't like D, nor B like C.
A = "yesterday the user of IT prefers dark mode in the evening"
B = "Please yesterday the user of it prefers dark mode in the evening"
C = "Yesterday in the evening the user of IT prefers dark mode"
D = "in the evening the user of IT prefers dark mode yesterday"
WHALES = "A quite other text about whales"


def audited(m: VectorManager) -> None:
    with m._ledger.reading() as db:
        counted, kept = records.recount(db), records.counters(db, "default")
        assert {name: value for name, value in kept.items() if ("default", name) in counted} == {
            name: v for (_, name), v in counted.items()
        }
        for slot, members, near in db.execute("SELECT slot, members, near FROM slot").fetchall():
            assert db.execute("SELECT count(*), count(own) FROM item WHERE slot = ?", (slot,)).fetchone() == (members, near)
            assert members > near


@pytest.mark.parametrize("gone", [["A", "D"], ["D", "A"], ["A", "D2"], ["A", "B", "D"], ["A", "C"], ["C", "D", "D2", "A", "B"]])
@pytest.mark.parametrize("edit", [False, True])
def test_several_places_may_be_left_in_one_call(opened: Open, gone: list[str], edit: bool) -> None:
    m = opened()
    texts = {"A": A, "D": D, "B": B, "C": C, "D2": D}
    for id, text in texts.items():
        m.add([Item(text, {}, id)])
    if edit:
        m.add([Item(f"{WHALES} {id}", {}, id) for id in gone])
        texts |= {id: f"{WHALES} {id}" for id in gone}
    else:
        m.delete(gone)
        texts = {id: text for id, text in texts.items() if id not in gone}
    assert {item.id: item.content for item in m.get(["A", "B", "C", "D", "D2"])} == texts
    audited(m)
    m.delete(["B", "C"])
    audited(m)


def test_an_item_that_has_to_leave_its_place_in_the_call_that_added_it_is_told_so(opened: Open) -> None:
    m = opened()
    m.add([Item(A, {}, "A"), Item(B, {}, "B")])
    m.drain()
    m.add([Item(WHALES, {}, "A"), Item(C, {}, "C")], wait=True)
    assert {item.id: item.content for item in m.get(["A", "B", "C"])} == {"A": WHALES, "B": B, "C": C}
    audited(m)


def test_who_stays_when_the_opener_goes_is_judged_anew_copies_too(opened: Open) -> None:
    m = opened()
    lower, upper = "the user of it prefers dark mode in the evening", "In the evening the user of IT prefers dark mode"
    m.add([Item(lower, {}, "a"), Item(upper, {}, "b"), Item(upper.replace("IT", "it"), {}, "b2")])
    m.delete(["a"])
    assert m.stats().texts == 2
    audited(m)


def test_compressing_judges_every_item_of_a_place(opened: Open) -> None:
    m = opened(near_duplicates=False)
    m.add(
        [Item("In the evening the user of it prefers dark mode", {}, "t"), Item("the user of it prefers dark mode in the evening", {}, "s")]
    )
    m.add([Item("The user of IT prefers dark mode in the evening", {}, "mem")])
    m = opened()
    m.compress_similar()
    with m._ledger.reading() as db:
        slots = dict(db.execute("SELECT id, slot FROM item").fetchall())
    assert slots["t"] != slots["mem"]
    audited(m)


def test_a_callers_vector_leaves_its_sketch_where_its_place_goes_to_another(opened: Open) -> None:
    m = opened()
    vector = np.random.default_rng(0).normal(size=64).astype(np.float32)
    m.add([Item(text, {}, id, vector=vector) for id, text in (("A", A), ("B", B), ("C", C))])
    assert m.stats().texts == 1
    m.delete(["A"])
    assert (m.stats().vectors, m.stats().sketches, m.stats().texts) == (1, 1, 2)
    audited(m)


def test_after_merging_by_meaning_each_text_is_found_by_its_own_words(opened: Open) -> None:
    m = opened()
    vector = np.ones(16, np.float32)
    first, second = "The shop near the station opens at 9 in the morning", "Doors are unlocked by 9, early customers can come in"
    m.add([Item(first, {}, "a", vector=vector), Item(second, {}, "b", vector=vector)])
    assert m.compress_similar(semantic=0.95).merged == 1
    m.delete(["a"])
    m.add([Item("Please " + second, {}, "c", vector=vector)])
    assert m.stats().texts == 1
    audited(m)
