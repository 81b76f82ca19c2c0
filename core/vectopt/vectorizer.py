"""From claimed queue places to vectors in the ledger: the one way in which texts are embedded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import pipeline
from .claiming import Batch, Claims, Todo
from .errors import EmbedderBusy, EmbedderFailed, EmbedderMismatch, EmbedderStopped, TextsRefused
from .ledger import Ledger, Transaction, queue, records, vectors
from .meter import Meter
from .model import DrainReport, Event, Tier
from .pipeline import Answer
from .protocols import Clock, Embedded, Embedder
from .settings import Settings

_RENEWALS = 3  # of a lease before it would end


class Vectorizer:
    """Claims queued texts, has them embedded, stores the vectors.

    The budget is asked before the embedder is paid, and held again in the transaction that stores: it is never
    exceeded, whoever else writes. An embedder that asks to wait is left alone for as long, but for an explicit `drain`.
    """

    def __init__(
        self,
        ledger: Ledger,
        embedder: Embedder | None,
        meter: Meter,
        clock: Clock,
        settings: Settings,
        tell: Callable[[Event], None],
        text_of: Callable[[str, Mapping[str, Any]], str] | None = None,
    ) -> None:
        self.embedder = embedder
        self._ledger = ledger
        self._meter = meter
        self._clock = clock
        self._settings = settings
        self._tell = tell
        self._claims = Claims(meter, settings.queue, settings.strategy, text_of)
        self._full_told = False
        self._halt_told: str | None = None  # what the embedder stopped for, once observers know
        self._rests_until = float("-inf")
        self.quitting = False  # what the worker does is to end with the calls under way

    def run(
        self, slots: Sequence[int] | None = None, *, due_only: bool = False, limit: int | None = None, on_demand: bool = False
    ) -> DrainReport:
        """Embed what is queued: these slots, or everything that can be claimed. Failures are kept in the ledger.

        Raises:
            EmbedderMismatch: the embedder's vectors don't fit this store's.
        """
        desk = self._desk(Todo(slots, due_only=due_only, limit=limit, on_demand=on_demand))
        if desk is not None:
            pipeline.run(desk, desk.embedder, self._settings.queue.lease_seconds / _RENEWALS)
        return DrainReport() if desk is None else desk.report

    async def arun(self, slots: Sequence[int] | None = None, *, limit: int | None = None, on_demand: bool = False) -> DrainReport:
        """Do the same as `run`; an embedder that can be awaited is, all else runs off the event loop."""
        desk = self._desk(Todo(slots, limit=limit, on_demand=on_demand))
        if desk is not None:
            await pipeline.arun(desk, desk.embedder, self._settings.queue.lease_seconds / _RENEWALS)
        return DrainReport() if desk is None else desk.report

    def _desk(self, todo: Todo) -> _Desk | None:
        if self.embedder is None:
            return None
        todo.over = self._rests_until > self._clock.now() and (todo.due_only or todo.slots is not None)
        if todo.over and todo.slots:
            slots = todo.slots
            self._ledger.write(lambda tx: queue.let_go(tx, slots))
        return _Desk(self, self.embedder, todo)

    def take(self, embedder: Embedder) -> None:
        """Go on with another embedder."""
        self.embedder = embedder
        self._halt_told, self._rests_until = None, float("-inf")

    @property
    def step_texts(self) -> int:
        """How many texts keep the embedder busy."""
        return self._claims.limits_of(self.embedder)[0] * (1 if self.embedder is None else pipeline.width_of(self.embedder))

    def claim(self, todo: Todo) -> Batch | None:
        """Claim the next batch; None when there is nothing more to do."""
        if todo.done:
            return None
        batch = self._ledger.write(lambda tx: self._claims.claim(tx, todo, self.embedder, self._clock.now()))
        if batch is not None:
            todo.took(batch)
        return batch

    def renew(self, batches: Sequence[Batch]) -> None:
        """Hold on to batches that take their time."""
        until = self._clock.now() + self._settings.queue.lease_seconds
        self._ledger.write(lambda tx: queue.renew(tx, [claim for batch in batches for claim in batch.claims], until))

    def settle(self, embedder: Embedder, todo: Todo, batch: Batch, answer: Answer) -> DrainReport:
        """Store what the embedder answered, or what went wrong."""
        todo.landed(batch)
        if not batch.claims:
            return DrainReport(declined=batch.declined)
        if isinstance(answer, EmbedderBusy):
            return self._wait(todo, batch, answer)
        if isinstance(answer, TextsRefused) and answer.refused.keys() <= set(range(len(batch.claims))) and answer.refused:
            return self._refuse(todo, batch, answer)
        if isinstance(answer, Exception):
            todo.passed_over(batch.claims)
            return self._fail(batch, answer)
        return self._keep(embedder, batch, answer)

    def _keep(self, embedder: Embedder, batch: Batch, answer: Embedded) -> DrainReport:
        try:
            stored = self._ledger.write(lambda tx: self._store(tx, embedder, batch, answer))
        except EmbedderMismatch:
            self.release(batch)
            if self.embedder is embedder:
                raise
            return DrainReport(declined=batch.declined)  # another embedder took over meanwhile; its turn will come
        namespace = batch.claims[0].namespace
        self._halt_told, self._rests_until = None, float("-inf")
        if stored.embedded:
            self._tell(Event("embedded", {"texts": stored.embedded, "namespace": namespace, "tokens": stored.tokens}))
        if stored.displaced and not self._full_told:
            self._full_told = True
            self._tell(Event("budget_full", {"namespace": namespace, "displaced": stored.displaced}))
        error = None if not answer.refused else f"TextsRefused: {next(iter(answer.refused.values()))}"
        refused = len(answer.refused)
        return DrainReport(embedded=stored.embedded, failed=refused, dead=stored.dead, declined=batch.declined, error=error)

    def release(self, batch: Batch) -> None:
        """Give a batch back unharmed."""
        self._ledger.write(lambda tx: self._give_back(tx, batch))

    @staticmethod
    def _give_back(tx: Transaction, batch: Batch, paid: int = 0) -> None:
        queue.refund(tx, batch.claims, batch.day)
        queue.release(tx, batch.claims)
        if batch.claims and paid:
            queue.correct(tx, batch.claims[0].namespace, batch.day, paid)

    def _store(self, tx: Transaction, embedder: Embedder, batch: Batch, answer: Embedded) -> _Stored:
        now, namespace = self._clock.now(), batch.claims[0].namespace
        bind_space(tx, embedder, answer.vectors.shape[1])
        over = batch.utilisation > self._settings.strategy.drain_utilisation
        stored = _Stored()
        kept: list[tuple[int, bytes]] = []
        for place, (claim, vector) in enumerate(zip(batch.claims, answer.vectors, strict=True)):
            note = f" {answer.notes[place]}" if place in answer.notes else ""
            if place in answer.refused:
                stored.dead += queue.bury(tx, claim, answer.refused[place][:500])
            elif claim.slot in batch.sketched:
                reason = f"embedded{note}; the budget holds vectors worth more, so its sketch stays"
                stored.count(claim, done=queue.finish_as_sketch(tx, claim, vectors.to_blob(vector), reason, now))
            else:
                tier = Tier.TEMP if over else claim.target
                while_full = "; the budget is nearly full, so for a while" if over and claim.target is not tier else ""
                done = queue.finish(tx, claim, tier, f"embedded{note}{while_full}", now)
                stored.count(claim, done=done)
                kept += [(claim.slot, vectors.to_blob(vector))] if done else []
        vectors.put_first(tx, namespace, kept, "embedder", now)
        if answer.tokens is not None:  # the estimates are replaced by what was paid
            queue.refund(tx, batch.claims, batch.day)
            queue.correct(tx, namespace, batch.day, answer.tokens, counted=stored.tokens)
            stored.tokens = answer.tokens
        tx.flush()
        stored.displaced = hold_budget(tx, self._meter, namespace, now)
        return stored

    def _wait(self, todo: Todo, batch: Batch, error: EmbedderBusy) -> DrainReport:
        """Put the texts back unharmed, and leave the embedder alone for a while."""
        todo.over = True
        self._ledger.write(lambda tx: self._give_back(tx, batch, error.tokens))
        self._rests_until = self._clock.now() + error.retry_after
        kind = type(error).__name__
        if self._halt_told != kind:
            self._halt_told = kind
            name = "embedding_stopped" if isinstance(error, EmbedderStopped) else "embedding_paused"
            self._tell(Event(name, {"namespace": batch.claims[0].namespace, "error": kind, "seconds": round(error.retry_after, 1)}))
        return DrainReport(declined=batch.declined, error=f"{kind}: {error}"[:500])

    def _refuse(self, todo: Todo, batch: Batch, error: TextsRefused) -> DrainReport:
        """Bury the texts that were refused; the others are tried again in this very run."""

        def work(tx: Transaction) -> int:
            self._give_back(tx, batch)
            return sum(queue.bury(tx, batch.claims[place], why[:500]) for place, why in error.refused.items())

        dead = self._ledger.write(work)
        todo.again(claim for place, claim in enumerate(batch.claims) if place not in error.refused)
        return DrainReport(failed=len(error.refused), dead=dead, declined=batch.declined, error=f"TextsRefused: {error}"[:500])

    def _fail(self, batch: Batch, error: Exception) -> DrainReport:
        limits, now = self._settings.queue, self._clock.now()
        text = f"{type(error).__name__}: {error}"[:500]

        def work(tx: Transaction) -> int:
            queue.refund(tx, batch.claims, batch.day)
            queue.correct(tx, batch.claims[0].namespace, batch.day, error.tokens if isinstance(error, EmbedderFailed) else 0)
            return queue.fail(tx, batch.claims, text, now, max_attempts=limits.max_attempts, backoff=limits.backoff_seconds)

        dead = self._ledger.write(work)
        told = {"namespace": batch.claims[0].namespace, "texts": len(batch.claims)}
        self._tell(Event("embedding_failed", {**told, "error": type(error).__name__, "dead": dead}))
        return DrainReport(failed=len(batch.claims), dead=dead, declined=batch.declined, error=text)


@dataclass(slots=True)
class _Stored:
    """What came of a batch."""

    embedded: int = 0
    tokens: int = 0
    dead: int = 0
    displaced: int = 0

    def count(self, claim: queue.Claim, *, done: bool) -> None:
        self.embedded += done
        self.tokens += claim.tokens if done else 0


@dataclass(slots=True)
class _Desk:
    """One run of the vectorizer."""

    vectorizer: Vectorizer
    embedder: Embedder
    todo: Todo
    report: DrainReport = field(default_factory=DrainReport)

    @property
    def over(self) -> bool:
        return self.todo.over or (self.todo.due_only and self.vectorizer.quitting)

    def claim(self) -> Batch | None:
        if self.over or self.vectorizer.embedder is not self.embedder:  # another one took over: the next run is its
            return None
        return self.vectorizer.claim(self.todo)

    def settle(self, batch: Batch, answer: Answer) -> None:
        self.report += self.vectorizer.settle(self.embedder, self.todo, batch, answer)

    def release(self, batch: Batch) -> None:
        self.todo.landed(batch)
        self.vectorizer.release(batch)

    def renew(self, batches: Sequence[Batch]) -> None:
        self.vectorizer.renew(batches)


def bind_space(tx: Transaction, embedder: Embedder | None, dimensions: int) -> None:
    """Bind the store to the space its first vectors lie in.

    Raises:
        EmbedderMismatch: the store is bound to another one.
    """
    known = records.meta(tx.db, "dimensions")
    name = records.meta(tx.db, "embedder")
    if known is not None and known != dimensions:
        raise EmbedderMismatch(
            f"the store's vectors have {known} dimensions, the embedder's {dimensions}; open it with the embedder it was made with."
        )
    if embedder is not None and name is not None and name != embedder.name:
        raise EmbedderMismatch(f"the store was made with the embedder {name!r}, not {embedder.name!r}.")
    if known is None:
        records.set_meta(tx, "dimensions", dimensions)
    if embedder is not None and name is None:
        records.set_meta(tx, "embedder", embedder.name)


def hold_budget(tx: Transaction, meter: Meter, namespace: str, now: float) -> int:
    """Displace the lowest vectors until every budget of the namespace holds; return how many. Counters must be flushed."""
    displaced = 0
    for scope, budget in meter.scopes(namespace):
        # Asked again after each round: what the scope before displaced counts, and displaced vectors leave sketches.
        while left := vectors.displace(
            tx, scope, -dict(meter.vector_room(tx.db, namespace)).get(scope, 0), now, here=meter.only_bytes_short(tx.db, scope, budget)
        ):
            displaced += left
            tx.flush()
        vectors.drop_sketches(tx, scope, meter.sketch_excess(tx.db, scope, budget))
        tx.flush()
    return displaced
