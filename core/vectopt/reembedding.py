"""Another embedder for a store: every vector is made anew beside the old one, and all change places at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from . import pipeline
from .claiming import Batch, Claims, Todo
from .errors import EmbedderBusy, EmbedderFailed, EmbedderMismatch, TextsRefused
from .ledger import Ledger, Transaction, queue, records, remaking, vectors
from .meter import Meter
from .model import Event, ReembedReport
from .pipeline import Answer
from .protocols import Clock, Embedded, Embedder
from .settings import Settings
from .strategy import day_of
from .vectorizer import hold_budget

_TABLE = "remade"
_RENEWALS = 3  # of a lease before it would end


class Reembedding:
    """Makes vectors for another embedder through a queue of the ledger, that a killed process leaves to the next one.

    Until all are made, the store answers by the old ones, and what is added meanwhile has both.
    """

    def __init__(
        self,
        ledger: Ledger,
        meter: Meter,
        clock: Clock,
        settings: Settings,
        tell: Callable[[Event], None],
        text_of: Callable[[str, Mapping[str, Any]], str] | None = None,
    ) -> None:
        self.ledger = ledger
        self.meter = meter
        self.clock = clock
        self.settings = settings
        self.tell = tell
        self.claims = Claims(meter, settings.queue, settings.strategy, text_of)

    def run(self, embedder: Embedder) -> ReembedReport:
        """Make what is missing, each text tried once, and let the new vectors take over where none is."""
        desk = self._begun(embedder)
        while desk.goes_on:
            pipeline.run(desk, embedder, self.settings.queue.lease_seconds / _RENEWALS)
            self._conclude(desk)
        return desk.report

    async def arun(self, embedder: Embedder) -> ReembedReport:
        """Do the same without blocking the event loop."""
        desk = await pipeline.off_loop(self._begun, embedder)
        while desk.goes_on:
            await pipeline.arun(desk, embedder, self.settings.queue.lease_seconds / _RENEWALS)
            await pipeline.off_loop(self._conclude, desk)
        return desk.report

    def _begun(self, embedder: Embedder) -> _Desk:
        with self.ledger.reading() as db:
            if _holds(db, embedder):
                return _Desk(self, embedder, report=ReembedReport(finished=True), goes_on=False)
        self.ledger.write(lambda tx: remaking.begin(tx, embedder.name, embedder.dimensions))
        return _Desk(self, embedder)

    def _conclude(self, desk: _Desk) -> None:
        """Let the new vectors take over, if none is missing; what was added meanwhile may be."""
        flipped = self.ledger.write(lambda tx: self._flip(tx, desk.embedder.name))
        with self.ledger.reading() as db:
            finished = flipped or _holds(db, desk.embedder)  # by another process
            waiting = 0 if finished else remaking.left(db)
        desk.goes_on = not finished and desk.moved and not desk.todo.over
        desk.moved = desk.exhausted = False
        desk.report = replace(desk.report, finished=finished, waiting=waiting)
        if flipped:
            self.tell(Event("reembedded", {"texts": desk.report.embedded, "dead": desk.report.dead}))

    def _flip(self, tx: Transaction, name: str) -> bool:
        now = self.clock.now()
        if not remaking.flip(tx, name, now):
            return False
        tx.flush()
        for namespace in records.namespaces(tx.db):
            hold_budget(tx, self.meter, namespace, now)
        return True


@dataclass(slots=True)
class _Desk:
    """One run.

    Attributes:
        moved: something was done since the last look at whether all is.
        exhausted: since that look nothing was left to claim.
    """

    parts: Reembedding
    embedder: Embedder
    todo: Todo = field(default_factory=Todo)
    report: ReembedReport = field(default_factory=ReembedReport)
    goes_on: bool = True
    moved: bool = False
    exhausted: bool = False

    @property
    def over(self) -> bool:
        return self.todo.over

    def claim(self) -> Batch | None:
        if self.todo.over or self.exhausted:
            return None
        return self.parts.ledger.write(self._claim)

    def _claim(self, tx: Transaction) -> Batch | None:
        if records.meta(tx.db, "remaking") != self.embedder.name:  # another process finished it, or began another
            self.exhausted = True
            return None
        now = self.parts.clock.now()
        texts, tokens = self.parts.claims.limits_of(self.embedder)
        wanted = texts + len(self.todo.behind)
        found = remaking.candidates(tx, now, wanted, self.parts.claims.text_of(self.embedder))
        if not found:
            remaking.enlist(tx)
            found = remaking.candidates(tx, now, wanted, self.parts.claims.text_of(self.embedder))
        found = [claim for claim in found if claim.slot not in self.todo.tried][:texts]
        if not found:
            self.exhausted = True
            return None
        namespace = found[0].namespace
        found = found[:1] if found[0].attempts else [claim for claim in found if claim.namespace == namespace and not claim.attempts]
        taken, too_dear = self.parts.claims.affordable(found, self.parts.meter.tokens_left(tx.db, namespace, now), tokens)
        self.todo.passed_over(too_dear)
        if not taken:
            self.exhausted = True
            return None
        queue.lease(tx, taken, now + self.parts.settings.queue.lease_seconds, table=_TABLE)
        queue.charge(tx, taken, day_of(now))
        batch = Batch(tuple(taken), frozenset(), 0, 0.0, day_of(now))
        self.todo.took(batch)
        return batch

    def settle(self, batch: Batch, answer: Answer) -> None:
        if not batch.claims:
            return
        if isinstance(answer, EmbedderBusy):
            self.todo.over = True
            self._write(lambda tx: self._give_back(tx, batch, answer.tokens))
            self.report = replace(self.report, error=f"{type(answer).__name__}: {answer}"[:500])
        elif isinstance(answer, TextsRefused) and answer.refused.keys() <= set(range(len(batch.claims))) and answer.refused:
            self._refuse(batch, answer)
        elif isinstance(answer, Exception):
            self._fail(batch, answer)
        else:
            try:
                kept, dead = self.parts.ledger.write(lambda tx: self._keep(tx, batch, answer))
            except EmbedderMismatch:
                self.release(batch)
                raise
            self.moved = True
            self.parts.tell(Event("embedded", {"texts": kept, "namespace": batch.claims[0].namespace, "tokens": _paid(batch, answer)}))
            self.report = replace(self.report, embedded=self.report.embedded + kept, dead=self.report.dead + dead)

    def _keep(self, tx: Transaction, batch: Batch, answer: Embedded) -> tuple[int, int]:
        good = [place for place in range(len(batch.claims)) if place not in answer.refused]
        dead = sum(remaking.fail(tx, [batch.claims[place]], why[:500], 0) for place, why in answer.refused.items())
        blobs = [vectors.to_blob(answer.vectors[place]) for place in good]
        kept = remaking.keep(tx, [batch.claims[place] for place in good], blobs) if good else 0
        namespace = batch.claims[0].namespace
        queue.refund(tx, batch.claims, batch.day)
        queue.correct(tx, namespace, batch.day, _paid(batch, answer))
        tx.count(namespace, "embeddings_made", kept)
        return kept, dead

    def _refuse(self, batch: Batch, error: TextsRefused) -> None:
        def work(tx: Transaction) -> int:
            self._give_back(tx, batch)
            return sum(remaking.fail(tx, [batch.claims[place]], why[:500], 0) for place, why in error.refused.items())

        dead = self.parts.ledger.write(work)
        self.moved = True
        self.todo.again(claim for place, claim in enumerate(batch.claims) if place not in error.refused)
        self.report = replace(self.report, dead=self.report.dead + dead)

    def _fail(self, batch: Batch, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"[:500]

        def work(tx: Transaction) -> int:
            queue.refund(tx, batch.claims, batch.day)
            queue.correct(tx, batch.claims[0].namespace, batch.day, error.tokens if isinstance(error, EmbedderFailed) else 0)
            return remaking.fail(tx, batch.claims, text, self.parts.settings.queue.max_attempts)

        dead = self.parts.ledger.write(work)
        self.moved = self.moved or dead > 0
        self.todo.passed_over(batch.claims)
        self.report = replace(self.report, dead=self.report.dead + dead, error=text)

    def release(self, batch: Batch) -> None:
        self._write(lambda tx: self._give_back(tx, batch))

    def renew(self, batches: Sequence[Batch]) -> None:
        until = self.parts.clock.now() + self.parts.settings.queue.lease_seconds
        self._write(lambda tx: queue.renew(tx, [claim for batch in batches for claim in batch.claims], until, table=_TABLE))

    def _write(self, work: Callable[[Transaction], None]) -> None:
        self.parts.ledger.write(work)

    @staticmethod
    def _give_back(tx: Transaction, batch: Batch, paid: int = 0) -> None:
        queue.refund(tx, batch.claims, batch.day)
        queue.release(tx, batch.claims, table=_TABLE)
        if batch.claims and paid:
            queue.correct(tx, batch.claims[0].namespace, batch.day, paid)


def _holds(db: sqlite3.Connection, embedder: Embedder) -> bool:
    """Tell whether the store's vectors are an embedder's."""
    name, dimensions = records.meta(db, "embedder"), records.meta(db, "dimensions")
    return name == embedder.name and embedder.dimensions in (None, dimensions)


def _paid(batch: Batch, answer: Embedded) -> int:
    """Return the tokens paid for a batch, estimated where the embedder keeps no account."""
    return sum(claim.tokens for claim in batch.claims) if answer.tokens is None else answer.tokens
