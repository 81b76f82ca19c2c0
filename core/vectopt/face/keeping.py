"""Looking after the queue and the temp tier."""

from __future__ import annotations

import asyncio

from ..errors import InvalidSettings
from ..ledger import items, queue, temp
from ..model import DeadLetter, DrainReport, ReembedReport
from ..protocols import Embedder
from ..querying import QueryEmbedder
from ..validation import checked_ids, checked_k
from .async_twin import off_loop
from .parts import Parts


class Keeping(Parts):
    """What is done on the side, when the caller says so."""

    def promote_temp_vector(self, temp_id: str, *, namespace: str | None = None) -> str | None:
        """Make a temp vector persistent; return its id, or None where there is no such temp vector."""
        name, now = self._own(namespace), self._clock.now()
        wanted = checked_ids([temp_id], "temp_id")
        self._retrieval.save_found()
        with self._ledger.reading() as db:
            slot = items.slot_of(db, name, wanted[0]) if wanted else None
        if slot is None or not self._ledger.write(lambda tx: temp.promote(tx, slot, "promoted by the caller", now)):
            return None
        return temp_id

    def drain(self, limit: int | None = None) -> DrainReport:
        """Do all that waits, now: delete items whose time is over, promote and expire temp vectors, embed what is queued.

        Each text is tried once.

        Args:
            limit: embed this many texts at the most.

        Raises:
            EmbedderMismatch: the embedder's vectors don't fit this store's.
        """
        self._retrieval.save_found()
        report = self._upkeep.drain(limit if limit is None else checked_k(limit, "limit"))
        self._intake.save()
        return report

    async def adrain(self, limit: int | None = None) -> DrainReport:
        """Do the same as `drain` without blocking the event loop."""
        await asyncio.to_thread(self._retrieval.save_found)
        report = await self._upkeep.adrain(limit if limit is None else checked_k(limit, "limit"))
        await asyncio.to_thread(self._intake.save)
        return report

    def delete_expired(self) -> dict[str, list[str]]:
        """Delete the items whose own time is over, of all namespaces; return their ids by namespace.

        No call gives them out any more, deleted or not: this makes room.
        """
        deleted: dict[str, list[str]] = {}
        for namespace, id in self._upkeep.delete_expired():
            deleted.setdefault(namespace, []).append(id)
        return deleted

    def dead_letters(self, *, namespace: str | None = None) -> list[DeadLetter]:
        """Return the texts whose embedding failed for good, of one namespace or, for None, of all. They stay findable by words."""
        with self._ledger.reading() as db:
            return queue.dead_letters(db, None if namespace is None else self._own(namespace))

    def retry_dead_letters(self, *, namespace: str | None = None) -> int:
        """Queue the dead letters again; return how many."""
        name = None if namespace is None else self._own(namespace)
        retried = self._ledger.write(lambda tx: queue.retry_dead(tx, name))
        if retried:
            self._worker.wake()
        return retried

    def reembed(self, embedder: Embedder) -> ReembedReport:
        """Give every text that has a vector, or the sketch of one, another embedder's; then search by those.

        They are made beside the old ones, which answer until the last new one is there: spaces are never mixed. Texts may be added and
        deleted meanwhile. What is done is durable: after a kill, a failure or the end of the day's tokens, call it again, or open the
        store with the old embedder or none and do so, and it goes on. Callers' own vectors are replaced, too. Every text is paid for.

        Args:
            embedder: the new one. Once all is done, the manager works with it; other processes must open the store anew with it.

        Raises:
            InvalidSettings: that is no embedder.
            EmbedderMismatch: its vectors are not all of the same dimensions.
        """
        return self._taken_over(embedder, self._reembedding.run(self._priced(embedder)))

    async def areembed(self, embedder: Embedder) -> ReembedReport:
        """Do the same as `reembed` without blocking the event loop."""
        return self._taken_over(embedder, await self._reembedding.arun(self._priced(embedder)))

    def _priced(self, embedder: Embedder) -> Embedder:
        """Return the embedder, checked; from now on its price counts, where it has one."""
        if not isinstance(embedder, Embedder):
            raise InvalidSettings(f"embedder must have name, dimensions and embed(texts, role); got {embedder!r}")
        price = self.settings.price_per_million_tokens or getattr(embedder, "price_per_million_tokens", None)
        self._meter.price = price or self._meter.price
        return embedder

    def _taken_over(self, embedder: Embedder, report: ReembedReport) -> ReembedReport:
        if report.finished:
            self._vectorizer.take(embedder)
            self._queries = QueryEmbedder(embedder, self._tell)
            self._worker.wake()
        return report

    apromote_temp_vector = off_loop(promote_temp_vector)
    adelete_expired = off_loop(delete_expired)
    adead_letters = off_loop(dead_letters)
    aretry_dead_letters = off_loop(retry_dead_letters)
