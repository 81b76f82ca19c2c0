"""The third flow, on the side: bounded steps that drain the queue, end or promote temp vectors, and tidy up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from .ledger import Ledger, Transaction, expiry, queue, records, temp
from .meter import Meter
from .model import DrainReport, Event
from .protocols import Clock
from .settings import Settings
from .shipping import Shipping
from .strategy import day_of
from .vectorizer import Vectorizer, hold_budget

_STEP = 500  # temp vectors looked at in one transaction


class Upkeep:
    """What is done on the side, by `drain` or by the worker's thread."""

    def __init__(
        self, ledger: Ledger, vectorizer: Vectorizer, meter: Meter, clock: Clock, settings: Settings, shipping: Shipping | None = None
    ) -> None:
        self._ledger = ledger
        self._shipping = shipping
        self._vectorizer = vectorizer
        self._meter = meter
        self._clock = clock
        self._settings = settings
        self._stepped = float("-inf")
        self._looked = float("-inf")

    def drain(self, limit: int | None = None, *, due_only: bool = False) -> DrainReport:
        """Do everything there is to do now: delete what is over, settle the temp tier, then embed what is queued, each text tried once.

        Args:
            limit: embed this many texts at the most.
            due_only: let texts that failed wait for their time.
        """
        self._looked = self._clock.now()
        report = self._settled()
        more = True
        while more:
            used = self.use_room()
            step = self._vectorizer.run(due_only=due_only, limit=limit) if self._waiting() else DrainReport()
            report = report + step
            more = limit is None and used > 0 and step.embedded > 0
        return replace(report, shipped=self._ship(), waiting=self._waiting())

    def _ship(self) -> int:
        return 0 if self._shipping is None else self._shipping.run()

    async def adrain(self, limit: int | None = None) -> DrainReport:
        """Do the same without blocking the event loop."""
        report = await asyncio.to_thread(self._settled)
        more = True
        while more:
            used = await asyncio.to_thread(self.use_room)
            step = await self._vectorizer.arun(limit=limit) if await asyncio.to_thread(self._waiting) else DrainReport()
            report = report + step
            more = limit is None and used > 0 and step.embedded > 0
        shipped = await asyncio.to_thread(self._ship)
        return replace(report, shipped=shipped, waiting=await asyncio.to_thread(self._waiting))

    def _settled(self) -> DrainReport:
        deleted = len(self.delete_expired())
        promoted, expired = self.settle()
        return DrainReport(promoted=promoted, expired=expired, deleted=deleted)

    @property
    def due(self) -> bool:
        """Whether the last step was so long ago that it is time for one more."""
        return abs(self._clock.now() - self._stepped) >= self._settings.queue.upkeep_seconds

    def pause(self) -> float:
        """Return for how many seconds nothing will be due after the last `drain`, as far as is known; `upkeep_seconds` at the most."""
        with self._ledger.reading() as db:
            nexts = queue.next_retry(db, self._looked), temp.next_expiry(db, self._looked), expiry.next_due(db, self._looked)
            due = [at for at in nexts if at is not None]
        if self._shipping is not None and (at := self._shipping.due()) is not None:
            due.append(at)
        every = self._settings.queue.upkeep_seconds
        return min(every, max(0.0, min(due) - self._clock.now())) if due else every

    def step(self) -> None:
        """Do a bounded piece of what waits: delete what is over, settle the temp tier, try one batch of what failed or waited again."""
        self._stepped = self._clock.now()
        self.delete_expired(_STEP)
        self.settle_temp()
        if self._vectorizer.embedder is not None and self._waiting():
            self._vectorizer.run(due_only=True, limit=self._settings.queue.batch_texts)
        if self._shipping is not None:
            self._shipping.step()

    def tidy(self) -> None:
        """Forget what need not be remembered."""
        today = day_of(self._clock.now())
        with self._ledger.reading() as db:
            untidy = records.untidy(db, today)
        if untidy:
            self._ledger.write(lambda tx: records.tidy(tx, today))

    def _waiting(self) -> int:
        with self._ledger.reading() as db:
            counts = records.counters(db)
        return counts.get("slots.queued", 0) - counts.get("dead", 0)

    def use_room(self) -> int:
        """Queue texts that were left without a vector, where there is room for them now; return how many."""
        if self._vectorizer.embedder is None:
            return 0
        below, now = self._settings.strategy.room_utilisation, self._clock.now()
        with self._ledger.reading() as db:
            roomy = [name for name in queue.with_spare(db) if self._meter.has_room(db, name, 0, now, below)]
        taken = 0
        for name in roomy:
            taken += self._ledger.write(partial(self._use_room, name))
        return taken

    def _use_room(self, namespace: str, tx: Transaction) -> int:
        below, now, taken = self._settings.strategy.room_utilisation, self._clock.now(), 0
        for slot, tokens in queue.spare(tx.db, namespace, _STEP):
            if not self._meter.has_room(tx.db, namespace, tokens, now, below):
                break
            taken += queue.requeue(tx, slot, namespace, self._settings.temp.ttl_seconds, now)
            tx.flush()
        return taken

    def delete_expired(self, limit: int | None = None) -> list[tuple[str, str]]:
        """Delete items whose own time is over; return (namespace, id) of each, `limit` at the most."""
        deleted: list[tuple[str, str]] = []
        with self._ledger.reading() as db:
            idle = not expiry.due(db, self._clock.now())
        while not idle:
            step = self._ledger.write(lambda tx: expiry.remove(tx, self._clock.now(), _STEP))
            deleted += step
            idle = len(step) < _STEP or (limit is not None and len(deleted) >= limit)
        return deleted

    def settle(self) -> tuple[int, int]:
        """Tidy up, bring budgets that were lowered down to, and settle the temp tier; return how many were promoted and expired."""
        self.tidy()
        with self._ledger.reading() as db:
            over = [name for name in records.namespaces(db) if self._meter.exceeded(db, name)]
        for name in over:
            self._ledger.write(partial(self._hold, name))
        return self.settle_temp()

    def _hold(self, namespace: str, tx: Transaction) -> int:
        return hold_budget(tx, self._meter, namespace, self._clock.now())

    def settle_temp(self) -> tuple[int, int]:
        """Promote temp vectors that earned it, expire those whose time is over; return how many of each."""
        promoted = expired = 0
        with self._ledger.reading() as db:
            idle = not temp.due(db, self._clock.now(), self._settings.temp.promotion_queries)
        while not idle:
            looked, more, gone = self._ledger.write(self._settle_step)
            promoted, expired = promoted + more, expired + gone
            idle = looked < _STEP
        return promoted, expired

    def _settle_step(self, tx: Transaction) -> tuple[int, int, int]:
        now, needed = self._clock.now(), self._settings.temp.promotion_queries
        promoted = expired = 0
        earned = temp.earned(tx, needed, _STEP)
        for one in earned:
            promoted += temp.promote(tx, one.slot, f"found by {one.queries} distinct queries", now)
        over = temp.expired(tx, now, _STEP)
        for one in over:
            room = self._meter.utilisation(tx.db, one.namespace, now) < self._settings.strategy.room_utilisation
            if one.keep and room:
                promoted += temp.promote(tx, one.slot, "its time was over, but there is room to keep it", now)
            else:
                expired += temp.expire(tx, one.slot, now)
            tx.flush()
        return max(len(over), len(earned)), promoted, expired


