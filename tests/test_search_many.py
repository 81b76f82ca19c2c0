"""Several searches in one call: the same answers as one by one, from one moment."""

import threading
from typing import Any

import numpy as np
import pytest

from vectopt import Item, VectorManager
from vectopt.errors import EmbedderFailed, InvalidQuery, InvalidVector, NoEmbedder
from vectopt.index.codes import CodesView
from vectopt.testing import HashEmbedder


def rows(count: int, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(count // 50, 160))[np.arange(count) // 50] + 0.5 * rng.normal(size=(count, 160))).astype(np.float32)


def test_the_answers_are_those_of_single_searches() -> None:
    given = rows(15_000)  # enough for codes
    with VectorManager() as m:
        for start in range(0, len(given), 3000):
            part = range(start, start + 3000)
            m.add([Item(f"text {n % 91} and {n % 83}", {"n": n}, id=str(n), vector=given[n]) for n in part])
        m.delete([str(n) for n in range(0, 15_000, 9)])
        queries = given[::700] + 0.1
        for _ in range(5):
            m.search(queries[0], 1)  # codes come with searches
        for how in ({}, {"k": 50}, {"filter": {"n": {"$gt": 9000}}}, {"exact": True}, {"tiers": ["persistent"]}):
            assert m.search_many(queries, **how) == [m.search(query, **how) for query in queries]
        assert m.search_many(list(queries[:3]), 2) == [m.search(query, 2) for query in queries[:3]]


def test_searches_that_nothing_narrows_read_the_codes_together(monkeypatch: pytest.MonkeyPatch) -> None:
    given = rows(15_000)
    together = []
    scan = CodesView.scan
    monkeypatch.setattr(CodesView, "scan", lambda self, queries: (together.append(len(queries)), scan(self, queries))[1])
    with VectorManager() as m:
        m.add([Item(f"text {n}", {"n": n}, id=str(n), vector=row) for n, row in enumerate(given)])
        for _ in range(5):
            m.search(given[0], 1)
        together.clear()
        m.search_many(given[:20])
        assert together == [8, 8, 4]
        together.clear()
        m.search_many(given[:3], filter={"n": {"$gte": 5000}})
        assert together == [1, 1, 1]


def test_all_answers_are_of_one_moment() -> None:
    with VectorManager() as m:
        m.add([Item(f"round 0 text {n}", id=f"{n}", vector=np.eye(8)[n]) for n in range(8)])
        stop = threading.Event()

        def replace() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                m.add([Item(f"round {number} text {n}", id=f"{n}", vector=np.eye(8)[n]) for n in range(8)])

        writer = threading.Thread(target=replace)
        writer.start()
        try:
            for _ in range(60):
                found = m.search_many(np.eye(8), 1)
                assert len({hits[0].content.split()[1] for hits in found}) == 1
        finally:
            stop.set()
            writer.join()


class Counting(HashEmbedder):
    asked = 0
    failing = False

    def embed(self, texts: Any, role: Any) -> Any:
        self.asked += role == "query"
        if self.failing:
            raise OSError("down")
        return super().embed(texts, role)


def test_texts_are_embedded_in_one_call() -> None:
    embedder = Counting(32)
    with VectorManager(embedder=embedder) as m:
        m.add([f"text number {n}" for n in range(30)], wait=True)
        asked = ["text number 3", "nothing like it", "", "text number 3"]
        found = m.search_many(asked, 3)
        assert embedder.asked == 1
        assert found == [m.search(text, 3) for text in asked]
        embedder.failing = True
        assert m.search_many(asked, 3)[0][0].content == "text number 3"  # by the words alone
        with pytest.raises(EmbedderFailed):
            m.search_many(asked, 3, mode="dense")
        assert m.search_many(asked, 3, mode="lexical")[0]


async def test_the_twin_does_the_same() -> None:
    with VectorManager(embedder=HashEmbedder(32)) as m:
        await m.aadd([f"text number {n}" for n in range(30)], wait=True)
        asked = ["text number 3", "number 4"]
        assert await m.asearch_many(asked, 3) == m.search_many(asked, 3)


def test_what_is_wrong_is_refused() -> None:
    with VectorManager() as m:
        m.add([Item("a", vector=[1.0, 2.0])])
        assert m.search_many([]) == []
        with pytest.raises(InvalidQuery, match="several"):
            m.search_many("one text")
        with pytest.raises(InvalidQuery, match="several"):
            m.search_many(np.ones(2))
        with pytest.raises(InvalidVector):
            m.search_many([[1.0, 2.0], [1.0]])
        with pytest.raises(NoEmbedder):
            m.search_many(["a text"], mode="dense")
