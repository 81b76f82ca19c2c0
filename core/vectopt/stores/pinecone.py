"""A Pinecone index that holds vectors. Works with the clients of pinecone 7 to 10, by the calls that all of them have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from importlib import import_module
from typing import Any, Self

import numpy as np

from ..errors import MissingExtra
from ..model import Capabilities, Record, Vector
from .metadata import labelled

_MOST = 100  # records a call: their ids are in the address of a fetch
_MOST_BYTES = 1_500_000  # of 2 MB that a request may have
_BYTES_A_NUMBER = 24  # as JSON, at the most
_MOST_METADATA = 30_000  # bytes of 40 kB that a record may have
_PAGE = 100
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,254}")


class PineconeStore:
    """Keeps vectors in an index of dense vectors, each of vectopt's namespaces in one of Pinecone's.

    A write takes its time until every read sees it. So vectors stay in the file for `settle_seconds`, and until they were read back.

    Args:
        index: `Pinecone(...).Index(...)`; closing it stays yours.
        name: says which index it is; a file keeps to it. By default its host.
        settle_seconds: after which a write is seen by every read.
        texts: whether texts and metadata go there too, as far as a record holds them; vectors then stay in the file as well.
    """

    def __init__(self, index: Any, *, name: str | None = None, settle_seconds: float = 60.0, texts: bool = False) -> None:
        self._index = index
        self.name = name or f"pinecone:{_host(index)}"
        self.capabilities = Capabilities(durable=True, takes_texts=texts, settle_seconds=settle_seconds, batch=_MOST)

    @classmethod
    def connect(cls, host: str, *, api_key: str | None = None, settle_seconds: float = 60.0, texts: bool = False) -> Self:
        """Return the store of the index at a host; close it when you are done.

        Args:
            host: of the index, as Pinecone's console shows it.
            api_key: by default the environment's PINECONE_API_KEY.
            settle_seconds: as above.
            texts: as above.

        Raises:
            MissingExtra: there is no client.
        """
        try:
            pinecone = import_module("pinecone")
        except ImportError as error:
            raise MissingExtra("pinecone", "pinecone") from error
        client = pinecone.Pinecone() if api_key is None else pinecone.Pinecone(api_key=api_key)
        return cls(client.Index(host=host), settle_seconds=settle_seconds, texts=texts)

    def close(self) -> None:
        """Close the connections, those of an index that you gave too."""
        self._index.close()

    def upsert(self, namespace: str, records: Sequence[Record]) -> Sequence[str]:
        """Store records in as many requests as it takes; return the keys of those requests that failed, raise where all did."""
        chunks = list(_chunks(records))
        failed: list[Exception] = []
        refused: list[str] = []
        for chunk in chunks:
            vectors = [self._vector(namespace, record) for record in chunk]
            try:
                self._index.upsert(vectors=vectors, namespace=place_of(namespace))
            except Exception as error:  # the other requests may well work
                failed.append(error)
                refused += [record.key for record in chunk]
        if failed and len(failed) == len(chunks):
            raise failed[0]
        return refused

    def _vector(self, namespace: str, record: Record) -> dict[str, Any]:
        vector: dict[str, Any] = {"id": record.key, "values": record.vector.astype(float).tolist()}
        if self.capabilities.takes_texts:
            given = {**labelled(namespace, record.metadata), "text": record.text}
            vector["metadata"] = given if len(repr(given).encode()) <= _MOST_METADATA else labelled(namespace, {})
        return vector

    def delete(self, namespace: str, keys: Sequence[str]) -> None:
        """Remove records; where there is no such namespace there are none."""
        for start in range(0, len(keys), _MOST):
            try:
                self._index.delete(ids=list(keys[start : start + _MOST]), namespace=place_of(namespace))
            except Exception as error:
                _raise_unless_unknown(error)

    def fetch(self, namespace: str, keys: Sequence[str]) -> Mapping[str, Vector | None]:
        """Return what is there, with the vectors."""
        found: dict[str, Vector | None] = {}
        for start in range(0, len(keys), _MOST):
            try:
                answer = self._index.fetch(ids=list(keys[start : start + _MOST]), namespace=place_of(namespace))
            except Exception as error:
                _raise_unless_unknown(error)
                continue
            found.update({key: np.asarray(one.values, np.float32) for key, one in answer.vectors.items()})
        return found

    def query(self, namespace: str, vector: Vector, k: int) -> Mapping[str, Vector | None]:
        """Return the nearest, with their vectors."""
        asked = vector.astype(float).tolist()
        try:
            answer = self._index.query(vector=asked, top_k=min(k, 1000), namespace=place_of(namespace), include_values=True)
        except Exception as error:
            _raise_unless_unknown(error)
            return {}
        return {one.id: np.asarray(one.values, np.float32) for one in answer.matches}

    def keys(self, namespace: str, prefix: str) -> Iterator[str]:
        """Yield the keys that begin so, page by page."""
        options: dict[str, Any] = {"prefix": prefix, "limit": _PAGE, "namespace": place_of(namespace)}
        while True:
            try:
                page = self._index.list_paginated(**options)
            except Exception as error:
                _raise_unless_unknown(error)
                return
            yield from [one.id for one in page.vectors or ()]
            token = page.pagination.next if page.pagination is not None else None
            if not token:
                return
            options["pagination_token"] = token

    def count(self, namespace: str) -> int:
        """Return how many records, anyone's, Pinecone says the namespace holds; it lags behind."""
        place = self._index.describe_index_stats().namespaces.get(place_of(namespace))
        return 0 if place is None else int(place.vector_count)


def place_of(namespace: str) -> str:
    """Return Pinecone's name of a namespace: its own where that is plain, or a digest of it."""
    if _PLAIN.fullmatch(namespace) and not namespace.startswith("vectopt-"):
        return namespace
    return f"vectopt-{blake2b(namespace.encode(), digest_size=16).hexdigest()}"


def _chunks(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """Yield records in parts that one request takes."""
    if records:
        each = _BYTES_A_NUMBER * len(records[0].vector) + _MOST_METADATA * any(record.text or record.metadata for record in records) + 200
        size = max(1, min(_MOST, _MOST_BYTES // each))
        for start in range(0, len(records), size):
            yield records[start : start + size]


def _raise_unless_unknown(error: Exception) -> None:
    """Raise an error again, unless it says that there is no such namespace: one comes to be by its first record."""
    if (getattr(error, "status_code", None) or getattr(error, "status", None)) != 404:
        raise error


def _host(index: Any) -> str:
    for owner in (index, getattr(index, "config", None), getattr(index, "_config", None)):
        host = getattr(owner, "host", None)
        if isinstance(host, str) and host:
            return host.removeprefix("https://").removeprefix("http://").rstrip("/")
    return "index"
