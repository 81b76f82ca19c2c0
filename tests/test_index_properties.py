"""What must hold of every search, whatever came before it: held against the whole, against a plain reference, and against interrupts."""

import math
import os
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vectopt import Budget, Item, SearchSettings, Settings, StorageSettings, VectorManager
from vectopt.index import NamespaceIndex, namespace
from vectopt.index.growing import Growing
from vectopt.model import Precision
from vectopt.quantization import Query, encoding
from vectopt.testing import SilentObserver

DIMENSIONS = 16


def at(cosine: float, query: Any, rng: np.random.Generator) -> Any:
    """Return a unit vector at this cosine to a unit query."""
    other = rng.normal(size=len(query))
    other -= (other @ query) * query
    return cosine * query + math.sqrt(1 - cosine**2) * other / np.linalg.norm(other)


def name(number: int) -> str:
    """A word of its own, without digits: texts equal but for digits are another matter."""
    return f"{number:o}".translate(str.maketrans("01234567", "abcdefgh"))


def lenders_that_a_filter_hides(query: Any, rng: np.random.Generator) -> list[Item]:
    items = [Item(f"near {name(n)}", {"mine": False}, vector=at(0.95 - n / 100, query, rng)) for n in range(20)]
    items += [Item(f"without {name(n)}", {"mine": False}) for n in range(60)]
    items += [Item("machine 1 stopped", {"mine": False}, vector=at(0.8, query, rng)), Item("machine 2 stopped", {"mine": True}, id="2")]
    items += [Item(f"far {name(n)}", {"mine": True}, vector=at(0.1 - n / 1e4, query, rng)) for n in range(30)]
    return items + [Item(f"off {name(n)}", {"mine": False}, vector=at(-0.5, query, rng)) for n in range(150)]


def fewer_vectors_than_the_depth(query: Any, rng: np.random.Generator) -> list[Item]:
    items = [Item(f"text {name(n)}", {"mine": True}, vector=at(0.9 - n / 10, query, rng)) for n in range(5)]
    return items + [Item(f"other {name(n)}{' zebra' if n < 2 else ''}", {"mine": True}) for n in range(200)]


def matches_that_borrow(query: Any, rng: np.random.Generator) -> list[Item]:
    items = [Item(f"row {name(n)} 5", {"mine": False}, vector=at(-n / 1000, query, rng)) for n in range(300)]
    items += [Item(f"row {name(n)} 7", {"mine": True}) for n in range(300)]
    items += [Item(f"near {name(n)} common", {"mine": True}, vector=at(max(0.7 - n / 1e4, 0.95 - n / 40), query, rng)) for n in range(600)]
    return items + [Item(f"7 {name(n)} 7 7{' x' * (n % 50)}", {"mine": True}) for n in range(100)]


def vectors_for_all(query: Any, rng: np.random.Generator) -> list[Item]:
    return [Item(f"text {name(n % 40)} {n}", {"mine": n % 9 == 0}, vector=at(rng.uniform(-1, 1), query, rng)) for n in range(400)]


@pytest.mark.parametrize("weight", [0.0, 0.35, 0.7])
@pytest.mark.parametrize("make", [vectors_for_all, lenders_that_a_filter_hides, fewer_vectors_than_the_depth, matches_that_borrow])
def test_a_search_for_few_gives_the_first_of_a_search_for_all(make: Any, weight: float) -> None:
    rng = np.random.default_rng(1)
    query = rng.normal(size=DIMENSIONS)
    query /= np.linalg.norm(query)
    with VectorManager(settings=Settings(search=SearchSettings(depth=12))) as m:
        m.add(make(query, rng))
        for text in ("zebra", "common 7", "text b"):
            how: dict[str, Any] = {"text": text, "mode": "hybrid", "lexical_weight": weight, "collapse_duplicates": False}
            for filter in (None, {"mine": True}):
                few = m.search(query, 3, filter=filter, **how)
                every = m.search(query, 10_000, filter=filter, **how)
                assert [hit.score for hit in few] == pytest.approx([hit.score for hit in every[:3]], abs=1e-5)
                known = {hit.id: hit for hit in every}
                assert [hit.similarity for hit in few] == pytest.approx([known[hit.id].similarity for hit in few], abs=1e-5)


def test_texts_with_one_vector_are_told_apart_by_their_words() -> None:
    rng = np.random.default_rng(2)
    shared = rng.normal(size=384)
    with VectorManager() as m:
        m.add([Item(f"note {n} x", id=str(n), vector=shared) for n in range(333)])
        m.add([Item("the one with kappa", id="kappa", vector=shared)])
        for _ in range(10):  # the cosines are equal but for their last bit: that is no reason to prefer any
            hits = m.search(shared + 0.8 * rng.normal(size=384), 2, text="kappa note", mode="hybrid", lexical_weight=0.1)
            assert hits[0].id == "kappa"
            assert hits[1].score < 0.6


def test_a_filter_may_add_while_another_thread_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    m = VectorManager()
    m.add([Item("a text", vector=[1.0, 2.0])])
    asked = []

    def adds(item: Any) -> bool:
        if not asked:
            asked.append(item)
            other = threading.Thread(target=lambda: m.add(["by another"]), daemon=True)
            other.start()
            other.join(0.2)  # by now it waits for its turn
            m.add(["by the filter"])
        return True

    searching = threading.Thread(target=lambda: m.search([1.0, 2.0], 1, filter=adds), daemon=True)
    searching.start()
    searching.join(3)
    assert not searching.is_alive()
    m.close()


