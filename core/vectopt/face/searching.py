"""Searching all tiers at once, and learning from what was useful."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from numpy.typing import NDArray

from ..embedding.checked import checked_vector
from ..errors import EmbedderMismatch, InvalidQuery, NoEmbedder
from ..filters import compiled
from ..model import Hit, Tier, Vector
from ..querying import QueryEmbedder
from ..retrieval import Ask, Mode
from ..validation import checked_ids, checked_k, checked_mode, checked_query, checked_share, checked_tiers
from .async_twin import off_loop
from .items import Filters
from .parts import Parts

T = TypeVar("T")
Asked = str | Sequence[float] | Vector


class Searching(Parts):
    """How items are found."""

    def search(
        self,
        query_or_vector: Asked,
        k: int = 4,
        *,
        namespace: str | None = None,
        filter: Filters | None = None,
        tiers: Iterable[Tier | str] | None = None,
        mode: Mode = "hybrid",
        collapse_duplicates: bool = True,
        text: str | None = None,
        lexical_weight: float | None = None,
        exact: bool = False,
        ids: Iterable[str] | None = None,
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
            exact: compare with every vector, where a large index would leave out those that its 1-bit codes put three
                standard deviations away.
            ids: look among these items only; those that don't exist are no error.

        Raises:
            InvalidQuery, InvalidVector, InvalidFilter: nothing was searched.
            EmbedderFailed: the query could not be embedded, in dense mode; in hybrid mode words alone answer then.
        """
        ask = self._ask(query_or_vector, k, namespace, filter, tiers, mode, collapse_duplicates, text, lexical_weight, exact, ids)
        embedding = self._queries
        ready = embedding.embedded(ask)
        self._demand.meet([ready])
        return self._answered([ask], [ready], embedding, self._retrieval.search_many)[0]

    async def asearch(
        self,
        query_or_vector: Asked,
        k: int = 4,
        *,
        namespace: str | None = None,
        filter: Filters | None = None,
        tiers: Iterable[Tier | str] | None = None,
        mode: Mode = "hybrid",
        collapse_duplicates: bool = True,
        text: str | None = None,
        lexical_weight: float | None = None,
        exact: bool = False,
        ids: Iterable[str] | None = None,
    ) -> list[Hit]:
        """Do the same as `search` without blocking the event loop."""
        ask = self._ask(query_or_vector, k, namespace, filter, tiers, mode, collapse_duplicates, text, lexical_weight, exact, ids)
        embedding = self._queries
        ready = await embedding.aembedded(ask)
        await self._demand.ameet([ready])
        return (await asyncio.to_thread(self._answered, [ask], [ready], embedding, self._retrieval.search_many))[0]

    def search_many(
        self,
        queries: Sequence[Asked] | NDArray[Any],
        k: int = 4,
        *,
        namespace: str | None = None,
        filter: Filters | None = None,
        tiers: Iterable[Tier | str] | None = None,
        mode: Mode = "hybrid",
        collapse_duplicates: bool = True,
        lexical_weight: float | None = None,
        exact: bool = False,
    ) -> list[list[Hit]]:
        """Return what `search` returns for each of several queries, from one moment's state.

        Texts are embedded in one call, and searches that no filter narrows read the index together.

        Args:
            queries: texts, or vectors of shape (dimensions,), or an array of shape (n, dimensions).
            k: how many for each.
            namespace: as in `search`, like all that follow.
            filter: on the metadata.
            tiers: look in these only.
            mode: "hybrid", "dense" or "lexical".
            collapse_duplicates: give exact copies of a text one place.
            lexical_weight: the share of the words in a hybrid score.
            exact: compare with every vector.

        Raises:
            InvalidQuery, InvalidVector, InvalidFilter, EmbedderFailed: as in `search`; nothing was searched.
        """
        asks = self._asks(queries, k, namespace, filter, tiers, mode, collapse_duplicates, lexical_weight, exact)
        embedding = self._queries
        ready = embedding.embedded_all(asks)
        self._demand.meet(ready)
        return self._answered(asks, ready, embedding, self._retrieval.search_many)

    async def asearch_many(
        self,
        queries: Sequence[Asked] | NDArray[Any],
        k: int = 4,
        *,
        namespace: str | None = None,
        filter: Filters | None = None,
        tiers: Iterable[Tier | str] | None = None,
        mode: Mode = "hybrid",
        collapse_duplicates: bool = True,
        lexical_weight: float | None = None,
        exact: bool = False,
    ) -> list[list[Hit]]:
        """Do the same as `search_many` without blocking the event loop."""
        asks = await asyncio.to_thread(self._asks, queries, k, namespace, filter, tiers, mode, collapse_duplicates, lexical_weight, exact)
        embedding = self._queries
        ready = await embedding.aembedded_all(asks)
        await self._demand.ameet(ready)
        return await asyncio.to_thread(self._answered, asks, ready, embedding, self._retrieval.search_many)

    def _answered(self, asks: Sequence[Ask], ready: Sequence[Ask], embedding: QueryEmbedder, answer: Callable[[Sequence[Ask]], T]) -> T:
        """Return the answer to searches that have their vectors; where another embedder took over since, with vectors of that one's."""
        try:
            return answer(ready)
        except EmbedderMismatch as error:
            again = embedding.stale(ready, error) if self._queries is embedding else self._queries.embedded_all(asks)
        return answer(again)

    def max_marginal_relevance(
        self,
        query_or_vector: Asked,
        k: int = 4,
        *,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        namespace: str | None = None,
        filter: Filters | None = None,
        tiers: Iterable[Tier | str] | None = None,
        collapse_duplicates: bool = True,
        ids: Iterable[str] | None = None,
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
            collapse_duplicates: as in `search`.
            ids: as in `search`.
        """
        most = max(checked_k(k), checked_k(fetch_k, "fetch_k"))
        ask = self._ask(query_or_vector, most, namespace, filter, tiers, "dense", collapse_duplicates, ids=ids)
        return self._retrieval.max_marginal_relevance(self._queries.embedded(ask), k, checked_share(lambda_mult, "lambda_mult"))

    async def amax_marginal_relevance(
        self,
        query_or_vector: Asked,
        k: int = 4,
        *,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        namespace: str | None = None,
        filter: Filters | None = None,
        tiers: Iterable[Tier | str] | None = None,
        collapse_duplicates: bool = True,
        ids: Iterable[str] | None = None,
    ) -> list[Hit]:
        """Do the same as `max_marginal_relevance` without blocking the event loop."""
        most = max(checked_k(k), checked_k(fetch_k, "fetch_k"))
        ask = self._ask(query_or_vector, most, namespace, filter, tiers, "dense", collapse_duplicates, ids=ids)
        ready = await self._queries.aembedded(ask)
        return await asyncio.to_thread(self._retrieval.max_marginal_relevance, ready, k, checked_share(lambda_mult, "lambda_mult"))

    def _ask(
        self,
        query: Asked,
        k: int,
        namespace: str | None,
        filter: Filters | None,
        tiers: Iterable[Tier | str] | None,
        mode: Any,
        collapse: bool,
        words: str | None = None,
        lexical_weight: float | None = None,
        exact: bool = False,
        ids: Iterable[str] | None = None,
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
            exact=exact,
            ids=None if ids is None else frozenset(checked_ids(ids)),
        )

    def _asks(
        self,
        queries: Any,
        k: int,
        namespace: str | None,
        filter: Filters | None,
        tiers: Iterable[Tier | str] | None,
        mode: Any,
        collapse: bool,
        lexical_weight: float | None,
        exact: bool,
    ) -> list[Ask]:
        """Return one search a query, all with the same filter."""
        if isinstance(queries, str) or getattr(queries, "ndim", 2) != 2:
            raise InvalidQuery("queries must be several: a list of texts or vectors, or an array of shape (n, dimensions)")
        one = self._ask("", k, namespace, filter, tiers, mode, collapse, None, lexical_weight, exact)
        asks = []
        for query in queries:
            if isinstance(query, str):
                asks.append(replace(one, text=checked_query(query)))
            else:
                vector = checked_vector(query, None, "the query vector")
                asks.append(replace(one, text=None, vector=vector, mode=checked_mode(mode, by_vector=True)))
        return asks

    def feedback(self, query: str, useful_ids: Sequence[str], *, namespace: str | None = None) -> float:
        """Tell which items a query should have found; return the lexical weight the namespace now searches with.

        Learned are that weight, whether long or short texts are worth finding, and what makes a text important; nothing where
        none of the items is there, or the query could not be embedded.

        Raises:
            NoEmbedder: there is nothing to weigh words against.
        """
        if self.embedder is None:
            raise NoEmbedder
        ask = self._ask(query, 10, namespace, None, None, "hybrid", True)
        useful = checked_ids(useful_ids, "useful_ids")
        embedding = self._queries
        return self._answered([ask], [embedding.embedded(ask)], embedding, lambda ready: self._retrieval.feedback(ready[0], useful))

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

    afeedback = off_loop(feedback)
    asearch_temp_vectors = off_loop(search_temp_vectors)
