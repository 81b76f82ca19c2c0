"""Compressing what is similar: texts that say the same, and were not found to when they came, are made one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from itertools import islice

import numpy as np

from .compression import TOKENIZERS, Judge, SemanticLeader, same_fact, statement
from .ledger import Ledger, Transaction, clusters, near, vectors
from .model import CompressionReport
from .protocols import Clock

_STEP = 200  # merged in one transaction
_CHUNK = 4096  # vectors read at a time


class Merging:
    """Looks for near-duplicates among all texts of a namespace, by their words or by their vectors."""

    def __init__(self, ledger: Ledger, clock: Clock, similarity: float) -> None:
        self._ledger = ledger
        self._clock = clock
        self._similarity = similarity

    def run(self, namespace: str, semantic: float | None) -> CompressionReport:
        """Merge near-duplicates in bounded steps; a text that is changed meanwhile is left alone.

        Args:
            namespace: whose texts.
            semantic: the cosine from which texts are alike by meaning; None to compare their words alone.
        """
        merged = self._merge(namespace, self._alike_by_words(namespace), near.AGREE)
        if semantic is not None:
            merged += self._merge(namespace, self._alike_by_meaning(namespace, semantic), 0.0)
        return CompressionReport(merged)

    def _merge(self, namespace: str, pairs: Iterable[tuple[int, int]], least: float) -> int:
        """Merge (slot, its opener) pairs, but for those with callers' vectors of a cosine below `least`; return how many were."""
        rest, merged = iter(pairs), 0
        while step := list(islice(rest, _STEP)):
            merged += self._ledger.write(partial(self._step, namespace, step, least))
        return merged

    def _step(self, namespace: str, pairs: Iterable[tuple[int, int]], least: float, tx: Transaction) -> int:
        return sum(clusters.merge(tx, namespace, slot, into, least, self._clock.now()) for slot, into in pairs)

    def _alike_by_words(self, namespace: str) -> Iterator[tuple[int, int]]:
        self._ledger.write(lambda tx: clusters.note_words(tx, namespace))
        judge = Judge(self._similarity, TOKENIZERS["mixed"])
        with self._ledger.reading() as db:
            blocks = list(clusters.blocks(db, namespace))
        for block in blocks:
            openers: list[tuple[int, str]] = []
            for slot, text in block:
                opener = next((one for one, other in openers if judge.one(other, text)), None)
                if opener is None:
                    openers.append((slot, text))
                else:
                    yield slot, opener

    def _alike_by_meaning(self, namespace: str, threshold: float) -> list[tuple[int, int]]:
        read = lru_cache(4096)(statement)
        leader = SemanticLeader(threshold, lambda opener, text: same_fact(read(opener), read(text)))
        openers: dict[int, int] = {}
        pairs: list[tuple[int, int]] = []
        with self._ledger.reading() as db:
            for slots, texts, matrix in _embedded(db, namespace):
                for slot, label in zip(slots, leader.add(matrix, texts), strict=True):
                    if openers.setdefault(label, slot) != slot:
                        pairs.append((slot, openers[label]))
        return pairs


def _embedded(
    db: sqlite3.Connection, namespace: str
) -> Iterator[tuple[list[int], list[str], np.ndarray[tuple[int, int], np.dtype[np.float32]]]]:
    rows = clusters.embedded(db, namespace)
    while chunk := rows.fetchmany(_CHUNK):
        matrix = np.stack([vectors.from_blob(data, precision) for _, _, data, precision in chunk]).astype(np.float32, copy=False)
        yield [row[0] for row in chunk], [row[1] for row in chunk], matrix
