"""Brings persistent vectors to the store outside, and takes away what is no longer wanted there: copy, verify, flip, delete."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Lock

import numpy as np

from .failpoints import Failpoint
from .ledger import Ledger, Transaction, outside
from .ledger.outside import Copy, Stage
from .model import Event, Record, Vector
from .outside import Outside
from .patience import Call
from .protocols import Clock
from .settings import OutsideSettings

_SAME = 0.999  # cosine of a vector and what a store makes of it: some normalise, some keep fewer bits
_STEP_BATCHES = 4
_enlisted = Failpoint("outside.enlisted")
_claimed = {stage: Failpoint(f"outside.{stage}.claimed") for stage in Stage}
_did = {stage: Failpoint(f"outside.{stage}.done") for stage in Stage}
_noted = {stage: Failpoint(f"outside.{stage}.noted") for stage in Stage}
_ORDER = (Stage.LEAVING, Stage.ERASED, Stage.PENDING, Stage.SENT)


class Shipping:
    """Works in bounded steps, each of which may be repeated: claim, do, note. Nothing is held in memory between them.

    Args:
        ledger: the truth.
        beyond: the store.
        clock: tells the time.
        settings: how the store is worked with.
        tell: is told when the store fails.
        monotonic: tells the time that passes.
    """

    def __init__(
        self,
        ledger: Ledger,
        beyond: Outside,
        clock: Clock,
        settings: OutsideSettings,
        tell: Callable[[Event], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._beyond = beyond
        self._store = beyond.store
        self._clock = clock
        self._settings = settings
        self._tell = tell
        can = beyond.store.capabilities
        self._drop = not (settings.keep_vectors or can.takes_texts) and can.durable and can.takes_vectors and can.fetches and can.hands_back
        self._rechecked = not self._drop
        self._monotonic = monotonic
        self._resting_until = float("-inf")
        self._stepping = Lock()

    def run(self, batches: int | None = None) -> int:
        """Do what is due, up to so many batches, each stage until the store fails it; return how many copies arrived."""
        arrived = 0
        stages = list(_ORDER)
        self._enlist()
        while stages and (batches is None or batches > 0) and (found := self._claim_any(stages)) is not None:
            stage, namespace, copies = found
            done = self._do(stage, namespace, copies)
            if done is None:
                stages.remove(stage)
            arrived += done or 0
            batches = None if batches is None else batches - 1
        return arrived

    def step(self) -> None:
        """Do a few batches for someone who waits: no longer than a search would wait, and not for a store that failed lately.

        What takes longer goes on by itself.
        """
        if self._monotonic() >= self._resting_until and self._stepping.acquire(blocking=False):
            Call(self._step).done_within(self._settings.patience_seconds)

    def _step(self) -> None:
        try:
            self.run(_STEP_BATCHES)
        finally:
            self._stepping.release()

    def due(self) -> float | None:
        """Return when the next copy is due, as far as is known: now, later, or None."""
        now = self._clock.now()
        with self._ledger.reading() as db:
            return now if outside.unseen(db) else outside.next_due(db, now)

    def _enlist(self) -> None:
        if not self._rechecked:
            self._rechecked = True
            self._ledger.write(outside.recheck)
        with self._ledger.reading() as db:
            more = outside.unseen(db)
        while more:
            more = self._ledger.write(lambda tx: outside.enlist(tx, renew=self._store.capabilities.takes_texts))
            _enlisted()

    def _claim_any(self, stages: Sequence[Stage]) -> tuple[Stage, str, list[Copy]] | None:
        """Hold a batch of what is due in the first of the stages where anything is; None where nothing is."""
        now = self._clock.now()
        limit, until = self._store.capabilities.batch, now + self._settings.lease_seconds
        with self._ledger.reading() as db:
            due = outside.stages_due(db, now)
        for stage in stages:
            if stage not in due:
                continue
            namespace, copies = self._ledger.write(lambda tx, stage=stage: outside.claim(tx, stage, limit, now, until))  # type: ignore[misc]  # bound at once
            _claimed[stage]()
            if copies:
                return stage, namespace, copies
        return None

    def _do(self, stage: Stage, namespace: str, copies: Sequence[Copy]) -> int | None:
        """Do what a batch is due for; return how many arrived, None where the store failed."""
        effect = {Stage.PENDING: self._send, Stage.SENT: self._verify, Stage.LEAVING: self._remove, Stage.ERASED: self._confirm}[stage]
        try:
            note = effect(namespace, copies)
        except Exception as error:  # a store may raise anything; what it did is unknown, and repeated
            text, now = f"{type(error).__name__}: {error}"[:500], self._clock.now()
            self._ledger.write(lambda tx: outside.failed(tx, copies, stage, text, now, self._settings.backoff_seconds))
            self._resting_until = self._monotonic() + self._settings.rest_seconds
            self._tell(Event("outside_failed", {"store": self._store.name, "stage": stage.value, "error": type(error).__name__}))
            return None
        _did[stage]()
        done = self._ledger.write(note)
        _noted[stage]()
        return done

    def _send(self, namespace: str, copies: Sequence[Copy]) -> Callable[[Transaction], int]:
        batch = [self._record(copy, copy.vector) for copy in copies if copy.vector is not None]  # the others' slots let go of them just now
        refused = self._store.upsert(namespace, batch) if batch else ()
        numbers = self._beyond.copies(dict.fromkeys(refused)).keys()
        if numbers:
            self._tell(Event("outside_refused", {"store": self._store.name, "records": len(numbers)}))
        now = self._clock.now()
        settled = now + self._store.capabilities.settle_seconds

        def note(tx: Transaction) -> int:
            outside.sent(tx, copies, numbers, now, settled, self._settings.backoff_seconds)
            return 0

        return note

    def _record(self, copy: Copy, vector: Vector) -> Record:
        key = self._beyond.key(copy.number)
        return Record(key, vector, copy.text, copy.metadata or {}) if self._store.capabilities.takes_texts else Record(key, vector)

    def _verify(self, namespace: str, copies: Sequence[Copy]) -> Callable[[Transaction], int]:
        found: dict[int, Vector | None] | None = None
        if self._store.capabilities.fetches:
            found = self._beyond.copies(self._store.fetch(namespace, [self._beyond.key(copy.number) for copy in copies]))
        now = self._clock.now()

        def note(tx: Transaction) -> int:
            arrived = 0
            for copy in copies:
                if found is None or (copy.number in found and self._as_sent(copy, found[copy.number])):
                    arrived += outside.arrived(tx, copy, drop=self._drop)
                else:
                    outside.missed(tx, copy, now, self._settings.backoff_seconds)
            return arrived

        return note

    def _as_sent(self, copy: Copy, found: Vector | None) -> bool:
        can = self._store.capabilities
        if not (can.hands_back and can.takes_vectors):
            return True
        if found is None or copy.vector is None or np.shape(found) != copy.vector.shape:
            return copy.vector is None
        sent, got = copy.vector.astype(np.float64), np.asarray(found, np.float64)
        scale = float(np.linalg.norm(sent) * np.linalg.norm(got))
        return scale > 0 and float(sent @ got) >= _SAME * scale

    def _remove(self, namespace: str, copies: Sequence[Copy]) -> Callable[[Transaction], int]:
        self._store.delete(namespace, [self._beyond.key(copy.number) for copy in copies])
        settled = self._clock.now() + self._store.capabilities.settle_seconds

        def note(tx: Transaction) -> int:
            outside.erased(tx, copies, settled)
            return 0

        return note

    def _confirm(self, namespace: str, copies: Sequence[Copy]) -> Callable[[Transaction], int]:
        there: set[int] = set()
        if self._store.capabilities.fetches:
            there = set(self._beyond.copies(self._store.fetch(namespace, [self._beyond.key(copy.number) for copy in copies])))
        now = self._clock.now()

        def note(tx: Transaction) -> int:
            outside.gone(tx, copies, there, now + self._settings.backoff_seconds if there else now)
            return 0

        return note
