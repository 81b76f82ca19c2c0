"""VectorManager: opens the ledger, wires the three flows, closes. Judgement and effects are elsewhere."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from .async_face import off_loop
from .clock import SystemClock
from .embedding.checked import checked_vector
from .errors import EmbedderMismatch, InvalidQuery, InvalidSettings, NoEmbedder, NotFound, VectoptError
from .filters import Predicate, compiled
from .intake import COUNTER, Intake, Route, Taken, status_of
from .ledger import Ledger, items, queue, records, temp
from .meter import Meter
from .model import (
    DeadLetter,
    DrainReport,
    Event,
    Explanation,
    Filter,
    Hit,
    Item,
    Priority,
    ProcessResult,
    Stats,
    Status,
    StoredItem,
    Tier,
    Vector,
    WhyNot,
)  # fmt: skip
from .observers import LoggingObserver
from .protocols import Clock, Embedder
from .querying import QueryEmbedder
from .retrieval import Ask, Mode, Retrieval
from .settings import Budget, Settings
from .strategy import day_of
from .upkeep import Upkeep, Worker
from .validation import checked_ids, checked_k, checked_mode, checked_namespace, checked_query, checked_share, checked_tiers
from .vectorizer import Vectorizer

Filters = Mapping[str, Any] | Filter | Predicate
Query = str | Sequence[float] | Vector


class VectorManager:
    """A vector store that decides what deserves an embedding, and keeps everything findable.

    Thread-safe; several processes may share a file. Every method has an `a`-prefixed twin that never blocks the event
    loop. Nothing runs in the background before `start()`.

    Args:
        path: of the store's file, made if it is missing; None for a private temporary one, removed at close.
        embedder: turns texts into vectors; without one, texts wait in the queue and are found by their words.
        budget: what the whole store may use.
        namespace_budgets: what single namespaces may use besides.
        namespace: where items go and are looked for when a call names none.
        clock: tells the time.
        settings: everything else.

    Raises:
        StoreError: the file can't be used; the subclass says why.
        EmbedderMismatch: the file holds vectors of another embedder.
        InvalidSettings: a budget in money without a price.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        embedder: Embedder | None = None,
        budget: Budget = Budget(),  # noqa: B008 - frozen
        namespace_budgets: Mapping[str, Budget] | None = None,
        namespace: str = "default",
        clock: Clock | None = None,
        settings: Settings = Settings(),  # noqa: B008 - frozen
    ) -> None:
        budgets = dict(namespace_budgets or {})
        for name, one in (("budget", budget), *budgets.items()):
            if one.max_cost_per_day is not None and settings.price_per_million_tokens is None:
                raise InvalidSettings(f"{name}: max_cost_per_day needs Settings(price_per_million_tokens=...)")
        self.settings = settings
        self.budget = budget
        self.namespace = checked_namespace(namespace, settings)
        self._clock = clock or SystemClock()
        self._observer = settings.observer or LoggingObserver()
        self._ledger = Ledger(path, busy_seconds=settings.busy_seconds)
        try:
            self._check_space(embedder)
        except BaseException:
            self._ledger.close()
            raise
        self._retrieval = Retrieval(self._ledger, settings)
        self._meter = Meter(self._ledger, budget, budgets, settings.price_per_million_tokens, lambda: self._retrieval.ram_bytes)
        self._vectorizer = Vectorizer(self._ledger, embedder, self._meter, self._clock, settings, self._tell)
        self._intake = Intake(self._ledger, self._meter, self._clock, settings, lambda: embedder is not None)
        self._upkeep = Upkeep(self._ledger, self._vectorizer, self._meter, self._clock, settings)
        self._worker = Worker(self._work, settings.queue.upkeep_seconds, self._tell)
        self._queries = QueryEmbedder(embedder, self._tell)

    @property
    def path(self) -> str:
        """The store's file."""
        return str(self._ledger.path)

    @property
    def embedder(self) -> Embedder | None:
        """What turns texts into vectors."""
        return self._vectorizer.embedder

    def _check_space(self, embedder: Embedder | None) -> None:
        with self._ledger.reading() as db:
            name, dimensions = records.meta(db, "embedder"), records.meta(db, "dimensions")
        if embedder is None:
            return
        if name is not None and name != embedder.name:
            raise EmbedderMismatch(f"the store was made with the embedder {name!r}, not {embedder.name!r}; open it with that one")
        if dimensions is not None and embedder.dimensions not in (None, dimensions):
            raise EmbedderMismatch(f"the store's vectors have {dimensions} dimensions, the embedder's {embedder.dimensions}")

    def _tell(self, event: Event) -> None:
        self._observer.notify(event)

    def _own(self, namespace: str | None) -> str:
        return self.namespace if namespace is None else checked_namespace(namespace, self.settings)

    # --- intake

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
            self._vectorizer.run(taken.embed_now)
            return self._processed(name, taken)
        except VectoptError as error:
            return self._skipped(error)

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
            await self._vectorizer.arun(taken.embed_now)
            return await asyncio.to_thread(self._processed, name, taken)
        except VectoptError as error:
            return await asyncio.to_thread(self._skipped, error)

    def _process(
        self, content: str, metadata: Mapping[str, Any] | None, id: str | None, namespace: str | None, priority: Any
    ) -> tuple[str, Taken]:
        name = self._own(namespace)
        item = Item(content, {} if metadata is None else metadata, id, priority=priority)
        return name, self._intake.take([item], name, Route(by_rules_only=True, embed="decided"))

    def _processed(self, namespace: str, taken: Taken) -> ProcessResult:
        placed, decision = taken.placed[0], taken.decisions[0]
        with self._ledger.reading() as db:
            stored = items.get(db, namespace, [placed.id])
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

    def _skipped(self, error: VectoptError) -> ProcessResult:
        if not self._ledger.closed:
            self._ledger.write(lambda tx: tx.count(self.namespace, COUNTER[Status.ERROR]))
        return ProcessResult(Status.ERROR, error=str(error))

    def add(self, given: Iterable[Item | Mapping[str, Any] | str], *, namespace: str | None = None, wait: bool = False) -> list[str]:
        """Store items, all or none, and return their ids. An existing id is replaced. They can be found at once.

        While there is room, every text is embedded in the end: those that the rules want at once now, the others by
        `drain()` or the worker.

        Args:
            given: items, dictionaries with an item's fields, or texts.
            namespace: theirs.
            wait: embed all of them before returning; a running worker is trusted to do it soon instead.

        Raises:
            InvalidItem, InvalidVector, CapacityExceeded: nothing was stored.
        """
        taken = self._intake.take(given, self._own(namespace), self._route(wait))
        self._vectorizer.run(taken.embed_now)
        return self._added(taken)

    async def aadd(self, given: Iterable[Item | Mapping[str, Any] | str], *, namespace: str | None = None, wait: bool = False) -> list[str]:
        """Do the same as `add` without blocking the event loop."""
        taken = await asyncio.to_thread(self._intake.take, given, self._own(namespace), self._route(wait))
        await self._vectorizer.arun(taken.embed_now)
        return self._added(taken)

    def _route(self, wait: bool) -> Route:
        return Route(by_rules_only=False, embed="none" if self._worker.running else "all" if wait else "decided")

    def _added(self, taken: Taken) -> list[str]:
        if self._worker.running:
            self._worker.wake()
        return [placed.id for placed in taken.placed]

    upsert = add
    aupsert = aadd

    # --- items

    def get(self, ids: Sequence[str], *, namespace: str | None = None, with_vectors: bool = False) -> list[StoredItem]:
        """Return the items that exist, in the order of the ids."""
        wanted, name = checked_ids(ids), self._own(namespace)
        with self._ledger.reading() as db:
            return items.get(db, name, wanted, with_vector=with_vectors)

    def scan(self, *, namespace: str | None = None, filter: Filters | None = None) -> list[StoredItem]:
        """Return every item of a namespace that passes the filter, in the order of adding."""
        name, passes = self._own(namespace), compiled(filter)
        with self._ledger.reading() as db:
            return [item for item in items.scan(db, name) if passes is None or passes(item)]

    def delete(self, ids: Sequence[str], *, namespace: str | None = None) -> int:
        """Delete items from every tier; unknown ids are no error. Return how many there were."""
        wanted, name = checked_ids(ids), self._own(namespace)
        return self._ledger.write(lambda tx: items.delete(tx, name, wanted)) if wanted else 0

    def delete_all(self, *, namespace: str | None = None) -> int:
        """Delete every item of one namespace; return how many there were."""
        name = self._own(namespace)
        return self._ledger.write(lambda tx: items.delete_all(tx, name))

    # --- retrieval

    def search(
        self,
        query_or_vector: Query,
        k: int = 4,
        *,
        namespace: str | None = None,
        filter: Filters | None = None,
        tiers: Iterable[Tier | str] | None = None,
        mode: Mode = "hybrid",
        collapse_duplicates: bool = True,
        text: str | None = None,
        lexical_weight: float | None = None,
    ) -> list[Hit]:
        """Return the k best items of all tiers, best first; k of them whenever k exist.

        Args:
            query_or_vector: a text, or a vector of shape (dimensions,); by vector the mode is "dense".
            k: how many.
            namespace: where to look.
            filter: a Mongo-style dictionary on the metadata, a `Filter`, or a function of an item.
            tiers: look in these only.
            mode: "hybrid" fuses words and vectors; "dense" ranks by cosine, texts without a vector last; "lexical"
                gives only texts that share a word with the query.
            collapse_duplicates: give exact copies of a text one place; its first item that passes the filter stands for them.
            text: the query's words, where `query_or_vector` is its vector: so that a hybrid search embeds nothing.
            lexical_weight: the share of the words in a hybrid score, 0..1, instead of the namespace's own.

        Raises:
            InvalidQuery, InvalidVector, InvalidFilter: nothing was searched.
            EmbedderFailed: the query could not be embedded, in dense mode; in hybrid mode words alone answer then.
        """
        ask = self._ask(query_or_vector, k, namespace, filter, tiers, mode, collapse_duplicates, text, lexical_weight)
        return self._retrieval.search(self._queries.embedded(ask))

    async def asearch(
        self,
        query_or_vector: Query,
        k: int = 4,
        *,
        namespace: str | None = None,
        filter: Filters | None = None,
        tiers: Iterable[Tier | str] | None = None,
        mode: Mode = "hybrid",
        collapse_duplicates: bool = True,
        text: str | None = None,
        lexical_weight: float | None = None,
    ) -> list[Hit]:
        """Do the same as `search` without blocking the event loop."""
        ask = self._ask(query_or_vector, k, namespace, filter, tiers, mode, collapse_duplicates, text, lexical_weight)
        return await asyncio.to_thread(self._retrieval.search, await self._queries.aembedded(ask))

    def max_marginal_relevance(
        self,
        query_or_vector: Query,
        k: int = 4,
        *,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        namespace: str | None = None,
        filter: Filters | None = None,
        tiers: Iterable[Tier | str] | None = None,
    ) -> list[Hit]:
        """Return k of the `fetch_k` nearest items, chosen so that they don't repeat each other.

        Args:
            query_or_vector: as in `search`.
            k: how many.
            fetch_k: out of how many.
            lambda_mult: 1 is relevance alone, 0 is diversity alone.
            namespace: as in `search`.
            filter: as in `search`.
            tiers: as in `search`.
        """
        checked_k(k)
        ask = self._ask(query_or_vector, max(k, checked_k(fetch_k, "fetch_k")), namespace, filter, tiers, "dense", True)
        return self._retrieval.max_marginal_relevance(self._queries.embedded(ask), k, checked_share(lambda_mult, "lambda_mult"))

    async def amax_marginal_relevance(
        self,
        query_or_vector: Query,
        k: int = 4,
        *,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        namespace: str | None = None,
        filter: Filters | None = None,
        tiers: Iterable[Tier | str] | None = None,
    ) -> list[Hit]:
        """Do the same as `max_marginal_relevance` without blocking the event loop."""
        checked_k(k)
        ask = self._ask(query_or_vector, max(k, checked_k(fetch_k, "fetch_k")), namespace, filter, tiers, "dense", True)
        ready = await self._queries.aembedded(ask)
        return await asyncio.to_thread(self._retrieval.max_marginal_relevance, ready, k, checked_share(lambda_mult, "lambda_mult"))

    def _ask(
        self,
        query: Query,
        k: int,
        namespace: str | None,
        filter: Filters | None,
        tiers: Iterable[Tier | str] | None,
        mode: Any,
        collapse: bool,
        words: str | None = None,
        lexical_weight: float | None = None,
    ) -> Ask:
        given, vector = (query, None) if isinstance(query, str) else (words, checked_vector(query, None, "the query vector"))
        if vector is None and words is not None:
            raise InvalidQuery("text goes with a vector; the query is a text already")
        return Ask(
            text=None if given is None else checked_query(given),
            vector=vector,
            k=checked_k(k),
            namespace=self._own(namespace),
            mode=checked_mode(mode, by_vector=given is None),
            passes=compiled(filter),
            tiers=checked_tiers(tiers),
            collapse_duplicates=collapse,
            lexical_weight=None if lexical_weight is None else checked_share(lexical_weight, "lexical_weight"),
        )

    def feedback(self, query: str, useful_ids: Sequence[str], *, namespace: str | None = None) -> float:
        """Tell which items a query should have found; return the lexical weight the namespace now searches with.

        Raises:
            NoEmbedder: there is nothing to weigh words against.
        """
        if self.embedder is None:
            raise NoEmbedder
        ask = self._ask(query, 10, namespace, None, None, "hybrid", True)
        return self._retrieval.feedback(self._queries.embedded(ask), checked_ids(useful_ids, "useful_ids"))

    # --- the temp tier

    def search_temp_vectors(self, query_embedding: Sequence[float] | Vector, limit: int = 5, *, namespace: str | None = None) -> list[Hit]:
        """Return temp vectors with a cosine above `Settings.temp.similarity` to the query, best first."""
        ask = Ask(
            text=None,
            vector=checked_vector(query_embedding, None, "query_embedding"),
            k=checked_k(limit, "limit"),
            namespace=self._own(namespace),
            mode="dense",
            tiers=frozenset({Tier.TEMP}),
            above=self.settings.temp.similarity,
        )
        return self._retrieval.search(ask)

    def promote_temp_vector(self, temp_id: str, *, namespace: str | None = None) -> str | None:
        """Make a temp vector persistent; return its id, or None where there is no such temp vector."""
        name, now = self._own(namespace), self._clock.now()
        self._retrieval.flush_found()
        with self._ledger.reading() as db:
            slot = items.slot_of(db, name, temp_id)
        if slot is None or not self._ledger.write(lambda tx: temp.promote(tx, slot, "promoted by the caller", now)):
            return None
        return temp_id

    # --- upkeep

    def drain(self, limit: int | None = None) -> DrainReport:
        """Do all that waits, now: promote and expire temp vectors, embed what is queued. Each text is tried once.

        Args:
            limit: embed this many texts at the most.

        Raises:
            EmbedderMismatch: the embedder's vectors don't fit this store's.
        """
        self._retrieval.flush_found()
        report = self._upkeep.drain(limit if limit is None else checked_k(limit, "limit"))
        self._intake.save()
        return report

    async def adrain(self) -> DrainReport:
        """Do the same as `drain` without blocking the event loop."""
        await asyncio.to_thread(self._retrieval.flush_found)
        report = await self._upkeep.adrain()
        await asyncio.to_thread(self._intake.save)
        return report

    def _work(self) -> DrainReport:
        self._retrieval.flush_found()
        return self._upkeep.drain(self.settings.queue.batch_texts, due_only=True)

    def start(self) -> None:
        """Start the worker: a thread that drains whenever something is added, and looks after the temp tier."""
        self._ledger.check()
        self._worker.start()
        self._worker.wake()

    def stop(self) -> None:
        """Stop the worker after the batch in hand; what is queued stays queued."""
        self._worker.stop()

    def dead_letters(self, *, namespace: str | None = None) -> list[DeadLetter]:
        """Return the texts whose embedding failed for good, of one namespace or, for None, of all. They stay findable by words."""
        with self._ledger.reading() as db:
            return queue.dead_letters(db, None if namespace is None else self._own(namespace))

    def retry_dead_letters(self, *, namespace: str | None = None) -> int:
        """Queue the dead letters again; return how many."""
        name = None if namespace is None else self._own(namespace)
        return self._ledger.write(lambda tx: queue.retry_dead(tx, name))

    # --- telling

    def explain(self, id: str, *, namespace: str | None = None) -> Explanation:
        """Return why an item is where it is; raises NotFound."""
        name = self._own(namespace)
        with self._ledger.reading() as db:
            stored = items.get(db, name, checked_ids([id], "id"))
            history = records.history(db, name, id) if stored else None
        if not stored or history is None:
            raise NotFound(f"namespace {name!r} has no item {id!r}")
        item = stored[0]
        return Explanation(
            id=id,
            namespace=name,
            tier=item.tier,
            decision=history.decision,
            patterns=tuple(item.facts["patterns"]),
            history=history.moves,
            facts={**item.facts, **history.facts},
            duplicate_of=None if history.first == id else history.first,
        )

    def why_not(self, text: str, *, namespace: str | None = None) -> WhyNot:
        """Return what the rules would decide of a text now, and what it would meet. Nothing is stored."""
        return self._intake.why_not(checked_query(text), self._own(namespace))

    def stats(self, *, namespace: str | None = None) -> Stats:
        """Return the figures of one namespace, or for None of the whole store."""
        name = None if namespace is None else self._own(namespace)
        now = self._clock.now()
        with self._ledger.reading() as db:
            counts = records.counters(db, name)
            file_bytes = self._ledger.file_bytes(db)
            full = self._meter.utilisation(db, self.namespace if name is None else name, now)
            known = records.namespaces(db)
        return Stats(
            **{
                key: counts.get(key, 0)
                for key in ("total_processed", "items", "vectors", "vector_bytes", "embeddings_made", "embeddings_avoided")
            },
            **{key: counts.get(key, 0) for key in COUNTER.values()},
            items_per_tier={tier.value: counts.get(f"items.{tier}", 0) for tier in Tier},
            texts=counts.get("slots", 0),
            file_bytes=file_bytes,
            ram_bytes=self._retrieval.ram_bytes,
            tokens_embedded=counts.get("tokens", 0),
            tokens_today=counts.get(f"tokens@{day_of(now)}", 0),
            dead_letters=counts.get("dead", 0),
            utilisation=full,
            namespaces=known,
        )

    def close(self) -> None:
        """Stop the worker and close the file; a temporary store is removed. Closing twice is no error."""
        if self._ledger.closed:
            return
        self.stop()
        self._retrieval.flush_found()
        self._intake.save()
        self._ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    aget = off_loop(get)
    ascan = off_loop(scan)
    adelete = off_loop(delete)
    adelete_all = off_loop(delete_all)
    afeedback = off_loop(feedback)
    asearch_temp_vectors = off_loop(search_temp_vectors)
    apromote_temp_vector = off_loop(promote_temp_vector)
    astart = off_loop(start)
    astop = off_loop(stop)
    adead_letters = off_loop(dead_letters)
    aretry_dead_letters = off_loop(retry_dead_letters)
    aexplain = off_loop(explain)
    awhy_not = off_loop(why_not)
    astats = off_loop(stats)
    aclose = off_loop(close)