def test_an_interrupted_search_leaves_the_next_one_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    settings = Settings(observer=SilentObserver(), storage=StorageSettings(sidecar=False))
    path = tmp_path / "store.db"
    with VectorManager(path, settings=settings) as m:
        m.add([Item(f"text {name(n)} {n % 7}", {"n": n % 3}, id=str(n), vector=rng.normal(size=4) if n % 2 else None) for n in range(40)])
        expected = [sorted(hit.id for hit in m.search("text 3", 99, mode=mode, filter={"n": 1})) for mode in ("lexical", "hybrid")]
    extend = Growing.extend
    left, wrong, places = 0, [], 0

    def interrupted(self: Growing, values: Any) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt
        extend(self, values)

    monkeypatch.setattr(Growing, "extend", interrupted)
    while left <= 0:
        places += 1
        left = places
        with VectorManager(path, settings=settings) as m:
            try:
                m.search("text 3", 5, filter={"n": 1})
            except KeyboardInterrupt:
                try:
                    found = [sorted(hit.id for hit in m.search("text 3", 99, mode=mode, filter={"n": 1})) for mode in ("lexical", "hybrid")]
                except Exception as error:
                    found = [repr(error)]
                if found != expected:
                    wrong.append((places, found))
    assert places > 5
    assert not wrong


@pytest.mark.parametrize(("first", "then"), [("float32", "int8"), ("float32", "float16"), ("int8", "float32")])
def test_the_budget_in_bytes_holds_whatever_precision_is_there(tmp_path: Path, first: str, then: str) -> None:
    rng = np.random.default_rng(4)
    limit = 4000
    for precision in (first, then):
        settings = Settings(observer=SilentObserver(), storage=StorageSettings(precision=Precision(precision)))
        with VectorManager(tmp_path / "store.db", budget=Budget(max_vector_bytes=limit), settings=settings) as m:
            for _ in range(4):
                m.add([Item(f"text {name(int(rng.integers(10**6)))}", vector=rng.normal(size=10)) for _ in range(60)])
                with m._ledger.reading() as db:
                    held = db.execute(
                        "SELECT coalesce((SELECT sum(length(data)) FROM vector), 0) + coalesce((SELECT sum(length(data)) FROM sketch), 0)"
                    ).fetchone()[0]
                assert held <= limit


def bm25(texts: dict[int, list[str]], query: list[str]) -> dict[int, float]:
    mean = sum(map(len, texts.values())) / max(1, len(texts)) or 1
    having = Counter(word for text in texts.values() for word in set(text))
    scores = {}
    for slot, text in texts.items():
        counts = Counter(text)
        scores[slot] = sum(
            math.log(1 + (len(texts) - having[word] + 0.5) / (having[word] + 0.5))
            * 2.2 * counts[word] / (counts[word] + 1.2 * (0.25 + 0.75 * len(text) / mean))
            for word in query
        )  # fmt: skip
    return scores


@pytest.mark.parametrize("seed", range(6))
def test_the_index_is_what_a_plain_reference_says_after_any_history(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespace, "_MIN_COMPACT", 20)
    monkeypatch.setattr("vectopt.index.vectors._MANY", 15)
    rng = np.random.default_rng(seed)
    kinds = {kind: encoding(kind, DIMENSIONS) for kind in Precision}
    index, newest = NamespaceIndex(), 0
    texts: dict[int, list[str]] = {}
    held: dict[int, tuple[Precision, bytes]] = {}
    old: list[tuple[Any, Any, Any]] = []
    for _ in range(25):
        again = sorted(slot for slot in texts if rng.random() < 0.1)
        fresh = list(range(newest + 1, newest + 1 + int(rng.integers(60))))
        newest += len(fresh)
        rows = []
        for slot in again + fresh:
            held.pop(slot, None)
            texts.setdefault(slot, [f"w{word}" for word in rng.integers(9, size=rng.integers(9))])
            if rng.random() < 0.7:
                kind = list(Precision)[rng.integers(len(Precision))]
                held[slot] = kind, kinds[kind].to_bytes(rng.normal(size=(1, DIMENSIONS)).astype("f4"))[0]
            rows.append((slot, bytes(16), "cached", *held.get(slot, (None, None))))
        if rows:
            index.put(rows, DIMENSIONS)
        gone = [slot for slot in texts if rng.random() < rng.choice([0, 0.1, 0.5])]
        index.remove(gone)
        for slot in gone:
            texts.pop(slot)
            held.pop(slot, None)
        unread = sorted(slot for slot in texts if slot > index.worded_to)
        if unread:
            unread = unread[: int(rng.integers(1, len(unread) + 1))]
            index.add_words(unread, [texts[slot] for slot in unread])
        view, query = index.view(), Query(rng.normal(size=DIMENSIONS).astype("f4"))
        positions, cosines = view.nearest(query, 10_000)
        expected = {slot: float(kinds[kind].dots(*kinds[kind].from_bytes([data]), query)[0]) for slot, (kind, data) in held.items()}
        assert dict(zip(view.slots[positions].tolist(), cosines.tolist(), strict=True)) == pytest.approx(expected, abs=1e-5)
        read = {slot: text for slot, text in texts.items() if slot <= index.worded_to}
        asked = [f"w{word}" for word in rng.integers(10, size=3)]
        scores = view.lexical.scores(index.lexical.terms(asked), view.alive, len(view))
        assert not scores[~view.alive].any()
        there = {int(slot): float(score) for slot, score, alive in zip(view.slots, scores, view.alive, strict=True) if alive}
        assert there == pytest.approx(dict.fromkeys(texts, 0.0) | bm25(read, asked), abs=1e-4)
        old.append((view, query, (positions, cosines, view.mean(query))))
        for seen, before, answer in old:
            for one, other in zip((*seen.nearest(before, 10_000), seen.mean(before)), answer, strict=True):
                np.testing.assert_allclose(one, other, atol=1e-5)
