"""A Qdrant collection that holds vectors. Works through the client that it is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from ..errors import MissingExtra
from ..model import Capabilities, Record, Vector
from .metadata import NAMESPACE

_PAGE = 1000


class QdrantStore:
    """Keeps vectors in a Qdrant collection, beside whatever else is there.

    Args:
        client: a `qdrant_client.QdrantClient`.
        collection: its name.
        vector: the name of the vector in the collection; empty for the unnamed one.
        durable: whether it outlives this process. By default that of a server or of a path does.
        texts: whether texts and metadata go there too; vectors then stay in the file as well.
    """

    def __init__(self, client: Any, collection: str, *, vector: str = "", durable: bool | None = None, texts: bool = False) -> None:
        try:
            self._models = import_module("qdrant_client.models")
        except ImportError as error:
            raise MissingExtra("qdrant-client", "qdrant") from error
        self._client = client
        self._collection = collection
        self._vector = vector
        self.name = f"qdrant:{collection}"
        self.capabilities = Capabilities(durable=_durable(client) if durable is None else durable, takes_texts=texts)

    def _only(self, namespace: str) -> Any:
        condition = self._models.FieldCondition(key=NAMESPACE, match=self._models.MatchValue(value=namespace))
        return self._models.Filter(must=[condition])

    def upsert(self, namespace: str, records: Sequence[Record]) -> Sequence[str]:
        """Store records."""
        points = []
        for record in records:
            vector: Any = record.vector.tolist()
            payload = {"page_content": record.text, "metadata": dict(record.metadata)} if self.capabilities.takes_texts else {}
            points.append(
                self._models.PointStruct(
                    id=record.key, vector={self._vector: vector} if self._vector else vector, payload={**payload, NAMESPACE: namespace}
                )
            )
        self._client.upsert(self._collection, points=points, wait=True)
        return ()

    def delete(self, namespace: str, keys: Sequence[str]) -> None:
        """Remove records."""
        there = [*self._there(namespace, keys, vectors=False)]
        if there:
            self._client.delete(self._collection, points_selector=self._models.PointIdsList(points=there), wait=True)

    def fetch(self, namespace: str, keys: Sequence[str]) -> Mapping[str, Vector | None]:
        """Return what is there, with the vectors."""
        return self._there(namespace, keys, vectors=True)

    def _there(self, namespace: str, keys: Sequence[str], *, vectors: bool) -> dict[str, Vector | None]:
        points = self._client.retrieve(self._collection, ids=list(keys), with_payload=[NAMESPACE], with_vectors=vectors)
        return self._given([point for point in points if (point.payload or {}).get(NAMESPACE) == namespace])

    def _given(self, points: Sequence[Any]) -> dict[str, Vector | None]:
        vectors = [point.vector[self._vector] if isinstance(point.vector, dict) else point.vector for point in points]
        return {
            str(point.id): None if vector is None else np.asarray(vector, np.float32) for point, vector in zip(points, vectors, strict=True)
        }

    def query(self, namespace: str, vector: Vector, k: int) -> Mapping[str, Vector | None]:
        """Return the nearest, with their vectors."""
        found = self._client.query_points(
            self._collection,
            query=vector.tolist(),
            using=self._vector or None,
            query_filter=self._only(namespace),
            limit=k,
            with_vectors=True,
            with_payload=False,
        )
        return self._given(found.points)

    def keys(self, namespace: str, prefix: str) -> Iterator[str]:
        """Yield the keys that begin so."""
        offset = None
        while True:
            points, offset = self._client.scroll(
                self._collection,
                scroll_filter=self._only(namespace),
                limit=_PAGE,
                offset=offset,
                with_payload=False,
                with_vectors=False,
            )
            yield from [str(point.id) for point in points if str(point.id).startswith(prefix)]
            if offset is None:
                return


def _durable(client: Any) -> bool:
    """Tell whether the client talks to a server, or keeps its collections on disk."""
    local = getattr(client, "_client", None)
    return not (type(local).__name__ == "QdrantLocal" and not getattr(local, "persistent", False))
