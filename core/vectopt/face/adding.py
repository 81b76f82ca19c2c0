"""Adding texts: by the rules to the letter, or while there is room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from ..errors import CapacityExceeded, EmbedderMismatch, InvalidInput, VectoptError
from ..intake import COUNTER, Taken, status_of
from ..judging import Route
from ..ledger import items
from ..model import DrainReport, Item, Priority, ProcessResult, Status
from .parts import Parts

_TRIES = 8  # at making room, since others may take it

T = TypeVar("T")


class Adding(Parts):
    """How texts come in."""

    def process_content(
        self,
        content: str,
        metadata: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,
        namespace: str | None = None,
        priority: Priority | str | None = None,
    ) -> ProcessResult:
        """Take a text in by the specification's rules, exactly; never raises for a bad one, but answers `status="error"`."""
        try:
            name, taken = self._process(content, metadata, id, namespace, priority)
            error = self._embed(name, taken)
            return replace(self._processed(name, taken), error=None if error is None else str(error))
        except VectoptError as error:
            return self._skipped(error, namespace)

    async def aprocess_content(
        self,
        content: str,
        metadata: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,
        namespace: str | None = None,
        priority: Priority | str | None = None,
    ) -> ProcessResult:
        """Do the same as `process_content` without blocking the event loop."""
        try:
            name, taken = await asyncio.to_thread(self._process, content, metadata, id, namespace, priority)
            error = await self._aembed(name, taken)
            return replace(await asyncio.to_thread(self._processed, name, taken), error=None if error is None else str(error))
        except VectoptError as error:
            return await asyncio.to_thread(self._skipped, error, namespace)

    def _process(
        self, content: str, metadata: Mapping[str, Any] | None, id: str | None, namespace: str | None, priority: Any
    ) -> tuple[str, Taken]:
        name = self._own(namespace)
        item = Item(content, {} if metadata is None else metadata, id, priority=priority)
        return name, self._take([item], name, Route(by_rules_only=True, embed="decided"))

    def _take(self, given: Iterable[Item | Mapping[str, Any] | str], namespace: str, route: Route) -> Taken:
        """Take texts in; where the file's budget has no room for them, others leave first."""
        several = list(given) if isinstance(given, Iterator) else given  # it may be gone through twice
        return self._with_room(lambda: self._intake.take(several, namespace, route))

    def _with_room(self, take: Callable[[], T]) -> T:
        """Take something in; where the file's budget has no room for it, others leave first."""
        for last in range(_TRIES, -1, -1):
            try:
                return take()
            except CapacityExceeded as error:
                if not last or not error.needed_bytes or not self._keeper.make_room(error.needed_bytes, self.settings.capacity):
                    raise
        raise AssertionError

    def _embed(self, namespace: str, taken: Taken) -> EmbedderMismatch | None:
        """Have embedded what is to be embedded now; return what is wrong with the embedder, if that is so."""
        try:
            report = self._vectorizer.run(taken.embed_now)
        except EmbedderMismatch as error:
            self._intake.correct_counts(namespace, taken)
            return error
        self._finished(namespace, taken, report)
        return None

    async def _aembed(self, namespace: str, taken: Taken) -> EmbedderMismatch | None:
        try:
            report = await self._vectorizer.arun(taken.embed_now)
        except EmbedderMismatch as error:
            await asyncio.to_thread(self._intake.correct_counts, namespace, taken)
            return error
        await asyncio.to_thread(self._finished, namespace, taken, report)
        return None

    def _finished(self, namespace: str, taken: Taken, report: DrainReport) -> None:
        self._worker.wake()
        if report.embedded < len(taken.embed_now):
            self._intake.correct_counts(namespace, taken)

    def _processed(self, namespace: str, taken: Taken) -> ProcessResult:
        placed, decision = taken.placed[0], taken.decisions[0]
        with self._ledger.reading() as db:
            stored = items.get(db, namespace, [placed.id], self._clock.now())
        status = status_of(stored[0].tier if stored else placed.tier)
        return ProcessResult(
            status=status,
            id=placed.id,
            cache_key=placed.id,
            vector_id=placed.id if status is Status.VECTORIZED else None,
            temp_vector_id=placed.id if status is Status.TEMP_VECTORIZED else None,
            priority=decision.priority if status is Status.QUEUED else None,
            strategy=decision,
            duplicate_of=placed.duplicate_of,
        )

    def _skipped(self, error: VectoptError, namespace: str | None) -> ProcessResult:
        with suppress(VectoptError):  # counted where it can be: the store itself may be the trouble
            try:
                name = self._own(namespace)
            except InvalidInput:
                name = self.namespace
            self._ledger.write(lambda tx: tx.count(name, COUNTER[Status.ERROR]))
        return ProcessResult(Status.ERROR, error=str(error))

    def add(self, given: Iterable[Item | Mapping[str, Any] | str], *, namespace: str | None = None, wait: bool = False) -> list[str]:
        """Store items, all or none, and return their ids. An existing id is replaced. They can be found at once.

        While there is room, every text is embedded in the end: those that the rules want at once now, the others by
        `drain()` or the worker. Under a limited budget, texts that equal an earlier one but for digits borrow its vector.

        Args:
            given: items, dictionaries with an item's fields, or texts.
            namespace: theirs.
            wait: embed all of them before returning, and do a bounded piece of what else waits; a running worker is trusted
                to do all that soon instead.

        Raises:
            InvalidItem, InvalidVector, CapacityExceeded: nothing was stored.
            EmbedderMismatch: the items are stored and wait in the queue; the embedder's vectors don't fit this store's.
        """
        name = self._own(namespace)
        taken = self._take(given, name, self._route(wait))
        error = self._embed(name, taken)
        return self._added(taken, error, wait)

    async def aadd(self, given: Iterable[Item | Mapping[str, Any] | str], *, namespace: str | None = None, wait: bool = False) -> list[str]:
        """Do the same as `add` without blocking the event loop."""
        name = self._own(namespace)
        taken = await asyncio.to_thread(self._take, given, name, self._route(wait))
        error = await self._aembed(name, taken)
        return await asyncio.to_thread(self._added, taken, error, wait)

    def _route(self, wait: bool) -> Route:
        return Route(by_rules_only=False, embed="none" if self._worker.running else "all" if wait else "decided")

    def _added(self, taken: Taken, error: EmbedderMismatch | None, wait: bool) -> list[str]:
        if error is not None:
            raise EmbedderMismatch(f"{error} What was added is stored, and waits in the queue.") from error
        if wait and not self._worker.running and self._upkeep.due:  # nobody else may ever come by
            self._retrieval.save_found()
            self._upkeep.step()
        return [placed.id for placed in taken.placed]

    upsert = add
    aupsert = aadd
