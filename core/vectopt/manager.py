"""VectorManager: opens the ledger, wires the three flows, closes. Judgement and effects are elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from .archive import ArchiveTarget, open_target
from .archiving import Archivist
from .capacity import Keeper
from .clock import SystemClock
from .demand import Demand
from .echoes import Echoes
from .elsewhere import Elsewhere
from .errors import EmbedderMismatch, InvalidSettings, StoreError
from .face.across import Across
from .face.archiving import Archiving
from .face.async_twin import off_loop
from .face.changing import Changing
from .face.compressing import Compressing
from .face.examining import Examining
from .face.items import Items
from .face.keeping import Keeping
from .face.reconciling import Reconciling
from .face.shelving import Shelving
from .face.telling import Telling
from .intake import Intake
from .judging import Judging
from .ledger import Ledger, records
from .merging import Merging
from .meter import Meter
from .model import DrainReport, Event
from .observers import LoggingObserver
from .outreach import Outreach
from .outside import attached
from .protocols import Clock, Embedder, VectorStore
from .querying import QueryEmbedder
from .reconciling import Reconciler
from .reembedding import Reembedding
from .retrieval import Retrieval
from .settings import Budget, Settings
from .shipping import Shipping
from .turns import Turns
from .upkeep import Upkeep, Worker
from .validation import checked_namespace
from .vectorizer import Vectorizer


class VectorManager(Changing, Items, Across, Shelving, Keeping, Compressing, Archiving, Examining, Reconciling, Telling):
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
        archive: where archived items go: a folder, a URL such as "s3://bucket/prefix", or an ArchiveTarget.
        settings: everything else.
        text_of: what is to be embedded for an item, of its text and its metadata; by default what the embedder's own `text_of`
            says, and where it has none, the text.
        store: where persistent vectors go, beside or instead of the file; closing it stays yours.

    Raises:
        StoreError: the file can't be used; the subclass says why.
        EmbedderMismatch: the file holds vectors of another embedder.
        OutsideMismatch: the file's vectors are in another store.
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
        archive: str | os.PathLike[str] | ArchiveTarget | None = None,
        settings: Settings = Settings(),  # noqa: B008 - frozen
        text_of: Callable[[str, Mapping[str, Any]], str] | None = None,
        store: VectorStore | None = None,
    ) -> None:
        budgets = _checked(embedder, budget, namespace_budgets, clock, settings, text_of)
        target = None if archive is None else open_target(archive)
        self.settings = settings
        self.budget = budget
        self.namespace = checked_namespace(namespace, settings)
        self._given = {
            "embedder": embedder,
            "budget": budget,
            "namespace_budgets": budgets,
            "namespace": namespace,
            "clock": clock,
            "archive": archive,
            "settings": settings,
            "text_of": text_of,
            "store": store,
        }
        self._clock = clock or SystemClock()
        self._observer = settings.observer or LoggingObserver()
        self._ledger = Ledger(
            path,
            busy_seconds=settings.busy_seconds,
            storage=settings.storage,
            merging=settings.merging,
            ageing_seconds=settings.queue.ageing_seconds,
            tell=self._tell,
        )
        try:
            self._check_space(embedder)
            beyond = None if store is None else attached(self._ledger, store)
        except BaseException:
            self._ledger.close()
            raise
        turns = Turns(_processors())
        echoes = Echoes(settings.strategy.echo_guard)
        self._outreach = None if beyond is None else Outreach(beyond, settings.outside, self._tell)
        elsewhere = None if self._outreach is None else Elsewhere(self._outreach)
        self._retrieval = Retrieval(self._ledger, settings, turns, echoes, self._clock, self._tell, elsewhere)
        held_back = settings.demand.held_back if settings.demand.texts else 0.0
        price = _price(settings, embedder)
        self._meter = Meter(self._ledger, budget, budgets, price, lambda: self._retrieval.ram_bytes, held_back)
        self._vectorizer = Vectorizer(self._ledger, embedder, self._meter, self._clock, settings, self._tell, text_of)
        judging = Judging(self._ledger, self._meter, self._clock, settings, echoes, lambda: self.embedder, self._tell)
        self._intake = Intake(self._ledger, self._meter, self._clock, settings, turns, judging)
        self._shipping = None if beyond is None else Shipping(self._ledger, beyond, self._clock, settings.outside, self._tell)
        self._upkeep = Upkeep(self._ledger, self._vectorizer, self._meter, self._clock, settings, self._shipping)
        self._reconciler = None if beyond is None else Reconciler(self._ledger, beyond, self._clock)
        self._demand = Demand(self._ledger, self._retrieval, self._vectorizer, self._meter, self._clock, settings)
        self._merging = Merging(self._ledger, self._clock, settings.merging.similarity)
        near_duplicates = settings.merging.near_duplicates
        self._archivist = Archivist(
            self._ledger,
            target,
            self._meter,
            self._clock,
            self._tell,
            self._outreach,
            near_duplicates=near_duplicates,
            between=turns.give_way,
        )
        self._keeper = Keeper(self._ledger, self._meter, self._archivist, self._upkeep, self._merging, self._clock, settings, self._tell)
        self._reembedding = Reembedding(self._ledger, self._meter, self._clock, settings, self._tell, text_of)
        self._worker = Worker(self._work, self._upkeep.pause, settings.queue.upkeep_seconds, self._tell)
        self._queries = QueryEmbedder(embedder, self._tell)

    def _shelf(self) -> VectorManager:
        return VectorManager(settings=self.settings)

    @property
    def path(self) -> str:
        """The store's file."""
        return str(self._ledger.path)

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._ledger.closed

    def _check_space(self, embedder: Embedder | None) -> None:
        with self._ledger.reading() as db:
            name, dimensions = records.meta(db, "embedder"), records.meta(db, "dimensions")
        if embedder is None:
            return
        if name is not None and name != embedder.name:
            known = f"the store was made with the embedder {name!r}, not {embedder.name!r}"
            raise EmbedderMismatch(f"{known}; open it with that one, or with none and call reembed()")
        if dimensions is not None and embedder.dimensions not in (None, dimensions):
            raise EmbedderMismatch(f"the store's vectors have {dimensions} dimensions, the embedder's {embedder.dimensions}; see reembed()")

    def _work(self) -> DrainReport:
        self._retrieval.save_found()
        self._retrieval.save_index()
        return self._upkeep.drain(self._vectorizer.step_texts, due_only=True)

    def start(self) -> None:
        """Start the worker: a thread that drains whenever something is added, and looks after the temp tier."""
        self._ledger.check()
        self._worker.start()
        self._worker.wake()

    def stop(self) -> None:
        """Stop the worker after the calls under way; what is queued stays queued."""
        self._vectorizer.quitting = True
        try:
            self._worker.stop()
        finally:
            self._vectorizer.quitting = False

    def close(self) -> None:
        """Stop the worker and close the file; a temporary store is removed. Closing twice is no error."""
        if self._ledger.closed or self._ledger.forked:
            return
        self.stop()
        try:
            self._retrieval.save_found(all=True)
            self._retrieval.save_index()
            self._intake.save()
            self._upkeep.tidy()
        except StoreError as error:  # counts and what can be learned again: no reason to keep the file open
            self._tell(Event("not_saved", {"error": str(error)}))
        finally:
            self._ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    def __reduce__(self) -> tuple[Any, ...]:
        """Let another process open the same file in the same way. A temporary store is there as long as it is open here."""
        return _opened, (self.path, {**self._given, "embedder": self.embedder})  # which may be another by now

    astart = off_loop(start)
    astop = off_loop(stop)
    aclose = off_loop(close)


