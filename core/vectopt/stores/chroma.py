"""A Chroma collection that holds vectors. Works on the collection itself, and imports nothing of Chroma."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..model import Capabilities, Record, Vector
from .metadata import NAMESPACE, labelled

_PAGE = 1000


class ChromaStore:
    """Keeps vectors in a Chroma collection, beside whatever else is there.

    Args:
        collection: made with whatever distance: cosines are computed from the vectors themselves.
        durable: whether it outlives this process. By default that of a client on disk or of a server does.
        texts: whether texts and metadata go there too; vectors then stay in the file as well.
    """

    def __init__(self, collection: Any, *, durable: bool | None = None, texts: bool = False) -> None:
        self._collection = collection
        self.name = f"chroma:{collection.name}"
        self.capabilities = Capabilities(durable=_durable(collection) if durable is None else durable, takes_texts=texts)

    def upsert(self, namespace: str, records: Sequence[Record]) -> Sequence[str]:
        """Store records."""
        texts = self.capabilities.takes_texts
        self._collection.upsert(
            ids=[record.key for record in records],
            embeddings=[record.vector.tolist() for record in records],
            metadatas=[labelled(namespace, record.metadata if texts else {}) for record in records],
            documents=[record.text for record in records] if texts else None,
        )
        return ()

    def delete(self, namespace: str, keys: Sequence[str]) -> None:
        """Remove records."""
        found = self._collection.get(ids=list(keys), include=["metadatas"])
        if there := _of(namespace, found):  # unknown ones would be told in the log
            self._collection.delete(ids=[found["ids"][place] for place in there])

    def fetch(self, namespace: str, keys: Sequence[str]) -> Mapping[str, Vector | None]:
        """Return what is there, with the vectors."""
        found = self._collection.get(ids=list(keys), include=["embeddings", "metadatas"])
        return {found["ids"][place]: np.asarray(found["embeddings"][place], np.float32) for place in _of(namespace, found)}

    def query(self, namespace: str, vector: Vector, k: int) -> Mapping[str, Vector | None]:
        """Return the nearest, with their vectors."""
        asked = vector.tolist()
        found = self._collection.query(query_embeddings=[asked], n_results=k, where={NAMESPACE: namespace}, include=["embeddings"])
        return {key: np.asarray(one, np.float32) for key, one in zip(found["ids"][0], found["embeddings"][0], strict=True)}

    def keys(self, namespace: str, prefix: str) -> Iterator[str]:
        """Yield the keys that begin so."""
        offset = 0
        while (page := self._collection.get(include=["metadatas"], limit=_PAGE, offset=offset))["ids"]:
            yield from [page["ids"][place] for place in _of(namespace, page) if page["ids"][place].startswith(prefix)]
            offset += len(page["ids"])


def _of(namespace: str, found: Any) -> list[int]:
    """Return the places of a namespace's records. To look here is a hundred times faster than Chroma's own filter beside ids."""
    return [place for place, metadata in enumerate(found["metadatas"]) if (metadata or {}).get(NAMESPACE) == namespace]


def _durable(collection: Any) -> bool:
    """Tell whether the collection's client keeps it on disk, or at a server."""
    settings = getattr(getattr(collection, "_client", None), "_system", None)
    settings = getattr(settings, "settings", None)
    return bool(getattr(settings, "is_persistent", False) or getattr(settings, "chroma_server_host", None))
