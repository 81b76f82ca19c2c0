"""VectorManager behind LangChain's VectorStore interface: adding, items, upkeep. No decision, no ranking here: it translates."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from vectopt import Budget, Clock, DrainReport, Embedder, Explanation, Settings, Stats, VectorManager
from vectopt import VectorStore as PersistentStore

from .embedder import LangChainEmbedder, as_embedder
from .lifetime import Lifetime
from .searches import Searches
from .translation import document_items, namespace_of, to_document, to_items


class VectOptVectorStore(Lifetime, Searches):
    """A LangChain vector store that keeps itself small.

    Setup:
        `pip install "vectopt[langchain]"`

    Instantiate:
        ```python
        from langchain_vectopt import Budget, VectOptVectorStore

        store = VectOptVectorStore(embedding, path="memory.db", budget=Budget(max_vectors=50_000))
        ```
        Without a path it is a private temporary store, removed at close.

    Add:
        ```python
        store.add_documents([Document("Paris is the capital of France", metadata={"page": 1})])
        ```
        When it returns, the documents are durable, findable, and embedded as far as the budget holds.

    Delete:
        ```python
        store.delete(ids)
        ```

    Search:
        ```python
        store.similarity_search("French capital", k=4, filter={"page": {"$lte": 3}})
        ```
        `similarity_search_with_score` gives the fused score: 0..1, higher is better, relative to the query.
        `similarity_search_with_relevance_scores` ranks by cosine alone and gives (1 + cosine) / 2; where a text has no
        vector of its own the cosine is predicted. Further options of every search: `filter` (a Mongo-style dictionary,
        or a function of a Document), `tiers`, `mode` ("hybrid", "dense", "lexical"), `namespace`, `collapse_duplicates`.

    Async:
        Every method has its `a` twin; none blocks the event loop.

    Look after it:
        Adding does a bounded piece of the upkeep (retries, expiry, promotion). `start()` gives it a thread of its own,
        `drain()` does all of it now.

    Use as Retriever:
        ```python
        store.as_retriever(search_type="mmr", search_kwargs={"k": 4})
        ```

    Args:
        embedding: LangChain embeddings, or an embedder of vectopt's. May be left out where a `manager` is given.
        path: the store's file.
        budget: what the store may use.
        namespace: where documents go and are looked for when a call names none; by default the manager's.
        namespace_budgets: what single namespaces may use besides.
        settings: everything else.
        clock: tells the time.
        store: where persistent vectors go, beside or instead of the file: a store that you have, in `wrap`; closing it stays yours.
        manager: a VectorManager of your own, instead of all of the above but the namespace; closing it stays yours.

    Raises:
        vectopt.VectoptError: the file can't be used, or holds another embedder's vectors.
    """

    def __init__(
        self,
        embedding: Embeddings | Embedder | None = None,
        *,
        path: str | os.PathLike[str] | None = None,
        budget: Budget | None = None,
        namespace: str | None = None,
        namespace_budgets: Mapping[str, Budget] | None = None,
        settings: Settings | None = None,
        clock: Clock | None = None,
        store: PersistentStore | None = None,
        manager: VectorManager | None = None,
    ) -> None:
        if manager is None and embedding is None:
            raise ValueError("embedding is missing: give LangChain embeddings, or a manager")
        if manager is not None and any(one is not None for one in (embedding, path, budget, namespace_budgets, settings, clock, store)):
            raise ValueError("a manager has its own embedder, path, budgets, settings, clock and store: leave these out")
        self._owned = manager is None
        self.manager = manager or VectorManager(
            path,
            embedder=as_embedder(embedding),
            budget=budget or Budget(),
            namespace_budgets=namespace_budgets,
            settings=settings or Settings(),
            clock=clock,
            store=store,
        )
        self.namespace = self.manager.namespace if namespace is None else namespace

    @property
    def embeddings(self) -> Embeddings | None:
        """The LangChain embeddings, where there are any."""
        embedder = self.manager.embedder
        return embedder.embeddings if isinstance(embedder, LangChainEmbedder) else None

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Make a store of texts; further arguments are the constructor's."""
        store = cls(embedding, **kwargs)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    @classmethod
    async def afrom_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Make a store of texts without blocking the event loop."""
        store = await asyncio.to_thread(cls, embedding, **kwargs)
        await store.aadd_texts(texts, metadatas, ids=ids)
        return store

    def _own(self, namespace: str | None) -> str:
        return self.namespace if namespace is None else namespace

    # --- adding

    def add_texts(
        self, texts: Iterable[str], metadatas: list[dict[str, Any]] | None = None, *, ids: Sequence[str | None] | None = None, **kwargs: Any
    ) -> list[str]:
        """Add texts and return their ids; an existing id is replaced. See `add_documents`."""
        return self.manager.add(to_items(list(texts), metadatas, ids), namespace=namespace_of(kwargs, self.namespace), wait=True)

    async def aadd_texts(
        self, texts: Iterable[str], metadatas: list[dict[str, Any]] | None = None, *, ids: Sequence[str | None] | None = None, **kwargs: Any
    ) -> list[str]:
        """Add texts without blocking the event loop."""
        return await self.manager.aadd(to_items(list(texts), metadatas, ids), namespace=namespace_of(kwargs, self.namespace), wait=True)

    def add_documents(self, documents: list[Document], *, ids: Sequence[str | None] | None = None, **kwargs: Any) -> list[str]:
        """Add documents, all or none, and return their ids; an existing id is replaced.

        Args:
            documents: the documents; their own ids count where `ids` is left out.
            ids: in the order of the documents; None for a new one.
            kwargs: `namespace`; `batch_size` is accepted and needless, since batches are bounded by tokens.
        """
        return self.manager.add(document_items(documents, ids), namespace=namespace_of(kwargs, self.namespace), wait=True)

    async def aadd_documents(self, documents: list[Document], *, ids: Sequence[str | None] | None = None, **kwargs: Any) -> list[str]:
        """Add documents without blocking the event loop."""
        return await self.manager.aadd(document_items(documents, ids), namespace=namespace_of(kwargs, self.namespace), wait=True)

    def add_embeddings(
        self,
        text_embeddings: Iterable[tuple[str, Sequence[float]]],
        metadatas: list[dict[str, Any]] | None = None,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Add texts with vectors of your own; they are taken as they are and cost nothing."""
        pairs = list(text_embeddings)
        given = to_items([text for text, _ in pairs], metadatas, ids, [vector for _, vector in pairs])
        return self.manager.add(given, namespace=namespace_of(kwargs, self.namespace), wait=True)

    async def aadd_embeddings(
        self,
        text_embeddings: Iterable[tuple[str, Sequence[float]]],
        metadatas: list[dict[str, Any]] | None = None,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Add texts with vectors of your own without blocking the event loop."""
        pairs = list(text_embeddings)
        given = to_items([text for text, _ in pairs], metadatas, ids, [vector for _, vector in pairs])
        return await self.manager.aadd(given, namespace=namespace_of(kwargs, self.namespace), wait=True)

    # --- items

    def delete(self, ids: list[str] | None = None, *, delete_all: bool = False, **kwargs: Any) -> bool:
        """Delete by ids; unknown ids are no error. Deleting everything of the namespace takes `delete_all=True`."""
        namespace = namespace_of(kwargs, self.namespace)
        if ids is None:
            if not delete_all:
                raise ValueError("ids is None: give ids, or delete_all=True to delete everything of the namespace")
            self.manager.delete_all(namespace=namespace)
        else:
            self.manager.delete(ids, namespace=namespace)
        return True

    def get_by_ids(self, ids: Sequence[str], /, *, namespace: str | None = None) -> list[Document]:
        """Return the documents that exist, in the order of the ids."""
        return [to_document(item) for item in self.manager.get(ids, namespace=self._own(namespace))]

    async def aget_by_ids(self, ids: Sequence[str], /, *, namespace: str | None = None) -> list[Document]:
        """Return the documents that exist without blocking the event loop."""
        return [to_document(item) for item in await self.manager.aget(ids, namespace=self._own(namespace))]

    # --- telling

    def explain(self, id: str, *, namespace: str | None = None) -> Explanation:
        """Return why a document is where it is."""
        return self.manager.explain(id, namespace=self._own(namespace))

    async def aexplain(self, id: str, *, namespace: str | None = None) -> Explanation:
        """Return why a document is where it is without blocking the event loop."""
        return await self.manager.aexplain(id, namespace=self._own(namespace))

    def stats(self) -> Stats:
        """Return the store's figures."""
        return self.manager.stats()

    async def astats(self) -> Stats:
        """Return the store's figures without blocking the event loop."""
        return await self.manager.astats()

    def feedback(self, query: str, useful_ids: Sequence[str], *, namespace: str | None = None) -> float:
        """Tell which documents a query should have found; return the lexical weight that searches go by from now on.

        Raises:
            NoEmbedder: there is nothing to weigh words against.
        """
        return self.manager.feedback(query, useful_ids, namespace=self._own(namespace))

    async def afeedback(self, query: str, useful_ids: Sequence[str], *, namespace: str | None = None) -> float:
        """Tell which documents a query should have found without blocking the event loop."""
        return await self.manager.afeedback(query, useful_ids, namespace=self._own(namespace))

    # --- looking after the store

    def drain(self) -> DrainReport:
        """Do all that waits: embed what is queued, promote and expire temp vectors. Adding does a piece of it by itself."""
        return self.manager.drain()

    async def adrain(self) -> DrainReport:
        """Do all that waits without blocking the event loop."""
        return await self.manager.adrain()
