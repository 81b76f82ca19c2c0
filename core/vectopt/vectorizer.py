"""From claimed queue places to vectors in the ledger: the one way in which texts are embedded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .embedding.checked import checked_vectors
from .errors import EmbedderMismatch
from .ledger import Ledger, Transaction, queue, records, vectors
from .meter import Meter
from .model import DrainReport, Event, Priority, Tier
from .protocols import Clock, Embedder
from .settings import Settings
from .strategy import admit, day_of

Answer = NDArray[np.float32] | Exception


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts claimed for one call of the embedder. `declined` were let go, since the budget holds better ones."""

    claims: tuple[queue.Claim, ...]
    sketched: frozenset[int]  # slots of which the budget will hold the sketch alone
    declined: int
    utilisation: float
    day: int  # whose tokens were charged

    @property
    def texts(self) -> list[str]:
        """The texts to embed."""
        return [claim.text for claim in self.claims]


class Vectorizer:
    """Claims queued texts, has them embedded, stores the vectors.

    The budget is asked before the embedder is paid, and held again in the transaction that stores: it is never
    exceeded, whoever else writes.
    """

    def __init__(
        self, ledger: Ledger, embedder: Embedder | None, meter: Meter, clock: Clock, settings: Settings, tell: Callable[[Event], None]
    ) -> None:
        self.embedder = embedder
        self._ledger = ledger
        self._meter = meter
        self._clock = clock
        self._settings = settings
        self._tell = tell
        self._full_told = False

    def run(
        self, slots: Sequence[int] | None = None, *, due_only: bool = False, limit: int | None = None, on_demand: bool = False
    ) -> DrainReport:
        """Embed what is queued: these slots, or everything that can be claimed. Failures are kept in the ledger.

        Raises:
            EmbedderMismatch: the embedder's vectors don't fit this store's.
        """
        report = DrainReport()
        todo = _Todo(slots, limit, on_demand)
        while self.embedder is not None and (batch := self.claim(todo, due_only=due_only)) is not None:
            try:
                answer = self._embed(batch.texts)
            except BaseException:  # interrupted: nobody's fault, and others need not wait for the lease
                self._release(batch)
                raise
            report += self.settle(batch, answer)
        return report

    async def arun(self, slots: Sequence[int] | None = None, *, limit: int | None = None, on_demand: bool = False) -> DrainReport:
        """Do the same as `run`; an embedder that can be awaited is, all else runs off the event loop."""
        report = DrainReport()
        todo = _Todo(slots, limit, on_demand)
        while self.embedder is not None and (batch := await self._aclaim(todo)) is not None:
            try:
                answer = await self._aembed(batch.texts)
            except BaseException:  # cancelled: as above
                await asyncio.shield(asyncio.to_thread(self._release, batch))
                raise
            report += await asyncio.to_thread(self.settle, batch, answer)
        return report

    async def _aclaim(self, todo: _Todo) -> Batch | None:
        claiming = asyncio.ensure_future(asyncio.to_thread(self.claim, todo))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            batch = await claiming  # it goes on in its thread: what it claims must be given back
            if batch is not None:
                await asyncio.to_thread(self._release, batch)
            raise

    def claim(self, todo: _Todo, *, due_only: bool = False) -> Batch | None:
        """Claim the next batch; None when there is nothing more to do."""
        if todo.done:
            return None
        batch = self._ledger.write(lambda tx: self._claim(tx, todo, due_only))
        if batch is not None:
            todo.took(batch)
        return batch

    def _claim(self, tx: Transaction, todo: _Todo, due_only: bool) -> Batch | None:
        limits, now = self._settings.queue, self._clock.now()
        affordable: list[queue.Claim] = []
        declined = 0
        while not affordable:
            # Those tried and failed may stand first in the queue again: look behind them.
            found = queue.candidates(
                tx,
                now,
                todo.batch(limits.batch_texts) + len(todo.tried),
                slots=todo.next_slots(limits.batch_texts),
                due_only=due_only,
                text_of=getattr(self.embedder, "text_of", None),
            )
            found = [claim for claim in found if claim.slot not in todo.tried][: todo.batch(limits.batch_texts)]
            if not found:
                return Batch((), frozenset(), declined, 0.0, day_of(now)) if declined else None
            namespace = found[0].namespace
            if found[0].attempts:
                found = found[:1]  # after a failure alone, so that one bad text fails by itself
            else:
                found = [claim for claim in found if claim.namespace == namespace and not claim.attempts]
            left = (self._meter.tokens_left if todo.on_demand else self._meter.tokens_to_write)(tx.db, namespace, now)
            affordable, too_dear = self._affordable(found, left)
            todo.tried.update(claim.slot for claim in too_dear)
            for claim in too_dear:
                if claim.tokens > self._meter.tokens_a_day(namespace):
                    declined += self._decline(tx, claim, "it takes more tokens than the budget has in a whole day; the text stays", now)
        welcome = self._welcome(tx, namespace, affordable)
        others = [claim for claim in affordable if claim.slot not in welcome]
        room = min(len(others), self._meter.sketch_room(tx.db, namespace))
        sketched = frozenset(claim.slot for claim in others[: int(room)])
        for claim in others:
            if claim.slot not in sketched:
                declined += self._decline(tx, claim, "the budget is full of vectors worth more; the text stays", now)
        claims = tuple(claim for claim in affordable if claim.slot in welcome or claim.slot in sketched)
        queue.lease(tx, claims, now + limits.lease_seconds)
        queue.charge(tx, claims, day_of(now))
        return Batch(claims, sketched, declined, self._meter.utilisation(tx.db, namespace, now), day_of(now))

    @staticmethod
    def _decline(tx: Transaction, claim: queue.Claim, reason: str, now: float) -> bool:
        queue.lease(tx, [claim], now)
        return queue.decline(tx, claim, reason, now)

    def _affordable(self, found: Sequence[queue.Claim], left_today: float) -> tuple[list[queue.Claim], list[queue.Claim]]:
        """Return the first claims that fit into one call, and those passed over since today's tokens don't suffice.

        A text too long for a call goes alone.
        """
        taken: list[queue.Claim] = []
        too_dear: list[queue.Claim] = []
        tokens = 0
        for claim in found:
            if tokens + claim.tokens > left_today:
                too_dear.append(claim)
            elif taken and tokens + claim.tokens > self._settings.queue.batch_tokens:
                break
            else:
                taken.append(claim)
                tokens += claim.tokens
        return taken, too_dear

    def _welcome(self, tx: Transaction, namespace: str, claims: Sequence[queue.Claim]) -> set[int]:
        """Return the slots whose vectors the budget will hold. The last of its room is not for the least pressing."""
        full = self._meter.fullest_of_vectors(tx.db, namespace) >= self._settings.strategy.room_utilisation
        full = full and self._meter.sketch_room(tx.db, namespace) > 0
        welcome = {claim.slot for claim in claims if not (full and claim.rank == Priority.LOW.rank and not claim.attempts)}
        worths = [claim.worth for claim in claims]
        for scope, room in self._meter.vector_room(tx.db, namespace):
            lowest = [worth for _, _, worth in vectors.lowest(tx.db, scope, len(claims))]
            verdicts = admit(worths, max(0, room), lowest)
            welcome &= {claim.slot for claim, verdict in zip(claims, verdicts, strict=True) if verdict}
        bytes_for = self._meter.byte_room(tx.db)
        if bytes_for < len(welcome):
            best = sorted((claim for claim in claims if claim.slot in welcome), key=lambda claim: -claim.worth)
            welcome = {claim.slot for claim in best[: int(bytes_for)]}
        return welcome

    def settle(self, batch: Batch, answer: Answer) -> DrainReport:
        """Store what the embedder answered, or what went wrong."""
        if not batch.claims:
            return DrainReport(declined=batch.declined)
        if isinstance(answer, Exception):
            return self._fail(batch, answer)
        try:
            embedded, displaced = self._ledger.write(lambda tx: self._store(tx, batch, answer))
        except EmbedderMismatch:
            self._release(batch)
            raise
        self._tell(Event("embedded", {"texts": embedded, "namespace": batch.claims[0].namespace}))
        if displaced and not self._full_told:
            self._full_told = True
            self._tell(Event("budget_full", {"namespace": batch.claims[0].namespace, "displaced": displaced}))
        return DrainReport(embedded=embedded, declined=batch.declined)

    def _release(self, batch: Batch) -> None:
        def work(tx: Transaction) -> None:
            queue.refund(tx, batch.claims, batch.day)
            queue.release(tx, batch.claims)

        self._ledger.write(work)

    def _store(self, tx: Transaction, batch: Batch, answer: NDArray[np.float32]) -> tuple[int, int]:
        now = self._clock.now()
        bind_space(tx, self.embedder, answer.shape[1])
        over = batch.utilisation > self._settings.strategy.drain_utilisation
        embedded = 0
        for claim, vector in zip(batch.claims, answer, strict=True):
            if claim.slot in batch.sketched:
                reason = "embedded; the budget holds vectors worth more, so its sketch stays"
                embedded += queue.finish_as_sketch(tx, claim, vectors.to_blob(vector), reason, now)
                continue
            tier = Tier.TEMP if over else claim.target
            reason = "embedded; the budget is nearly full, so for a while" if over and claim.target is not tier else "embedded"
            embedded += queue.finish(tx, claim, vectors.to_blob(vector), tier, reason, now)
        tx.flush()
        return embedded, hold_budget(tx, self._meter, batch.claims[0].namespace, now)

    def _fail(self, batch: Batch, error: Exception) -> DrainReport:
        limits, now = self._settings.queue, self._clock.now()
        text = f"{type(error).__name__}: {error}"[:500]

        def work(tx: Transaction) -> int:
            queue.refund(tx, batch.claims, batch.day)
            return queue.fail(tx, batch.claims, text, now, max_attempts=limits.max_attempts, backoff=limits.backoff_seconds)

        dead = self._ledger.write(work)
        told = {"namespace": batch.claims[0].namespace, "texts": len(batch.claims)}
        self._tell(Event("embedding_failed", {**told, "error": type(error).__name__, "dead": dead}))
        return DrainReport(failed=len(batch.claims), dead=dead, declined=batch.declined, error=text)

    def _embed(self, texts: Sequence[str]) -> Answer:
        assert self.embedder is not None
        if not texts:
            return np.empty((0, 1), np.float32)
        try:
            return checked_vectors(self.embedder.embed(texts, "document"), len(texts), self.embedder.dimensions)
        except Exception as error:  # an embedder may raise anything; the texts stay queued
            return error

    async def _aembed(self, texts: Sequence[str]) -> Answer:
        aembed = getattr(self.embedder, "aembed", None)
        if aembed is None or not texts:
            return await asyncio.to_thread(self._embed, texts)
        assert self.embedder is not None
        try:
            return checked_vectors(await aembed(texts, "document"), len(texts), self.embedder.dimensions)
        except Exception as error:  # as above
            return error


class _Todo:
    """Which slots a run is to embed, and which it has tried: each once a run, so that a run ends."""

    def __init__(self, slots: Sequence[int] | None, limit: int | None, on_demand: bool) -> None:
        self.on_demand = on_demand  # by a query, for which tokens are held back
        self._slots = None if slots is None else list(slots)
        self._left = limit
        self.tried: set[int] = set()

    @property
    def done(self) -> bool:
        return self._left == 0 or (self._slots is not None and all(slot in self.tried for slot in self._slots))

    def next_slots(self, count: int) -> list[int] | None:
        return None if self._slots is None else [slot for slot in self._slots if slot not in self.tried][:count]

    def batch(self, count: int) -> int:
        return count if self._left is None else min(count, self._left)

    def took(self, batch: Batch) -> None:
        self.tried.update(claim.slot for claim in batch.claims)
        if self._left is not None:
            self._left -= min(self._left, len(batch.claims))


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
