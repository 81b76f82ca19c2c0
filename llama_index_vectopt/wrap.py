"""The LlamaIndex vector store that people have, as the place where vectopt's persistent vectors go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

import numpy as np
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import BasePydanticVectorStore

from vectopt import Capabilities, Record, Vector, VectorStore
from vectopt.stores.chroma import ChromaStore
from vectopt.stores.metadata import NAMESPACE, labelled
from vectopt.stores.qdrant import QdrantStore


def wrap(store: BasePydanticVectorStore, *, name: str | None = None, durable: bool | None = None, texts: bool = False) -> VectorStore:
    """Return a LlamaIndex vector store as `VectorManager(store=...)` takes it. Every one of them is given vectopt's vectors.

    Args:
        store: it stays yours: vectopt adds and removes nodes of its own, and nothing else.
        name: says which place it is; a file keeps to it. By default the store's class and collection.
        durable: whether it outlives this process. By default what is known of it: Chroma and Qdrant on disk or at a server do.
            Only what outlives the process, and hands vectors back, may hold one alone.
        texts: whether texts and metadata go there too; vectors then stay in vectopt's file as well.

    Raises:
        ValueError: it is no vector store.
    """
    if not isinstance(store, BasePydanticVectorStore):
        raise ValueError(f"store must be a LlamaIndex vector store; got {store!r}")
    result: Any
    parts: Any = store
    kinds = {kind.__name__ for kind in type(store).__mro__}
    if "ChromaVectorStore" in kinds:
        result = ChromaStore(parts.client, durable=durable, texts=texts)
    elif "QdrantVectorStore" in kinds:
        result = QdrantStore(parts.client, parts.collection_name, vector=parts.dense_vector_name, durable=durable, texts=texts)
    else:
        named: dict[str, type[NodeStore]] = {"SimpleVectorStore": SimpleStore, "LanceDBVectorStore": LanceStore}
        kind = next((ours for theirs, ours in named.items() if theirs in kinds), NodeStore)
        result = kind(store, durable=bool(durable), texts=texts)
    if name is not None:
        result.name = name
    return result  # type: ignore[no-any-return]  # theirs to type


class NodeStore:
    """Any store, by the calls that all of them have. Each record is a document of one node, so that every store can delete it.

    Args:
        store: theirs.
        durable: whether it outlives this process.
        texts: whether it is given texts and metadata.
    """

    def __init__(self, store: BasePydanticVectorStore, *, durable: bool, texts: bool) -> None:
        self._store = store
        self._lock = Lock()
        self.name = f"llama_index:{store.class_name()}"
        fetches = type(store).get_nodes is not BasePydanticVectorStore.get_nodes
        self.capabilities = Capabilities(durable=durable, takes_texts=texts, fetches=fetches, hands_back=False, queries=False, lists=False)

    def upsert(self, namespace: str, records: Sequence[Record]) -> Sequence[str]:
        """Store records."""
        with self._lock:
            self._delete([record.key for record in records])  # some stores add another node under the same id
            self._store.add([_node(namespace, record, texts=self.capabilities.takes_texts) for record in records])
        return ()

    def delete(self, namespace: str, keys: Sequence[str]) -> None:
        """Remove records."""
        with self._lock:
            self._delete(keys)

    def _delete(self, keys: Sequence[str]) -> None:
        with _nothing_there():
            for key in keys:
                self._store.delete(key)

    def fetch(self, namespace: str, keys: Sequence[str]) -> Mapping[str, Vector | None]:
        """Return which are there."""
        wanted, found = set(keys), []
        with self._lock, _nothing_there():
            found = self._store.get_nodes(node_ids=list(keys))
        return {node.node_id: None for node in found if node.node_id in wanted and node.metadata.get(NAMESPACE) == namespace}

    def query(self, namespace: str, vector: Vector, k: int) -> Mapping[str, Vector | None]:
        """Return nothing: vectors don't come back from here, so the file keeps them and has no need to ask."""
        return {}

    def keys(self, namespace: str, prefix: str) -> Iterator[str]:
        """Yield nothing: such a store can't list."""
        return iter(())