def _opened(path: str, given: dict[str, Any]) -> VectorManager:
    """Return what was pickled, opened anew."""
    return VectorManager(path, **given)


def _processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _price(settings: Settings, embedder: object) -> float | None:
    """Return what a million tokens cost: as the settings say, else the embedder."""
    return settings.price_per_million_tokens or getattr(embedder, "price_per_million_tokens", None)


def _checked(
    embedder: object, budget: object, namespace_budgets: object, clock: object, settings: object, text_of: object
) -> dict[str, Budget]:
    """Return the namespaces' budgets; raises InvalidSettings for an argument of the wrong kind, before a file is touched."""
    if not isinstance(settings, Settings):
        raise InvalidSettings(f"settings must be a Settings; got {settings!r}")
    if embedder is not None and not isinstance(embedder, Embedder):
        raise InvalidSettings(f"embedder must have name, dimensions and embed(texts, role); got {embedder!r}")
    if clock is not None and not callable(getattr(clock, "now", None)):
        raise InvalidSettings(f"clock must have now(); got {clock!r}")
    if namespace_budgets is not None and not isinstance(namespace_budgets, Mapping):
        raise InvalidSettings(f"namespace_budgets must map names to Budgets; got {namespace_budgets!r}")
    if text_of is not None and not callable(text_of):
        raise InvalidSettings(f"text_of must be a function of a text and its metadata; got {text_of!r}")
    budgets = dict(namespace_budgets or {})
    for name, one in (("budget", budget), *((f"namespace_budgets[{key!r}]", value) for key, value in budgets.items())):
        if not isinstance(one, Budget):
            raise InvalidSettings(f"{name} must be a Budget; got {one!r}")
        if one.max_cost_per_day is not None and _price(settings, embedder) is None:
            raise InvalidSettings(f"{name}: max_cost_per_day needs Settings(price_per_million_tokens=...), or an embedder with a price")
    for name, one in budgets.items():
        checked_namespace(name, settings)
        if one.max_bytes is not None or one.max_ram_bytes is not None:
            raise InvalidSettings(f"namespace_budgets[{name!r}]: max_bytes and max_ram_bytes are the whole store's; use max_vector_bytes")
    return budgets
