"""Eight readers and a writer on one store: is every answer right, and how long is the longest wait?

Protected rows are never changed and lie in dimensions of their own, orthogonal to the changing ones; so a search among them
has one right answer whatever the writer does. Searches among the changing rows are judged afterwards by what was true
while they were under way.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from vectopt import Item, VectorManager

from . import ours, synthetic
from .corpus import Corpus, Floats, Shape, unit
from .language import Language
from .truth import Truth
from .turns import row
from .versions import Faults, History, Seen, Version

READERS = 8
ALONE, TOGETHER = "1 reader", f"{READERS} readers and a writer"
K = 10
_CHANGING_DIMENSIONS = 8  # few, so that the nearest of them differ clearly
_CHANGING_QUERIES = 64
_ALIVE = 2000  # changing items at a time
_ADDED, _UPDATED = 10, 5  # in each round of the writer
_EXACT_EVERY = 16
# Codes may leave out a row that they misjudge by three standard deviations, which the promised recall allows. A row this much
# nearer than the last one found is left out by no chance, only by a fault; an exact search may leave out nothing at all.
_MARGIN = (0.1, 1e-4)


def traffic(shape: Shape, folder: Path, seconds: float) -> list[dict[str, Any]]:
    """Return a row for one reader alone and one for eight beside a writer, with the faults of all."""
    corpus = _protected(shape)
    manager, _ = ours.loaded(corpus, folder / "traffic.db")
    with manager:
        writer = Writer(manager, shape.dimensions)
        while writer.alive < _ALIVE:
            writer.step()
        questions = _questions(corpus, manager)
        alone = [Reader(manager, questions, 0)]
        _run([alone[0].run], seconds / 3)
        together = [Reader(manager, questions, seed) for seed in range(1, READERS + 1)]
        _run([*(reader.run for reader in together), writer.run], seconds)
        lost = writer.lost()
    history = History(writer.versions, questions.changing, _MARGIN)
    return [
        _row(corpus, ALONE, alone, questions, history, Faults(), ""),
        _row(corpus, TOGETHER, together, questions, history, lost, f"; {len(writer.versions)} versions written"),
    ]


def _protected(shape: Shape) -> Corpus:
    """Return hard vectors that leave the last dimensions to the changing ones."""
    corpus = synthetic.corpus("hard", Shape(shape.rows, shape.dimensions - _CHANGING_DIMENSIONS))
    room = ((0, 0), (0, _CHANGING_DIMENSIONS))
    return Corpus("hard", np.pad(corpus.vectors, room), corpus.texts, np.pad(corpus.queries, room), corpus.query_texts)


def _changing(count: int, dimensions: int, rng: np.random.Generator) -> Floats:
    """Return unit vectors in the last dimensions."""
    vectors = np.zeros((count, dimensions), np.float32)
    vectors[:, -_CHANGING_DIMENSIONS:] = rng.standard_normal((count, _CHANGING_DIMENSIONS), np.float32)
    return unit(vectors)


@dataclass(frozen=True)
class Questions:
    """What readers ask: protected queries, with the truth about them, and changing ones."""

    protected: Floats
    numbers: list[int]  # of the protected queries that are asked
    truth: Truth
    changing: Floats


def _questions(corpus: Corpus, manager: VectorManager) -> Questions:
    """Return queries; protected ones only where the quiet store's own answer is exact, so that only traffic can spoil it."""
    truth = Truth(corpus.vectors, corpus.queries, K)
    numbers = [
        number
        for number, query in enumerate(corpus.queries)
        if truth.found(number, _protected_rows(manager.search(query, K, mode="dense")), K) == K
    ]
    rng = np.random.default_rng(11)
    return Questions(corpus.queries, numbers, truth, _changing(_CHANGING_QUERIES, corpus.vectors.shape[1], rng))


def _protected_rows(hits: list[Any]) -> list[int]:
    return [int(hit.id) for hit in hits if hit.id.isdecimal()]


