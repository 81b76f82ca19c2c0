"""Whole stores, ours among them, each opened behind the same two functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .corpus import Floats, metadata

Add = Callable[[Sequence[int], list[str], Floats], Any]  # row numbers, texts, vectors
Search = Callable[[Floats, int, bool], list[int]]  # a vector, k, only bucket 0; the row numbers found
Opener = Callable[[Path, int], tuple[Add, Search]]  # a folder, dimensions

_ONE_PERCENT = {"bucket": {"$lt": 1}}


class Replay:
    """Embeddings that hand back vectors already made, for stores that take none."""

    def __init__(self) -> None:
        self.vectors: list[list[float]] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.vectors

    def embed_query(self, text: str) -> list[float]:
        raise AssertionError("searches are by vector")


def _vectopt(folder: Path, dimensions: int) -> tuple[Add, Search]:
    from langchain_core.embeddings import DeterministicFakeEmbedding

    from langchain_vectopt import VectOptVectorStore

    store = VectOptVectorStore(DeterministicFakeEmbedding(size=dimensions), path=folder / "store.db")

    def add(numbers: Sequence[int], texts: list[str], vectors: Floats) -> None:
        store.add_embeddings(zip(texts, vectors, strict=True), [metadata(n) for n in numbers])

    return add, _langchain_search(store, _ONE_PERCENT)


def _in_memory(folder: Path, dimensions: int) -> tuple[Add, Search]:
    from langchain_core.vectorstores import InMemoryVectorStore

    replay = Replay()
    store = InMemoryVectorStore(replay)  # type: ignore[arg-type]
    return _replayed(store, replay), _langchain_search(store, lambda document: document.metadata["bucket"] < 1)


def _chroma(folder: Path, dimensions: int) -> tuple[Add, Search]:
    from chromadb.config import Settings
    from langchain_chroma import Chroma

    replay = Replay()
    store = Chroma(
        "benchmark",
        embedding_function=replay,  # type: ignore[arg-type]
        persist_directory=str(folder),
        collection_metadata={"hnsw:space": "cosine"},
        client_settings=Settings(anonymized_telemetry=False, is_persistent=True, persist_directory=str(folder)),
    )
    return _replayed(store, replay), _langchain_search(store, _ONE_PERCENT)


def _replayed(store: Any, replay: Replay) -> Add:
    def add(numbers: Sequence[int], texts: list[str], vectors: Floats) -> None:
        replay.vectors = vectors.tolist()
        store.add_texts(texts, [metadata(n) for n in numbers])

    return add


def _langchain_search(store: Any, one_percent: Any) -> Search:
    def search(vector: Floats, k: int, filtered: bool) -> list[int]:
        options = {"filter": one_percent} if filtered else {}
        return [document.metadata["n"] for document in store.similarity_search_by_vector(vector.tolist(), k=k, **options)]

    return search


def _lancedb(folder: Path, dimensions: int) -> tuple[Add, Search]:
    import lancedb
    import pyarrow as pa

    fields = [("n", pa.int64()), ("bucket", pa.int64()), ("text", pa.string()), ("vector", pa.list_(pa.float32(), dimensions))]
    table = lancedb.connect(str(folder)).create_table("items", schema=pa.schema(fields))

    def add(numbers: Sequence[int], texts: list[str], vectors: Floats) -> None:
        columns = [list(numbers), [metadata(n)["bucket"] for n in numbers], texts]
        arrays = [pa.array(column, kind) for column, (_, kind) in zip(columns, fields, strict=False)]
        packed = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dimensions)
        table.add(pa.Table.from_arrays([*arrays, packed], schema=table.schema))

    def search(vector: Floats, k: int, filtered: bool) -> list[int]:
        query = table.search(vector).distance_type("cosine").select(["n", "text", "_distance"]).limit(k)
        return [row["n"] for row in (query.where("bucket < 1", prefilter=True) if filtered else query).to_list()]

    return add, search


def _qdrant(folder: Path, dimensions: int) -> tuple[Add, Search]:
    import warnings

    from qdrant_client import QdrantClient, models

    warnings.filterwarnings("ignore", message="Local mode is not recommended")
    client = QdrantClient(path=str(folder))
    client.create_collection("items", vectors_config=models.VectorParams(size=dimensions, distance=models.Distance.COSINE))
    one_percent = models.Filter(must=[models.FieldCondition(key="bucket", range=models.Range(lt=1))])

    def add(numbers: Sequence[int], texts: list[str], vectors: Floats) -> None:
        payloads = [{**metadata(n), "text": text} for n, text in zip(numbers, texts, strict=True)]
        client.upsert("items", models.Batch(ids=list(numbers), vectors=vectors.tolist(), payloads=payloads))

    def search(vector: Floats, k: int, filtered: bool) -> list[int]:
        return [
            int(point.id) for point in client.query_points("items", vector, limit=k, query_filter=one_percent if filtered else None).points
        ]

    return add, search


def _llama_index(folder: Path, dimensions: int) -> tuple[Add, Search]:
    from llama_index.core.schema import TextNode
    from llama_index.core.vector_stores import FilterOperator, MetadataFilter, MetadataFilters, SimpleVectorStore, VectorStoreQuery

    store = SimpleVectorStore()
    one_percent = MetadataFilters(filters=[MetadataFilter(key="bucket", value=1, operator=FilterOperator.LT)])

    def add(numbers: Sequence[int], texts: list[str], vectors: Floats) -> None:
        rows = zip(numbers, texts, vectors.tolist(), strict=True)
        store.add([TextNode(id_=str(n), text=text, metadata=metadata(n), embedding=vector) for n, text, vector in rows])

    def search(vector: Floats, k: int, filtered: bool) -> list[int]:
        query = VectorStoreQuery(query_embedding=vector.tolist(), similarity_top_k=k, filters=one_percent if filtered else None)
        return [int(number) for number in store.query(query).ids or []]

    return add, search


OPENERS: dict[str, tuple[str, Opener]] = {  # the package that must be there
    "vectopt, LangChain": ("langchain_core", _vectopt),
    "LangChain InMemory": ("langchain_core", _in_memory),
    "LlamaIndex Simple": ("llama_index.core", _llama_index),
    "Chroma": ("langchain_chroma", _chroma),
    "LanceDB": ("lancedb", _lancedb),
    "qdrant local": ("qdrant_client", _qdrant),
}
