"""An embedder that hands out the vectors of a set's files, and counts what it was asked for."""

from __future__ import annotations

from collections.abc import Sequence

from .sets import Floats, RealSet


class Replay:
    """Answers with stored vectors. Items with the same text have the first one's.

    Attributes:
        tokens: of the documents it was asked for, each time it was; queries are not counted.
        texts: how many documents that were.
    """

    def __init__(self, data: RealSet) -> None:
        self.name = "replayed"
        self.dimensions: int | None = data.dimensions
        self.tokens = 0
        self.texts = 0
        self._vectors, self._query_vectors, self._tokens = data.vectors, data.query_vectors, data.tokens
        self._items = {item.text: len(data.items) - 1 - place for place, item in enumerate(reversed(data.items))}
        self._queries = {query.text: place for place, query in enumerate(data.queries)}

    def embed(self, texts: Sequence[str], role: str) -> Floats:
        """Return one vector a text."""
        if role == "query":
            return self._query_vectors[[self._queries[text] for text in texts]]
        places = [self._items[text] for text in texts]
        self.texts += len(places)
        self.tokens += int(self._tokens[places].sum())
        return self._vectors[places]


class QueriesOnly(Replay):
    """The same, for a store that is given the vectors it shall have: it embeds no document."""

    def embed(self, texts: Sequence[str], role: str) -> Floats:
        """Return one vector a query."""
        if role != "query":
            raise ConnectionError("this store has the vectors it was given")
        return super().embed(texts, role)
