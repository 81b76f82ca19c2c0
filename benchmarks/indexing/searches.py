"""Searches one after another in one thread: by size, filtered, through the adapter, hybrid, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vectopt import VectorManager

from . import ours, peers
from .corpus import Corpus
from .truth import Truth, TruthInTurn
from .turns import Method, measured, row, take

KS = (10, 50)
BATCH = 32
BATCHES = 40
SHARES = (1, 10, 50)  # per cent


def scan(corpus: Corpus, manager: VectorManager, cap: float) -> list[dict[str, Any]]:
    """Return rows of ours and of every light peer, for each k."""
    methods, absent = [ours.core(manager, corpus), peers.numpy_scan(corpus)], []
    for peer in (peers.flat(corpus) or (peers.FLAT, "not installed"), *peers.graphs(corpus, cap)):
        if isinstance(peer, Method):
            methods.append(peer)
        else:
            absent.append(row("scan", corpus.name, peer[0], note=peer[1]))
    truth = Truth(corpus.vectors, corpus.queries, max(KS))
    rows = [one for k in KS for one in measured("scan", corpus.name, methods, len(corpus.queries), k, [truth] * len(methods))]
    for one in rows:
        if one["method"] == ours.NAME:
            one["MB"] = ours.ram_mb(manager)
    return rows + absent


def filters(corpus: Corpus, manager: VectorManager) -> list[dict[str, Any]]:
    """Return rows of searches among all items and among shares of them, picked by a metadata key."""
    methods = [ours.core(manager, corpus, "unfiltered"), _another_each_time(manager, corpus)]
    truths: list[Truth | TruthInTurn] = [Truth(corpus.vectors, corpus.queries, max(KS))]
    buckets = np.arange(len(corpus.vectors)) % 100
    each = [Truth(corpus.vectors, corpus.queries, max(KS), np.flatnonzero(buckets == bucket)) for bucket in range(100)]
    truths.append(TruthInTurn(each))
    for share in SHARES:
        methods.append(ours.core(manager, corpus, f"{share} % filter", filter={"bucket": {"$lt": share}}))
        among = np.flatnonzero(buckets < share)
        truths.append(Truth(corpus.vectors, corpus.queries, max(KS), among))
        if share == SHARES[0]:
            methods.append(peers.numpy_scan(corpus, f"exact NumPy, the {share} % known", among))
            truths.append(truths[-1])
    return [one for k in KS for one in measured("filters", corpus.name, methods, len(corpus.queries), k, truths)]


def _another_each_time(manager: VectorManager, corpus: Corpus) -> Method:
    """Return searches whose filters are a hundred different ones: what is remembered of one is of no use to the next."""
    return Method(
        "1 % filter, another each time",
        lambda number, k: manager.search(corpus.queries[number], k, mode="dense", filter={"bucket": number % 100}),
        ours.rows_of,
    )


def adapter(corpus: Corpus, manager: VectorManager) -> list[dict[str, Any]]:
    """Return rows of dense searches through the core and through the LangChain adapter, which is given lists of floats."""
    from langchain_vectopt import VectOptVectorStore

    store = VectOptVectorStore(manager=manager)
    lists, texts = corpus.queries.tolist(), corpus.query_texts
    methods = [
        ours.core(manager, corpus, "core"),
        Method("LangChain, by vector", lambda number, k: store.similarity_search_by_vector(lists[number], k=k), ours.rows_of),
        Method("core, by text", lambda number, k: manager.search(texts[number], k, mode="dense"), ours.rows_of),
        Method("LangChain, by text", lambda number, k: store.similarity_search(texts[number], k=k, mode="dense"), ours.rows_of),
    ]
    truth = Truth(corpus.vectors, corpus.queries, max(KS))
    return [one for k in KS for one in measured("adapter", corpus.name, methods, len(corpus.queries), k, [truth] * len(methods))]


def hybrid(corpus: Corpus, manager: VectorManager) -> list[dict[str, Any]]:
    """Return rows of the three modes; the first lexical search reads all texts."""
    from langchain_vectopt import VectOptVectorStore

    store = VectOptVectorStore(manager=manager)
    vectors, texts = corpus.queries, corpus.query_texts
    methods = [
        ours.core(manager, corpus, "dense"),
        Method("hybrid", lambda number, k: manager.search(vectors[number], k, text=texts[number], mode="hybrid"), ours.rows_of),
        Method("lexical", lambda number, k: manager.search(texts[number], k, mode="lexical"), ours.rows_of),
        Method("LangChain, hybrid by text", lambda number, k: store.similarity_search(texts[number], k=k), ours.rows_of),
    ]
    truths = [Truth(corpus.vectors, corpus.queries, max(KS)), None, None, None]
    return [one for k in KS for one in measured("hybrid", corpus.name, methods, len(corpus.queries), k, truths)]


def batch(corpus: Corpus, manager: VectorManager) -> list[dict[str, Any]]:
    """Return rows of searches by many vectors at once; times are a batch's."""
    truth, batches = Truth(corpus.vectors, corpus.queries, max(KS)), _batches(corpus)
    methods, rows = [_one_by_one(manager, corpus, batches), _product(corpus, batches)], []
    if ours.has_batches():
        methods.append(_many(manager, corpus, batches))
    else:
        rows.append(row("batch", corpus.name, "search_many", note="not in this version"))
    for k in KS:
        for method, taken in zip(methods, take(methods, len(batches), k, turn=2), strict=True):
            flat = [
                (int(query), found)
                for number, answer in taken.answers
                for query, found in zip(batches[number], method.read(answer), strict=True)
            ]
            speed = BATCH * len(taken.times) / sum(taken.times)
            recall = truth.recall(flat, k)
            rows.append(row("batch", corpus.name, method.name, k=k, times=taken.times, first=taken.first, per_second=speed, recall=recall))
    return rows


def _batches(corpus: Corpus) -> list[NDArray[np.int64]]:
    """Return which queries go together: every query in several batches, never in the same company."""
    rng = np.random.default_rng(7)
    return [rng.choice(len(corpus.queries), min(BATCH, len(corpus.queries)), replace=False) for _ in range(BATCHES)]


def _many(manager: VectorManager, corpus: Corpus, batches: Sequence[NDArray[np.int64]]) -> Method:
    return Method(
        "search_many",
        lambda number, k: manager.search_many(corpus.queries[batches[number]], k, mode="dense"),
        lambda answer: [ours.rows_of(hits) for hits in answer],
    )


def _one_by_one(manager: VectorManager, corpus: Corpus, batches: Sequence[NDArray[np.int64]]) -> Method:
    return Method(
        "search, one by one",
        lambda number, k: [manager.search(corpus.queries[query], k, mode="dense") for query in batches[number]],
        lambda answer: [ours.rows_of(hits) for hits in answer],
    )


def _product(corpus: Corpus, batches: Sequence[NDArray[np.int64]]) -> Method:
    def search(number: int, k: int) -> Any:
        scores = corpus.queries[batches[number]] @ corpus.vectors.T
        top = np.argpartition(scores, scores.shape[1] - k, axis=1)[:, -k:]
        order = np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1)
        return np.take_along_axis(top, order, axis=1)

    return Method(f"{peers.NUMPY}, one product", search, lambda answer: answer.tolist())