class SimpleStore(NodeStore):
    """LlamaIndex's own store in memory, which hands its vectors back."""

    _store: SimpleVectorStore

    def __init__(self, store: BasePydanticVectorStore, *, durable: bool, texts: bool) -> None:
        super().__init__(store, durable=durable, texts=texts)
        self.capabilities = Capabilities(durable=durable, takes_texts=texts)

    def fetch(self, namespace: str, keys: Sequence[str]) -> Mapping[str, Vector | None]:
        """Return what is there, with the vectors."""
        with self._lock:
            held = self._store.data.embedding_dict
            return {key: np.asarray(held[key], np.float32) for key in keys if key in held and self._of(key) == namespace}

    def _of(self, key: str) -> Any:
        return (self._store.data.metadata_dict.get(key) or {}).get(NAMESPACE)

    def query(self, namespace: str, vector: Vector, k: int) -> Mapping[str, Vector | None]:
        """Return the nearest, with their vectors."""
        there = self.fetch(namespace, list(self.keys(namespace, "")))
        unit = vector / (np.linalg.norm(vector) or 1)
        near = {key: float(one @ unit) / (float(np.linalg.norm(one)) or 1) for key, one in there.items() if one is not None}
        return {key: there[key] for key in sorted(near, key=lambda key: -near[key])[:k]}

    def keys(self, namespace: str, prefix: str) -> Iterator[str]:
        """Yield the keys that begin so."""
        with self._lock:
            return iter([key for key in self._store.data.embedding_dict if key.startswith(prefix) and self._of(key) == namespace])


class LanceStore(NodeStore):
    """LanceDB, by its table's own calls: the quotes that the integration puts around ids mean a column's name to LanceDB today."""

    def __init__(self, store: BasePydanticVectorStore, *, durable: bool, texts: bool) -> None:
        super().__init__(store, durable=durable, texts=texts)
        self.capabilities = Capabilities(durable=durable, takes_texts=texts, queries=False)

    def _delete(self, keys: Sequence[str]) -> None:
        with _nothing_there():
            self._table.delete(_among(keys))

    @property
    def _table(self) -> Any:
        parts: Any = self._store
        return parts.table

    def fetch(self, namespace: str, keys: Sequence[str]) -> Mapping[str, Vector | None]:
        """Return what is there, with the vectors."""
        return {row["id"]: np.asarray(row["vector"], np.float32) for row in self._rows(namespace, _among(keys), ["vector"])}

    def keys(self, namespace: str, prefix: str) -> Iterator[str]:
        """Yield the keys that begin so."""
        return iter([row["id"] for row in self._rows(namespace, f"starts_with(id, '{_quoted(prefix)}')", [])])

    def _rows(self, namespace: str, where: str, columns: list[str]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        with self._lock, _nothing_there():
            rows = self._table.search().where(where).select(["id", "metadata", *columns]).limit(None).to_list()
        return [row for row in rows if row["metadata"].get(NAMESPACE) == namespace]


def _among(keys: Sequence[str]) -> str:
    return "id IN (" + ", ".join(f"'{_quoted(key)}'" for key in keys) + ")"


def _quoted(text: str) -> str:
    return text.replace("'", "''")


@contextmanager
def _nothing_there() -> Iterator[None]:
    """Pass over what LanceDB raises before anything was added."""
    try:
        yield
    except Exception as error:
        if type(error).__name__ != "TableNotFoundError":
            raise


def _node(namespace: str, record: Record, *, texts: bool) -> TextNode:
    return TextNode(
        id_=record.key,
        text=record.text if texts else record.key,
        embedding=record.vector.tolist(),
        metadata=labelled(namespace, record.metadata if texts else {}),
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=record.key)},
    )