class Worker:
    """A thread that works in bounded steps while there is work, when woken, and when something is due.

    Args:
        work: one step.
        pause: tells for how many seconds to sleep after a step that found nothing to do.
        every_seconds: how long to sleep after a step that failed.
        tell: is told when a step fails.
    """

    def __init__(
        self, work: Callable[[], DrainReport], pause: Callable[[], float], every_seconds: float, tell: Callable[[Event], None]
    ) -> None:
        self._work = work
        self._every = every_seconds
        self._pause = pause
        self._tell = tell
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    @property
    def running(self) -> bool:
        """Whether the thread is at work."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread; starting twice is no error."""
        with self._starting:
            if not self.running:
                self._stop.clear()
                self._thread = threading.Thread(target=self._run, name="vectopt-worker", daemon=True)
                self._thread.start()

    def wake(self) -> None:
        """Say that there is something to do."""
        self._wake.set()

    def stop(self) -> None:
        """Stop after the batch in hand; what is queued stays queued."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._thread = None

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()  # before looking: a wake-up during the work is not lost
            try:
                report = self._work()
                pause = 0.0 if report.embedded or report.declined else self._pause()
            except Exception as error:  # the worker outlives any failure; the ledger keeps what was not done
                self._tell(Event("worker_failed", {"error": type(error).__name__}))
                pause = self._every
            if pause:
                self._wake.wait(pause)
