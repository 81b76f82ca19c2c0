"""Staying within the budget: levels, plans, passes, room for adds, alerts."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectopt import (
    Budget,
    CapacityAction,
    CapacityAlert,
    CapacityLevel,
    CapacitySettings,
    DynamicCapacityManager,
    Item,
    Settings,
    VectorManager,
)
from vectopt.errors import CapacityExceeded, InvalidInput, InvalidSettings
from vectopt.model import Limit
from vectopt.strategy import Candidate, Fullest, Usage, brake, eviction_order, excess, level_of, nonsense

from .durability.embedder import HashEmbedder
from .fakes import FakeClock

DAY = 86_400.0
DIMENSIONS = 128
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]


def texts(count: int, seed: int = 0, words: int = 40) -> list[str]:
    """Texts without digits, none like another."""
    rng = Random(seed)
    return [" ".join("".join(rng.choices(SYLLABLES, k=3)) for _ in range(words)) for _ in range(count)]


Open = Callable[..., VectorManager]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def opened(tmp_path: Path, clock: FakeClock) -> Iterator[Open]:
    managers: list[VectorManager] = []

    def make(budget: Budget = Budget(), **named: Any) -> VectorManager:  # noqa: B008 - frozen
        capacity = named.pop("capacity", CapacitySettings(grace_seconds=0))
        options = {"embedder": HashEmbedder(DIMENSIONS), "clock": clock, "settings": Settings(capacity=capacity), **named}
        managers.append(VectorManager(tmp_path / "store.db", budget=budget, **options))
        return managers[-1]

    yield make
    for manager in managers:
        manager.close()


def sound(m: VectorManager) -> None:
    """The counters are what a recount says, and nothing else is wrong."""
    assert m.doctor() == []


class TestLevels:
    """Which level a utilisation is."""

    @pytest.mark.parametrize(
        ("used", "level"),
        [
            (0, "normal"),
            (79, "normal"),
            (80, "warning"),
            (89, "warning"),
            (90, "critical"),
            (94, "critical"),
            (95, "emergency"),
            (300, "emergency"),
        ],
    )
    def test_the_thresholds_are_the_specifications(self, used: int, level: str) -> None:
        assert level_of(Fullest(Limit.ITEMS, used, 100), CapacitySettings()) is CapacityLevel(level)

    @pytest.mark.parametrize("limit", [Limit.VECTORS, Limit.VECTOR_BYTES])
    def test_what_displacement_holds_is_never_worse_than_a_warning(self, limit: Limit) -> None:
        assert level_of(Fullest(limit, 100, 100), CapacitySettings()) is CapacityLevel.WARNING

    @given(st.integers(0, 1000), st.sampled_from(list(CapacityLevel)))
    def test_a_level_is_left_only_well_below_its_threshold(self, used: int, before: CapacityLevel) -> None:
        settings = CapacitySettings()
        fresh, held = (level_of(Fullest(Limit.ITEMS, used, 1000), settings, level) for level in (CapacityLevel.NORMAL, before))
        assert held.rank >= fresh.rank
        lower = level_of(Fullest(Limit.ITEMS, max(0, used - 50), 1000), settings, before)
        assert held is fresh or held.rank <= before.rank
        assert lower.rank <= held.rank

    def test_the_manager_answers_without_a_store(self) -> None:
        manager = DynamicCapacityManager({"warning_threshold": 0.5, "critical_threshold": 0.6, "emergency_threshold": 0.7})
        assert [manager.level(share) for share in (0.4, 0.5, 0.65, 0.7)] == ["normal", "warning", "critical", "emergency"]
        assert manager.thresholds == {"warning": 0.5, "critical": 0.6, "emergency": 0.7}
        assert manager.alerts == []
        with pytest.raises(InvalidSettings, match="needs a store"):
            manager.run_once()

    @pytest.mark.parametrize(
        "config",
        [
            {"warning": 0.5},
            {"warning_threshold": 1.5},
            {"warning_threshold": 0.9, "critical_threshold": 0.8},
            {"policy": "shred"},
            {"interval_seconds": 0},
            {"grace_seconds": math.nan},
            {"most_a_pass": -0.1},
            {"auto_cleanup": 1},
        ],
    )
    def test_a_config_that_means_nothing_is_refused(self, config: dict[str, Any]) -> None:
        with pytest.raises(InvalidSettings):
            DynamicCapacityManager(config)

    def test_the_brake_and_the_excess(self) -> None:
        settings = CapacitySettings()
        assert [brake(texts, settings) for texts in (0, 1, 2, 9, 100)] == [0, 0, 1, 1, 20]
        assert excess(Fullest(Limit.ITEMS, 100, 100), settings) == 25
        assert excess(Fullest(Limit.ITEMS, 70, 100), settings) == 0

    @pytest.mark.parametrize(
        "usage",
        [
            Usage(items=-1),
            Usage(vectors=5),
            Usage(items=5, vectors=5),
            Usage(items=1, file_bytes=math.nan),  # type: ignore[arg-type]
            Usage(items=1, ram_bytes=math.inf),  # type: ignore[arg-type]
        ],
    )
    def test_a_usage_that_cannot_be_is_known(self, usage: Usage) -> None:
        assert nonsense(usage)
        assert nonsense(Usage(items=5, vectors=5, vector_bytes=10)) is None


class TestWhoLeavesFirst:
    """The eviction order."""

    def test_worth_use_and_age_count_and_a_twin_makes_one_less_worth(self) -> None:
        now = 100 * DAY
        order = eviction_order(
            [
                Candidate(1, 0.5, now - 30 * DAY),
                Candidate(2, 0.5, now - 30 * DAY, used_at=now),
                Candidate(3, 0.4, now - 30 * DAY),
                Candidate(4, 0.5, now - 30 * DAY, covered=True),
                Candidate(5, 1.5, now - 300 * DAY),
                Candidate(6, 0.5, now - DAY),
            ],
            now,
        )
        assert order == [4, 3, 1, 6, 2, 5]

    @given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 1e6), st.booleans()), max_size=30), st.floats(0, 1e6))
    def test_it_is_an_order_of_all_that_are_old_enough(self, facts: list[tuple[float, float, bool]], grace: float) -> None:
        candidates = [Candidate(slot, worth, made, covered=covered) for slot, (worth, made, covered) in enumerate(facts)]
        order = eviction_order(candidates, 1e6, grace)
        assert sorted(order) == [one.slot for one in candidates if 1e6 - one.made_at >= grace]
        assert order == eviction_order(list(reversed(candidates)), 1e6, grace)


def fill(m: VectorManager, count: int, seed: int = 0) -> dict[str, str]:
    """Add so many texts, embedded."""
    found = {f"t{number}": text for number, text in enumerate(texts(count, seed))}
    m.add([{"id": id, "content": text, "metadata": {"n": id}} for id, text in found.items()], wait=True)
    m.drain()
    return found


class TestPasses:
    """What a pass does."""

    def test_below_the_warning_nothing_is_done(self, opened: Open) -> None:
        m = opened(Budget(max_items=100))
        fill(m, 10)
        watch = DynamicCapacityManager({}, m)
        assert watch.plan().level is CapacityLevel.NORMAL
        assert watch.plan().steps == ()
        report = watch.run_once()
        assert (report.level, report.number, report.held) == (CapacityLevel.NORMAL, None, None)
        assert watch.alerts == []

    def test_a_store_without_a_budget_is_normal(self, opened: Open) -> None:
        m = opened()
        fill(m, 5)
        assert str(m.plan()) == "normal: no budget is set"
        assert DynamicCapacityManager(None, m).run_once().level is CapacityLevel.NORMAL

    def test_a_full_budget_of_vectors_is_one_warning_and_nothing_is_dropped(self, opened: Open) -> None:
        m = opened(Budget(max_vectors=10))
        fill(m, 30)
        watch = DynamicCapacityManager({}, m)
        for _ in range(3):
            report = watch.run_once()
            assert (report.level, report.dropped) == (CapacityLevel.WARNING, 0)
        assert [alert.alert_type for alert in watch.alerts] == ["warning"]
        assert m.stats().vectors == 10
        sound(m)

    def test_what_was_alike_is_merged_at_the_critical_level(self, opened: Open) -> None:
        m = opened(Budget(max_items=20), settings=Settings(merging=dataclasses.replace(Settings().merging, near_duplicates=False)))
        said = "the deployment of the billing service failed last night because of a missing certificate"
        m.add([f"{said}.", f"{said}!", *texts(16)])
        m.close()
        again = opened(Budget(max_items=20))
        report = DynamicCapacityManager({}, again).run_once()
        assert (report.level, report.merged) == (CapacityLevel.CRITICAL, 1)
        assert again.stats().items == 18
        sound(again)

    def test_temp_vectors_that_earned_it_stay(self, opened: Open) -> None:
        m = opened(Budget(max_items=10))
        fill(m, 9)
        with m._ledger.reading() as db:
            temp = db.execute("SELECT id FROM item JOIN slot USING (slot) WHERE tier = 'temp'").fetchall()
        word = {id: text.split()[0] for id, text in ((item.id, item.content) for item in m.scan())}
        for (id,) in temp:
            for number in range(3):
                m.search(f"{word[id]} {number}", 9)
        m._retrieval.save_found()
        report = DynamicCapacityManager({}, m).run_once()
        assert report.level is CapacityLevel.CRITICAL
        assert report.promoted == len(temp)

    def test_in_an_emergency_of_bytes_vectors_of_least_worth_leave_and_their_texts_stay(self, opened: Open, tmp_path: Path) -> None:
        m = opened()
        written = fill(m, 200)
        m.add([Item(text, id=f"p{number}", priority="critical") for number, text in enumerate(texts(5, seed=9))], wait=True)  # type: ignore[arg-type]
        bytes_held = m.stats().file_bytes
        m.close()
        m = opened(Budget(max_bytes=int(bytes_held / 0.97)))
        before = m.stats()
        plan = m.plan()
        assert plan.level is CapacityLevel.EMERGENCY
        assert plan.limit is Limit.FILE_BYTES
        step = next(step for step in plan.steps if step.action is CapacityAction.DELETE_LOW_PRIORITY)
        watch = DynamicCapacityManager({}, m)
        report = watch.run_once()
        assert report.dropped == step.count
        assert 0 < report.dropped <= 0.2 * before.texts
        after = m.stats()
        assert after.vectors == before.vectors - report.dropped
        assert after.items == before.items
        assert report.bytes_after < report.bytes_before
        assert {item.id for item in m.get(list(step.ids))} == set(step.ids)
        assert all(item.tier == "cached" for item in m.get(list(step.ids)))
        assert all(item.tier != "cached" for item in m.get([f"p{number}" for number in range(5)]))
        for id in step.ids[:5]:
            assert m.search(written[id], 1)[0].id == id
        m.drain()
        assert m.stats().vectors == after.vectors  # not embedded again at once
        sound(m)
        undone = watch.undo()
        assert undone.dropped == -report.dropped
        m.drain()
        with pytest.raises(InvalidInput, match="no pass to undo"):
            watch.undo()
        sound(m)

    def test_what_is_pinned_or_new_stays(self, opened: Open, clock: FakeClock) -> None:
        m = opened()
        fill(m, 40)
        size = m.stats().file_bytes
        m.close()
        m = opened(Budget(max_bytes=int(size / 0.97)))
        pinned = [f"t{number}" for number in range(35)]
        assert m.pin([*pinned, "unknown"]) == 35
        ids = {id for step in m.plan().steps for id in step.ids}
        assert ids
        assert ids <= {f"t{number}" for number in range(35, 40)}
        assert m.unpin(pinned) == 35
        m.close()
        m = opened(Budget(max_bytes=int(size / 0.97)), capacity=CapacitySettings(grace_seconds=DAY))
        assert [step for step in m.plan().steps if step.count] == []
        assert any("now none may" in step.reason for step in m.plan().steps)
        clock.advance(DAY)
        assert [step for step in m.plan().steps if step.count]

    def test_one_text_is_never_taken_by_a_pass(self, opened: Open) -> None:
        m = opened(Budget(max_items=1), archive=None, capacity=CapacitySettings(policy="delete", grace_seconds=0))
        m.add(["the only one"])
        report = DynamicCapacityManager({}, m).run_once()
        assert (report.level, report.deleted) == (CapacityLevel.EMERGENCY, 0)

    def test_items_are_deleted_only_where_the_policy_says_so(self, opened: Open) -> None:
        m = opened(Budget(max_items=100))
        written = fill(m, 97)
        watch = DynamicCapacityManager({}, m)
        report = watch.run_once()
        assert (report.level, report.dropped, report.deleted) == (CapacityLevel.EMERGENCY, 0, 0)
        assert len(m.get(list(written))) == 97
        report = DynamicCapacityManager({"policy": "delete"}, m).run_once()
        assert report.deleted == 19  # a fifth, and no more
        assert len(m.get(list(written))) == 78
        sound(m)

    def test_a_dry_run_changes_nothing_and_says_what_a_pass_then_does(self, opened: Open) -> None:
        m = opened(Budget(max_items=100), capacity=CapacitySettings(policy="delete", grace_seconds=0))
        fill(m, 97)
        before = m.stats()
        plan = m.plan()
        assert m.stats() == before
        assert m.alerts() == []
        (step,) = (step for step in plan.steps if step.action is CapacityAction.DELETE_LOW_PRIORITY)
        assert step.count == 19
        assert "97.0% of max_items are used" in step.reason
        assert "emergency: the store uses 97.0% of max_items" in str(plan)
        DynamicCapacityManager({}, m).run_once()
        assert m.get(list(step.ids)) == []

    def test_paused_it_does_nothing_until_it_is_resumed_in_any_process(self, opened: Open) -> None:
        m = opened(Budget(max_items=10), capacity=CapacitySettings(policy="delete", grace_seconds=0))
        fill(m, 10)
        watch = DynamicCapacityManager({}, m)
        watch.pause()
        assert m.plan().held == "passes are paused"
        assert m.plan().steps == ()
        with VectorManager(m.path, budget=Budget(max_items=10)) as other:
            assert DynamicCapacityManager({"policy": "delete", "grace_seconds": 0}, other).run_once().held == "passes are paused"
        assert m.stats().items == 10
        watch.resume()
        assert watch.run_once().deleted == 2

    def test_with_auto_cleanup_off_it_only_says_so(self, opened: Open) -> None:
        m = opened(Budget(max_items=10), capacity=CapacitySettings(policy="delete", grace_seconds=0, auto_cleanup=False))
        fill(m, 10)
        watch = DynamicCapacityManager({}, m)
        assert watch.run_once().held == "auto_cleanup is off"
        assert m.stats().items == 10
        assert [alert.alert_type for alert in watch.alerts] == ["emergency"]

    def test_on_a_figure_that_cannot_be_nothing_is_removed(self, opened: Open) -> None:
        m = opened(Budget(max_items=10), capacity=CapacitySettings(policy="delete", grace_seconds=0))
        fill(m, 10)
        m._ledger.write(lambda tx: tx.count("default", "vector_bytes", -(10**9)))
        watch = DynamicCapacityManager({}, m)
        report = watch.run_once()
        assert report.held is not None
        assert "makes no sense" in report.held
        assert m.stats().items == 10
        assert [alert.alert_type for alert in watch.alerts] == ["brake"]
        assert [finding.what for finding in m.doctor(repair=True)] == ["counter"]
        assert watch.run_once().deleted == 2
        sound(m)

    def test_counters_that_drifted_are_corrected_and_told(self, opened: Open) -> None:
        m = opened(Budget(max_items=10))
        fill(m, 8)
        m._ledger.write(lambda tx: tx.count("default", "items.cached", 3))
        report = DynamicCapacityManager({}, m).run_once()
        assert report.level is CapacityLevel.WARNING
        assert "items.cached of 'default'" in report.problems[0]
        sound(m)

    def test_a_namespaces_own_budget_is_kept_within_it(self, opened: Open) -> None:
        m = opened(namespace_budgets={"small": Budget(max_items=10)}, capacity=CapacitySettings(policy="delete", grace_seconds=0))
        fill(m, 20)
        m.add(texts(10, seed=3), namespace="small")
        report = DynamicCapacityManager({}, m).run_once()
        assert report.deleted == 2
        assert m.stats().items == 28
        assert m.stats(namespace="default").items == 20
        assert [(alert.namespace, alert.alert_type) for alert in m.alerts()] == [("small", "emergency")]
        assert "namespace 'small' uses 100.0% of max_items" in m.alerts()[0].message


class TestAlerts:
    """Alerts are told once, at every level, and last."""

    def test_each_level_is_told_once_with_what_would_help(self, opened: Open, clock: FakeClock) -> None:
        heard: list[CapacityAlert] = []
        m = opened(Budget(max_items=100), capacity=CapacitySettings(auto_cleanup=False))
        watch = DynamicCapacityManager({}, m, on_alert=heard.append)
        for upto in (79, 80, 85, 90, 94, 95, 100):
            have = m.stats().items
            m.add(texts(upto - have, seed=upto))
            watch.run_once()
            clock.advance(60)
        assert [(alert.alert_type, round(alert.current_usage, 2), alert.threshold) for alert in heard] == [
            ("warning", 0.8, 0.8),
            ("critical", 0.9, 0.9),
            ("emergency", 0.95, 0.95),
        ]
        assert heard == watch.alerts
        assert CapacityAction.COMPRESS_SIMILAR in heard[1].recommended_actions
        assert heard[0].created_at < heard[1].created_at
        m.delete([item.id for item in m.scan()][:9])  # 91: still within the hysteresis of the emergency
        watch.run_once()
        m.add(texts(5, seed=1000))
        watch.run_once()
        assert len(heard) == 3
        m.close()
        again = opened(Budget(max_items=100))
        assert again.alerts() == heard
        assert again.alerts(1) == heard[-1:]

    def test_a_callback_that_fails_hurts_nobody(self, opened: Open) -> None:
        m = opened(Budget(max_items=10))
        m.add(texts(8))

        def fail(alert: CapacityAlert) -> None:
            raise RuntimeError("no")

        assert DynamicCapacityManager({}, m, on_alert=fail).run_once().level is CapacityLevel.WARNING
        assert len(m.alerts()) == 1

    def test_the_history_is_bounded(self, opened: Open) -> None:
        m = opened(Budget(max_items=10))
        for number in range(1005):
            m.keeper.alarm.trouble("brake", f"{number}")
        kept = m.alerts(5000)
        assert (len(kept), kept[0].message, kept[-1].message) == (1000, "5", "1004")


class TestRoomForAdds:
    """A budget of bytes holds at every add."""

    def test_without_an_archive_vectors_leave_first_and_then_adds_are_refused(self, opened: Open) -> None:
        limit = 800_000
        m = opened(Budget(max_bytes=limit))
        stored: dict[str, str] = {}
        refused = with_vectors = 0
        for batch in range(60):
            some = {f"{batch}-{number}": text for number, text in enumerate(texts(20, seed=batch))}
            try:
                m.add([{"id": id, "content": text} for id, text in some.items()], wait=True)
                stored |= some
            except CapacityExceeded as error:
                assert "max_bytes" in str(error)  # noqa: PT017
                refused += 1
            assert m.stats().file_bytes <= limit + 30_000
            with_vectors = max(with_vectors, m.stats().vectors)
        assert refused > 10
        assert with_vectors > 50
        stats = m.stats()
        assert stats.vectors == 0
        assert stats.items == len(stored)
        assert {item.id: item.content for item in m.get(list(stored))} == stored
        sound(m)

    def test_an_add_larger_than_the_budget_makes_nothing_leave(self, opened: Open) -> None:
        m = opened(Budget(max_bytes=1_000_000))
        fill(m, 50)
        held = m.stats().vectors
        with pytest.raises(CapacityExceeded):
            m.add([" ".join(texts(1, seed=7, words=300_000))])
        assert m.stats().vectors == held > 0
        assert m.stats().items == 50

    def test_process_content_answers_instead_of_raising(self, opened: Open) -> None:
        m = opened(Budget(max_bytes=250_000))
        answers = [m.process_content(text) for text in texts(60, words=600)]
        assert answers[0].status != "error"
        assert answers[-1].status == "error"
        assert "max_bytes" in (answers[-1].error or "")


class TestMonitoring:
    """The watch."""

    def test_it_acts_by_itself_and_stops(self, opened: Open) -> None:
        m = opened(Budget(max_items=10), capacity=CapacitySettings(policy="delete", grace_seconds=0, interval_seconds=0.02))
        fill(m, 10)
        watch = DynamicCapacityManager({}, m)
        watch.start_monitoring()
        watch.start_monitoring()
        until = time.monotonic() + 20
        while m.stats().items == 10 and time.monotonic() < until:
            time.sleep(0.01)
        assert watch.monitoring
        watch.stop_monitoring()
        watch.stop_monitoring()
        assert not watch.monitoring
        assert m.stats().items < 10
        sound(m)

    async def test_every_method_has_a_twin_that_can_be_awaited(self, opened: Open) -> None:
        m = opened(Budget(max_items=10))
        watch = DynamicCapacityManager({"interval_seconds": 60}, m)
        await watch.astart_monitoring()
        await watch.astop_monitoring()
        assert (await watch.arun_once()).level is CapacityLevel.NORMAL
        assert (await watch.aplan()).level is CapacityLevel.NORMAL
        await watch.apause()
        await watch.aresume()
        assert await m.apin(["none"]) == 0
        assert await m.aalerts() == []
        assert await m.adoctor() == []
        assert (await m.acompact()).merged == 0

    def test_closing_the_store_ends_the_watch(self, opened: Open) -> None:
        m = opened(Budget(max_items=10))
        watch = DynamicCapacityManager({"interval_seconds": 0.02}, m)
        watch.start_monitoring()
        m.close()
        until = time.monotonic() + 20
        while watch.monitoring and time.monotonic() < until:
            time.sleep(0.01)
        assert not watch.monitoring

    def test_one_acts_at_a_time(self, opened: Open) -> None:
        m = opened(Budget(max_items=10), capacity=CapacitySettings(policy="delete", grace_seconds=0))
        fill(m, 10)
        with VectorManager(m.path, budget=Budget(max_items=10)) as other, other.keeper.acting():
            assert DynamicCapacityManager({}, m).run_once().held == "another thread or process is at it"
        assert DynamicCapacityManager({}, m).run_once().deleted == 2


def test_compacting_makes_the_file_smaller_and_loses_nothing(opened: Open) -> None:
    m = opened()
    written = fill(m, 300)
    gone = list(written)[::2]
    m.delete(gone)
    report = m.compact()
    assert report.bytes_after < 0.75 * report.bytes_before
    rest = {id: text for id, text in written.items() if id not in gone}
    assert {item.id: item.content for item in m.get(list(written))} == rest
    sound(m)
