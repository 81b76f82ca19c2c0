"""LangChain's vector stores behind vectopt's protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from threading import Lock
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore as LangChainStore

from vectopt import Capabilities, Record, Vector
from vectopt.stores.metadata import NAMESPACE, labelled


class Replay(Embeddings):
    """Answers with vectors that are known already: a store that insists on embedding gets vectopt's own."""

    def __init__(self) -> None:
        self.vectors: dict[str, list[float]] = {}
        self._dimensions = 1

    def load(self, records: Sequence[Record]) -> None:
        """Know these records' vectors, and no others."""
        self.vectors = {record.text: record.vector.tolist() for record in records}
        self._dimensions = len(records[0].vector)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the texts' vectors; a text that vectopt did not send is refused."""
        if unknown := [text for text in texts if text not in self.vectors]:
            raise ValueError(f"this store is vectopt's to write: {len(unknown)} of the texts did not come from it")
        return [self.vectors[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """Return a vector of the right length: stores ask for one to learn it."""
        return self.vectors.get(text, [1.0] + [0.0] * (self._dimensions - 1))


class TextStore:
    """Any store, by the calls that all of them have: it is told texts, and asked for ids.

    Args:
        store: theirs; it must be able to delete.
        replay: the embedding that it was made with, where that is ours.
        durable: whether it outlives this process.
    """

    def __init__(self, store: LangChainStore, replay: Replay | None, *, durable: bool) -> None:
        kind = type(store)
        if kind.delete is LangChainStore.delete:
            raise ValueError(f"{kind.__name__} can't delete: what is deleted here would stay there")
        self._store = store
        self._replay = replay
        self._lock = Lock()  # stores in memory are rarely safe among threads
        self.name = f"langchain:{kind.__name__}"
        self.capabilities = Capabilities(
            durable=durable,
            takes_vectors=replay is not None,
            takes_texts=True,
            fetches=kind.get_by_ids is not LangChainStore.get_by_ids,
            hands_back=False,
            queries=False,
            lists=False,
        )

    def upsert(self, namespace: str, records: Sequence[Record]) -> Sequence[str]:
        """Store records: of equal texts one at a time, since they are told apart by their text."""
        rest = list(records)
        with self._lock:
            self._delete([record.key for record in records])
            while rest:
                batch = list({record.text: record for record in reversed(rest)}.values())[::-1]
                keys = {record.key for record in batch}
                rest = [record for record in rest if record.key not in keys]
                if self._replay is not None:
                    self._replay.load(batch)
                metadatas = [labelled(namespace, record.metadata) for record in batch]
                self._store.add_texts([record.text for record in batch], metadatas, ids=[record.key for record in batch])
        return ()

    def delete(self, namespace: str, keys: Sequence[str]) -> None:
        """Remove records."""
        with self._lock:
            self._delete(keys)

    def _delete(self, keys: Sequence[str]) -> None:
        there = [document.id for document in self._store.get_by_ids(list(keys)) if document.id] if self.capabilities.fetches else list(keys)
        if there:
            self._store.delete(there)

    def fetch(self, namespace: str, keys: Sequence[str]) -> Mapping[str, Vector | None]:
        """Return which are there."""
        with self._lock:
            found = self._store.get_by_ids(list(keys))
        return {document.id: None for document in found if document.id and document.metadata.get(NAMESPACE) == namespace}

    def query(self, namespace: str, vector: Vector, k: int) -> Mapping[str, Vector | None]:
        """Return nothing: vectors don't come back from here, so the file keeps them and has no need to ask."""
        return {}

    def keys(self, namespace: str, prefix: str) -> Iterator[str]:
        """Yield nothing: such a store can't list."""
        return iter(())


class FaissStore:
    """LangChain's FAISS, by its own calls. It lives in memory unless you save it: so vectors stay in vectopt's file too.

    Args:
        store: theirs.
        durable: whether you save it whenever it changed, and load it again.
    """

    def __init__(self, store: Any, *, durable: bool) -> None:
        self._store = store
        self._lock = Lock()
        self.name = "langchain:FAISS"
        self.capabilities = Capabilities(durable=durable)

    def _places(self, namespace: str, prefix: str = "") -> dict[str, int]:
        documents = self._store.docstore._dict
        return {
            key: place
            for place, key in self._store.index_to_docstore_id.items()
            if key.startswith(prefix) and documents[key].metadata.get(NAMESPACE) == namespace
        }

    def upsert(self, namespace: str, records: Sequence[Record]) -> Sequence[str]:
        """Store records."""
        with self._lock:
            self._delete(namespace, [record.key for record in records])
            self._store.add_embeddings(
                [(record.text, record.vector.tolist()) for record in records],
                metadatas=[{NAMESPACE: namespace} for _ in records],
                ids=[record.key for record in records],
            )
        return ()

    def delete(self, namespace: str, keys: Sequence[str]) -> None:
        """Remove records."""
        with self._lock:
            self._delete(namespace, keys)

    def _delete(self, namespace: str, keys: Sequence[str]) -> None:
        places = self._places(namespace)
        if there := [key for key in keys if key in places]:
            self._store.delete(there)

    def fetch(self, namespace: str, keys: Sequence[str]) -> Mapping[str, Vector | None]:
        """Return what is there, with the vectors."""
        with self._lock:
            places = self._places(namespace)
            return {key: self._store.index.reconstruct(places[key]) for key in keys if key in places}

    def query(self, namespace: str, vector: Vector, k: int) -> Mapping[str, Vector | None]:
        """Return the nearest, with their vectors, by the index itself: what else is in it is passed over."""
        with self._lock:
            places = self._places(namespace)
            by_place = {place: key for key, place in places.items()}
            if not by_place:
                return {}
            _, found = self._store.index.search(np.asarray([vector], np.float32), self._store.index.ntotal)
            nearest = [by_place[place] for place in found[0].tolist() if place in by_place][:k]
            return {key: self._store.index.reconstruct(places[key]) for key in nearest}

    def keys(self, namespace: str, prefix: str) -> Iterator[str]:
        """Yield the keys that begin so."""
        with self._lock:
            return iter(list(self._places(namespace, prefix)))