class Writer:
    """Adds, updates and deletes changing items, one durable call after another, and remembers when."""

    def __init__(self, manager: VectorManager, dimensions: int) -> None:
        self.versions: list[Version] = []
        self._manager = manager
        self._dimensions = dimensions
        self._rng = np.random.default_rng(13)
        self._language = Language()
        self._latest: dict[str, Version] = {}
        self._texts: dict[str, str] = {}
        self._made = 0

    @property
    def alive(self) -> int:
        """How many changing items there are."""
        return len(self._latest)

    def run(self, stop: Event) -> None:
        """Write until told to stop."""
        while not stop.is_set():
            self.step()

    def step(self) -> None:
        """Add some, update some, and delete some once there are enough."""
        new = [f"changing-{self._made + i}" for i in range(_ADDED)]
        self._made += _ADDED
        self._write(new, keep_text=False)
        self._write(self._some(_UPDATED), keep_text=False)
        self._write(self._some(_UPDATED), keep_text=True)
        if self.alive > _ALIVE:
            self._delete(self._some(_ADDED))

    def _some(self, count: int) -> list[str]:
        ids = list(self._latest)
        return [ids[place] for place in self._rng.choice(len(ids), min(count, len(ids)), replace=False)]

    def _write(self, ids: list[str], *, keep_text: bool) -> None:
        numbers = [self._latest[id].number + 1 if id in self._latest else 0 for id in ids]
        vectors = _changing(len(ids), self._dimensions, self._rng)
        for id, number, text in zip(ids, numbers, self._language.texts(len(ids), self._rng), strict=True):
            if not keep_text:
                self._texts[id] = f"{text} {id} {number}"
        items = [
            Item(self._texts[id], {"version": number, "bucket": 0}, id=id, vector=vector)
            for id, number, vector in zip(ids, numbers, vectors, strict=True)
        ]
        begun = time.perf_counter()
        self._manager.add(items)
        done = time.perf_counter()
        for id, number, vector in zip(ids, numbers, vectors, strict=True):
            self._end(id, begun, done)
            self._latest[id] = Version(id, number, vector, begun, done)
            self.versions.append(self._latest[id])

    def _delete(self, ids: list[str]) -> None:
        begun = time.perf_counter()
        self._manager.delete(ids)
        done = time.perf_counter()
        for id in ids:
            self._end(id, begun, done)
            del self._latest[id], self._texts[id]

    def _end(self, id: str, begun: float, done: float) -> None:
        if id in self._latest:
            self._latest[id].ending, self._latest[id].ended = begun, done

    def lost(self) -> Faults:
        """Return what the store holds otherwise than was written, now that nobody writes."""
        held = {item.id: item.metadata["version"] for item in self._manager.get([f"changing-{i}" for i in range(self._made)])}
        return Faults(
            wrong=sum(held[id] != version.number for id, version in self._latest.items() if id in held),
            missing=len(self._latest.keys() - held.keys()),
            deleted=len(held.keys() - self._latest.keys()),
        )


@dataclass
class Reader:
    """Searches by turns among the protected and the changing items, and notes what it found."""

    manager: VectorManager
    questions: Questions
    seed: int
    times: list[float] = field(default_factory=list)  # of plain searches
    protected: list[tuple[int, tuple[tuple[str, int, float], ...]]] = field(default_factory=list)
    changing: list[Seen] = field(default_factory=list)

    def run(self, stop: Event) -> None:
        """Search until told to stop."""
        rng, turn = np.random.default_rng([17, self.seed]), 0
        while not stop.is_set():
            if turn % 2 and self.questions.numbers:
                number = int(rng.choice(self.questions.numbers))
                self.protected.append((number, self._search(self.questions.protected[number], False)[2]))
            else:
                number, exact = int(rng.integers(_CHANGING_QUERIES)), turn % _EXACT_EVERY == 0
                self.changing.append(Seen(number, *self._search(self.questions.changing[number], exact), exact))
            turn += 1

    def _search(self, query: Floats, exact: bool) -> tuple[float, float, tuple[tuple[str, int, float], ...]]:
        options = {"exact": True} if exact else {}
        begun = time.perf_counter()
        hits = self.manager.search(query, K, mode="dense", **options)
        done = time.perf_counter()
        if not exact:
            self.times.append(done - begun)
        return begun, done, tuple((hit.id, hit.metadata.get("version", -1), hit.similarity) for hit in hits)

    def faults(self, history: History) -> Faults:
        """Return what was wrong with all answers."""
        result = Faults()
        for number, found in self.protected:
            rows = [int(id) for id, _, _ in found if id.isdecimal()]
            right = self.questions.truth.found(number, rows, K)
            result += Faults(wrong=len(found) - right, missing=K - right)
        return sum((history.faults(seen) for seen in self.changing), result)


def _run(workers: list[Callable[[Event], None]], seconds: float) -> None:
    """Let the workers work at the same time for so long; what one of them raises is raised."""
    stop = Event()
    with ThreadPoolExecutor(len(workers)) as pool:
        futures = [pool.submit(worker, stop) for worker in workers]
        until = time.perf_counter() + seconds
        while time.perf_counter() < until and not any(future.done() for future in futures):
            time.sleep(0.05)
        stop.set()
        for future in futures:
            future.result()


def _row(
    corpus: Corpus, name: str, readers: list[Reader], questions: Questions, history: History, lost: Faults, more: str
) -> dict[str, Any]:
    faults = sum((reader.faults(history) for reader in readers), lost)
    times = [seconds for reader in readers for seconds in reader.times]
    note = f"wrong {faults.wrong}, missing {faults.missing}, deleted {faults.deleted}; {len(questions.numbers)} protected queries{more}"
    result = row("threads", corpus.name, name, k=K, times=times, note=note)
    return {**result, "wrong": faults.wrong, "missing": faults.missing, "deleted": faults.deleted}
