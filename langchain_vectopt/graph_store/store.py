"""VectorManager behind LangGraph's BaseStore interface. No decision, no ranking here: it translates."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from langchain_core.embeddings import Embeddings
from langgraph.store.base import BaseStore, IndexConfig, Op, Result, TTLConfig, ensure_embeddings

from vectopt import Budget, Clock, Embedder, Settings, VectorManager

from ..embedder import LangChainEmbedder
from ..lifetime import Lifetime
from .naming import ROOT
from .steps import arun, batch, run

_INDEX = {"dims", "embed", "fields", "text_fields", "distance_type"}
_TTL = {"refresh_on_read", "omit_expired", "default_ttl", "sweep_interval_minutes"}


class VectOptStore(Lifetime, BaseStore):
    """LangGraph's long-term memory in a store that keeps itself small.

    ```python
    store = VectOptStore("memory.db", index={"embed": embeddings, "fields": ["text"]}, ttl={"default_ttl": 60 * 24 * 30})
    store.put(("users", "ada"), "tea", {"text": "Ada likes her tea without milk"})
    store.search(("users", "ada"), query="what does she drink?")
    ```

    As `PostgresStore` and `SqliteStore` do, it lists what was changed last first, and answers a query by cosine; a value
    with several texts counts by its best one. Without an embedding, a query finds by words. Expired values are never given
    out, swept or not. Each path of labels is a namespace of the manager's, apart from all others, and is called
    `"langgraph:"` and the labels between dots: so documents may lie in the same file.

    Thread-safe; several processes may share a file. `abatch` and all the `a` methods never block the event loop.

    Args:
        path: the store's file; None for a private temporary one, removed at close.
        index: `embed`, embeddings, a function of texts, or an embedder of vectopt's; `dims`; `fields`, what of a value it is
            found by, ["$"] for the whole as JSON. Without `embed` values are found by their words.
        ttl: `default_ttl` in minutes; `refresh_on_read`. The others are needless: expired values are omitted at once, and
            deleted by the way, or by `start`'s thread when they are due.
        budget: what the store may use.
        settings: everything else.
        clock: tells the time.
        manager: a VectorManager of your own, instead of all of the above but `ttl` and the index's `fields`; closing it
            stays yours.

    Raises:
        ValueError: an argument isn't known, or not to be given.
        vectopt.VectoptError: the file can't be used, or holds another embedder's vectors.
    """

    supports_ttl = True

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        index: IndexConfig | Mapping[str, Any] | None = None,
        ttl: TTLConfig | None = None,
        budget: Budget | None = None,
        settings: Settings | None = None,
        clock: Clock | None = None,
        manager: VectorManager | None = None,
    ) -> None:
        given: dict[str, Any] = dict(index or {})
        _check("index", given, _INDEX)
        _check("ttl", ttl or {}, _TTL)
        if given.get("distance_type", "cosine") != "cosine":
            raise ValueError(f"index: distance_type can only be 'cosine'; got {given['distance_type']!r}")
        if manager is not None and (given.keys() & {"embed", "dims"} or any(one is not None for one in (path, budget, settings, clock))):
            raise ValueError("a manager has its own path, embedder, budget, settings and clock: leave these out")
        self.index_config = index
        self.ttl_config = ttl
        embedder, self.embeddings = _embedder(given.get("embed"), given.get("dims"))
        self._fields: list[str] = list(given.get("fields") or given.get("text_fields") or ["$"])
        self._owned = manager is None
        self.manager = manager or VectorManager(
            path,
            embedder=embedder,
            budget=budget or Budget(),
            settings=settings or Settings(),
            clock=clock,
        )

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Do operations and return their results, in their order; what is read is the store before what is put.

        All puts and deletes are done, or none; of several for one key the last one counts.

        Raises:
            InvalidNamespaceError, vectopt.VectoptError: nothing was changed.
        """
        results: list[Result] = run(self.manager, batch(ops, self._fields))
        return results

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do the same as `batch` without blocking the event loop."""
        results: list[Result] = await arun(self.manager, batch(ops, self._fields))
        return results

    def sweep_ttl(self) -> int:
        """Delete what has expired now; return how many values. Nobody is given them anyway: this makes room."""
        deleted = self.manager.delete_expired()
        return sum(id.endswith(":0") for name, ids in deleted.items() if name.startswith(ROOT) for id in ids)

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> None:
        """Do the same as `start`, under the other stores' name. No interval is needed: the thread wakes when something expires."""
        self.start()

    def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """Do the same as `stop`, under the other stores' name; the thread ends after the batch in hand."""
        self.stop()
        return True


def _embedder(embed: Any, dimensions: int | None) -> tuple[Embedder | None, Embeddings | None]:
    """Return what `embed` comes to, as an embedder and, where it isn't one of vectopt's, as LangChain embeddings."""
    if embed is None or isinstance(embed, Embedder):
        return embed, None
    embeddings = ensure_embeddings(embed)
    return LangChainEmbedder(embeddings, dimensions=dimensions), embeddings


def _check(name: str, given: Mapping[str, Any], known: set[str]) -> None:
    """Refuse a configuration with what would be ignored."""
    unknown = given.keys() - known
    if unknown:
        raise ValueError(f"{name} has unknown entries {sorted(unknown)}; known are {', '.join(sorted(known))}")
