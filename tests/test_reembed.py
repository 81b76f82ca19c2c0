"""Another embedder for a store that goes on answering: spaces are never mixed, nothing is lost, kills only cost time."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vectopt import Budget, Event, Item, Settings, Tier, VectorManager
from vectopt.embedding import OpenAIEmbedder
from vectopt.errors import EmbedderBusy, EmbedderMismatch, InvalidSettings, TextsRefused
from vectopt.ledger import records
from vectopt.settings import MergingSettings, QueueSettings, StorageSettings

from .fakes import FakeClock, HashEmbedder
from .openai_double import Behaviour, Double, vectors_of
from .openai_double.child import SETTINGS, text_of
from .test_openai_faults import LONG, THIRTY_PERCENT, run_until_done

WORDS = [f"{a}{b}{a}" for a in "abcdefghij" for b in "klmnopqrst"]


class Listener:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def notify(self, event: Event) -> None:
        self.events.append(event)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


Open = Callable[..., VectorManager]


@pytest.fixture
def opened(tmp_path: Path, clock: FakeClock) -> Iterator[Open]:
    managers: list[VectorManager] = []

    def open_(embedder: Any, budget: Budget = Budget(), **settings: Any) -> VectorManager:  # noqa: B008 - frozen
        settings = {"merging": MergingSettings(near_duplicates=False), "observer": Listener(), **settings}
        managers.append(VectorManager(tmp_path / "store.db", embedder=embedder, budget=budget, clock=clock, settings=Settings(**settings)))
        return managers[-1]

    yield open_
    for manager in managers:
        manager.close()


def old() -> HashEmbedder:
    return HashEmbedder(16, "old")


def new(dimensions: int = 24) -> HashEmbedder:
    return HashEmbedder(dimensions, "new")


def fill(manager: VectorManager, words: Sequence[str] = WORDS) -> None:
    manager.add([Item(word, id=word) for word in words])
    manager.drain()


def audit(manager: VectorManager) -> None:
    """Hold the counters of use against the rows."""
    with manager._ledger.reading() as db:
        for (namespace, name), value in records.recount(db).items():
            assert records.counters(db, namespace).get(name, 0) == value, (namespace, name)


def in_space(manager: VectorManager, embedder: HashEmbedder, words: Sequence[str]) -> bool:
    held = manager.get(list(words), with_vectors=True)
    return all(item.vector is not None and np.allclose(item.vector, embedder.vector(item.content)) for item in held)


@pytest.mark.parametrize("dimensions", [24, 16])
def test_every_vector_is_made_anew_and_found_by_at_once(opened: Open, dimensions: int) -> None:
    manager = opened(old())
    fill(manager)
    assert manager.search("akaaka", 1, mode="dense")  # the indexes are in memory
    report = manager.reembed(new(dimensions))
    assert (report.embedded, report.dead, report.waiting, report.finished, report.error) == (100, 0, 0, True, None)
    assert in_space(manager, new(dimensions), WORDS)
    for word in WORDS[::9]:
        hit = manager.search(word, 1, mode="dense")[0]
        assert (hit.id, hit.similarity) == (word, pytest.approx(1, abs=1e-4))
    audit(manager)
    manager.add([Item("later", id="later")], wait=True)
    assert in_space(manager, new(dimensions), ["later"])
    manager.close()
    with pytest.raises(EmbedderMismatch):
        opened(old())
    assert opened(new(dimensions)).search("later", 1, mode="dense")[0].id == "later"


async def test_so_does_the_twin(opened: Open) -> None:
    manager = opened(old())
    fill(manager)
    assert (await manager.areembed(new())).finished
    assert (await manager.asearch(WORDS[3], 1, mode="dense"))[0].id == WORDS[3]


def test_until_the_last_one_is_there_the_old_ones_answer_and_what_is_added_has_both(opened: Open) -> None:
    manager = opened(old())
    fill(manager)
    fresh = new()
    seen: list[bool] = []

    def meanwhile(texts: Sequence[str]) -> None:
        if not seen:
            manager.add([Item("meanwhile", id="meanwhile")], wait=True)
            manager.delete([WORDS[0]])
        hits = [manager.search(word, 1, mode="dense")[0] for word in (WORDS[5], "meanwhile")]
        seen.append([hit.id for hit in hits] == [WORDS[5], "meanwhile"] and in_space(manager, old(), [*WORDS[1:], "meanwhile"]))

    fresh.on_embed = meanwhile
    manager._reembedding.settings = Settings(queue=QueueSettings(batch_texts=10))
    manager._reembedding.claims._limits = QueueSettings(batch_texts=10)
    assert manager.reembed(fresh).finished
    assert len(seen) >= 10
    assert all(seen)
    assert in_space(manager, new(), [*WORDS[1:], "meanwhile"])
    assert manager.get([WORDS[0]]) == []
    audit(manager)


def test_what_failed_is_tried_by_the_next_call_and_what_was_made_is_not_made_again(opened: Open) -> None:
    manager = opened(old(), queue=QueueSettings(batch_texts=10))
    fill(manager)
    fresh = new()
    fresh.poison = {WORDS[15]}
    report = manager.reembed(fresh)
    assert (report.embedded, report.waiting, report.finished) == (90, 10, False)
    assert "ConnectionError" in str(report.error)
    assert in_space(manager, old(), WORDS)
    manager.close()
    fresh.poison = set()
    manager = opened(None)  # without any, it goes on all the same
    assert manager.reembed(fresh).finished
    assert sorted(fresh.seen) == sorted(WORDS)
    assert in_space(manager, new(), WORDS)


def test_words_are_weighed_anew_and_what_was_told_of_length_stays(opened: Open) -> None:
    manager = opened(old())
    texts = {f"{length} {word}": f"{word} {rest}" for word in WORDS[:12] for length, rest in (("short", "here"), ("long", "here " * 20))}
    manager.add([Item(text, id=id) for id, text in texts.items()], wait=True)
    default = manager.settings.search.lexical_weight
    weights = [manager.feedback(word, [f"long {word}"]) for word in WORDS[:12] * 3]
    assert weights[-1] != default

    def about_length() -> bool:
        return any(reason.startswith("length") for hit in manager.search(WORDS[0], 2) for reason in hit.reasons)

    assert about_length()
    manager.reembed(new())
    assert manager.feedback(WORDS[0], []) == default
    assert about_length()
    manager.reembed(old())
    assert manager.feedback(WORDS[0], []) == weights[-1]


def test_another_one_begins_anew(opened: Open) -> None:
    manager = opened(old(), queue=QueueSettings(batch_texts=10))
    fill(manager)
    fresh = new()
    fresh.poison = {WORDS[15]}
    manager.reembed(fresh)
    assert manager.reembed(HashEmbedder(8, "third")).embedded == 100
    assert in_space(manager, HashEmbedder(8, "third"), WORDS)


def test_a_text_it_never_takes_loses_its_vector_and_nothing_else(opened: Open) -> None:
    class Choosy(HashEmbedder):
        def embed(self, texts: Sequence[str], role: str) -> Any:
            if WORDS[7] in texts:
                raise TextsRefused({list(texts).index(WORDS[7]): "too odd"})
            return super().embed(texts, role)

    manager = opened(old())
    fill(manager)
    report = manager.reembed(Choosy(24, "new"))
    assert (report.embedded, report.dead, report.finished) == (99, 1, True)
    assert manager.get([WORDS[7]])[0].tier is Tier.CACHED
    assert "too odd" in manager.explain(WORDS[7]).history[-1].reason
    assert manager.search(WORDS[7], 1, mode="lexical")[0].id == WORDS[7]
    assert manager.stats().sketches == 0
    audit(manager)


def test_an_embedder_that_asks_to_wait_ends_the_call_and_costs_no_attempt(opened: Open) -> None:
    class Busy(HashEmbedder):
        def embed(self, texts: Sequence[str], role: str) -> Any:
            raise EmbedderBusy("not now")

    manager = opened(old())
    fill(manager)
    for _ in range(5):
        report = manager.reembed(Busy(24, "new"))
        assert (report.waiting, report.finished, report.dead) == (100, False, 0)
    assert manager.reembed(new()).finished


def test_sketches_and_what_callers_gave_are_made_anew_too(opened: Open) -> None:
    manager = opened(old(), Budget(max_vectors=20), storage=StorageSettings())
    manager.add([Item(word, id=word, vector=old().vector(word)) for word in WORDS])
    before = manager.stats()
    assert before.vectors == 20
    assert before.sketches == 80
    bigger = new(64)
    assert manager.reembed(bigger).embedded == 100
    after = manager.stats()
    assert (after.vectors, after.sketches) == (20, 80)
    audit(manager)
    for word in WORDS[::11]:
        assert manager.search(word, 1, mode="dense")[0].id == word


def test_the_days_tokens_bound_it_and_the_next_day_it_goes_on(opened: Open, clock: FakeClock) -> None:
    manager = opened(old())
    fill(manager)
    manager.close()
    manager = opened(old(), Budget(max_tokens_per_day=140), queue=QueueSettings(batch_texts=10))
    report = manager.reembed(new())
    assert (report.embedded, report.finished) == (40, False)  # the day's first 100 tokens were spent on the old ones
    assert manager.stats().tokens_today == 140
    clock.to_next_day()
    assert manager.reembed(new()).finished


def test_an_index_of_another_process_begins_anew_and_its_old_embedder_is_not_asked(opened: Open) -> None:
    manager, other = opened(old()), opened(old())
    fill(manager)
    assert other.search(WORDS[3], 1, mode="dense")[0].id == WORDS[3]
    assert manager.reembed(new(16)).finished  # of as many dimensions: only the name tells
    assert other.search(WORDS[3], 1)[0].id == WORDS[3]
    assert [event.name for event in other._observer.events][-1] == "query_not_embedded"
    with pytest.raises(EmbedderMismatch):
        other.search(WORDS[3], 1, mode="dense")
    assert other.search(new(16).vector(WORDS[4]), 1)[0].similarity == pytest.approx(1, abs=1e-4)
    with pytest.raises(EmbedderMismatch, match="stored"):
        other.add(["one of its own"], wait=True)
    assert manager.drain().embedded == 1


def test_a_search_that_was_embedded_before_and_looks_after_is_embedded_anew(opened: Open) -> None:
    first = old()
    manager = opened(first)
    fill(manager)
    embed = first.embed

    def late(texts: Sequence[str], role: str) -> Any:
        answer = embed(texts, role)
        if role == "query":
            assert manager.reembed(new(16)).finished
        return answer

    first.embed = late  # type: ignore[method-assign]
    hit = manager.search(WORDS[9], 1, mode="dense")[0]
    assert (hit.id, hit.similarity) == (WORDS[9], pytest.approx(1, abs=1e-4))


def test_a_batch_that_the_old_one_answers_too_late_is_not_stored(opened: Open) -> None:
    first = old()
    manager = opened(first)
    fill(manager, WORDS[:20])
    done = threading.Event()

    def meanwhile(texts: Sequence[str]) -> None:
        if not done.is_set():
            done.set()
            assert manager.reembed(new(16)).finished

    first.on_embed = meanwhile
    manager.add([Item("late", id="late")], wait=True)
    manager.drain()
    assert in_space(manager, new(16), ["late", *WORDS[:20]])


def test_two_processes_share_the_work_and_neither_begins_it_again(opened: Open) -> None:
    manager, other = opened(old(), queue=QueueSettings(batch_texts=10)), opened(None, queue=QueueSettings(batch_texts=10))
    fill(manager)
    mine, theirs = new(), new()
    reports: list[Any] = []

    def meanwhile(texts: Sequence[str]) -> None:
        if not reports:
            reports.append(None)
            reports.append(other.reembed(theirs))

    mine.on_embed = meanwhile
    report = manager.reembed(mine)
    assert (report.finished, reports[1].finished) == (True, False)
    assert sorted(mine.seen + theirs.seen) == sorted(WORDS)
    assert other.reembed(theirs).finished
    assert in_space(other, new(), WORDS)


def test_its_price_counts_for_the_days_money(opened: Open, clock: FakeClock) -> None:
    class Dear(HashEmbedder):
        price_per_million_tokens = 1000.0

    class Cheap(HashEmbedder):
        price_per_million_tokens = 1.0

    manager = opened(Cheap(16, "old"), Budget(max_cost_per_day=0.075), queue=QueueSettings(batch_texts=10))
    fill(manager)
    clock.to_next_day()
    report = manager.reembed(Dear(24, "new"))
    assert (report.embedded, report.finished) == (75, False)


def test_it_has_nothing_to_do_where_the_embedder_is_the_stores_own(opened: Open) -> None:
    manager = opened(old())
    fill(manager)
    same = old()
    assert manager.reembed(same).finished
    assert same.seen == []
    with pytest.raises(InvalidSettings, match="embedder"):
        manager.reembed("text-embedding-3-small")  # type: ignore[arg-type]


def test_killed_amid_faults_it_goes_on_where_it_was(tmp_path: Path) -> None:
    texts, kills = (20_000, 8) if LONG else (800, 1)
    with VectorManager(tmp_path / "store.db", settings=SETTINGS) as store:
        vectors = vectors_of([text_of(number) for number in range(texts)], "another", 16)
        store.add([Item(text_of(number), id=str(number), vector=vectors[number]) for number in range(texts)])
    with Double(Behaviour(shares=THIRTY_PERCENT, counted=False)) as double:
        order = {
            "path": str(tmp_path / "store.db"), "cache": str(tmp_path / "cache"), "done": str(tmp_path / "done"), "url": double.url,
            "texts": texts, "batch": 40 if LONG else 8, "dimensions": 32, "reembed": True,
        }  # fmt: skip
        _, killed = run_until_done(order, double, kills, 600)
        assert killed == kills
        assert double.behaviour.paid_inputs <= 1.15 * texts
        with (
            OpenAIEmbedder(api_key="sk", base_url=double.url, dimensions=32) as embedder,
            VectorManager(tmp_path / "store.db", embedder=embedder, settings=SETTINGS) as store,
        ):
            found = store.get([str(number) for number in range(texts)], with_vectors=True)
            held = np.stack([item.vector for item in found if item.vector is not None])
            np.testing.assert_allclose(held, vectors_of([item.content for item in found], embedder.model, 32), atol=1e-6)
            audit(store)
    assert json.loads((tmp_path / "done").read_text()) == {"dead": 0}
