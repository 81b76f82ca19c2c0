"""Stores that people have, as the place where persistent vectors go."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chromadb
import faiss
import numpy as np
import pytest
from langchain_chroma import Chroma
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from langchain_tests.integration_tests.vectorstores import VectorStoreIntegrationTests
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import VectorStoreQuery

import langchain_vectopt
import llama_index_vectopt
from langchain_vectopt import VectOptVectorStore
from vectopt import Item, QueueSettings, Settings, StrategySettings, VectorManager
from vectopt import VectorStore as Store
from vectopt.stores.chroma import ChromaStore
from vectopt.testing import HashEmbedder, VectorStoreContract

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of packages that it imports
    from langchain_community.docstore.in_memory import InMemoryDocstore
    from langchain_community.vectorstores import FAISS

long = pytest.mark.skipif(os.environ.get("VECTOPT_LONG") != "1", reason="make test-long")

# Every text is persistent as soon as it is embedded, and every add ships.
AT_ONCE = Settings(strategy=StrategySettings(immediate_importance=0.0, immediate_novelty=0.0), queue=QueueSettings(upkeep_seconds=1e-9))


class Embedding(HashEmbedder, Embeddings):
    """A HashEmbedder as LangChain's stores want it."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.vector(text).tolist() for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.vector(text).tolist()


def chroma(path: Path, name: str = "mine") -> Chroma:
    return Chroma(name, client=chromadb.PersistentClient(str(path)))


def a_faiss(dimensions: int = 16) -> FAISS:
    return FAISS(lambda text: [0.0] * dimensions, faiss.IndexFlatL2(dimensions), InMemoryDocstore(), {})


class TestChroma(VectorStoreContract):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.path = tmp_path

    def make_store(self) -> Store:
        return langchain_vectopt.wrap(chroma(self.path))

    def test_on_disk_it_may_hold_vectors_alone(self) -> None:
        assert self.make_store().capabilities.durable
        assert not langchain_vectopt.wrap(Chroma("brief", client=chromadb.EphemeralClient())).capabilities.durable


@long
class TestChromaWithTexts(VectorStoreContract):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.path = tmp_path

    def make_store(self) -> Store:
        return langchain_vectopt.wrap(chroma(self.path), texts=True)


class TestFaiss(VectorStoreContract):
    def make_store(self) -> Store:
        return langchain_vectopt.wrap(a_faiss())


class TestInMemoryThatReplays(VectorStoreContract):
    def make_store(self) -> Store:
        return langchain_vectopt.wrap(InMemoryVectorStore)


class TestInMemoryThatEmbeds(VectorStoreContract):
    def make_store(self) -> Store:
        with pytest.warns(UserWarning, match="embeds by itself"):
            return langchain_vectopt.wrap(InMemoryVectorStore(Embedding()))


class TestLlamaIndexSimple(VectorStoreContract):
    def make_store(self) -> Store:
        return llama_index_vectopt.wrap(SimpleVectorStore())


@long
class TestQdrant(VectorStoreContract):
    def make_store(self) -> Store:
        from langchain_qdrant import QdrantVectorStore
        from qdrant_client import QdrantClient, models

        client = QdrantClient(":memory:")
        client.create_collection("mine", vectors_config=models.VectorParams(size=16, distance=models.Distance.COSINE))
        store = langchain_vectopt.wrap(QdrantVectorStore(client, "mine", Embedding()))
        assert not store.capabilities.durable
        return store


@long
class TestLanceDB(VectorStoreContract):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.path = tmp_path

    def make_store(self) -> Store:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from llama_index.vector_stores.lancedb import LanceDBVectorStore

            return llama_index_vectopt.wrap(LanceDBVectorStore(uri=str(self.path), table_name="mine"))


@long
class TestLlamaIndexChroma(VectorStoreContract):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.path = tmp_path

    def make_store(self) -> Store:
        from llama_index.vector_stores.chroma import ChromaVectorStore

        collection = chromadb.PersistentClient(str(self.path)).create_collection("mine")
        return llama_index_vectopt.wrap(ChromaVectorStore(chroma_collection=collection))


class TestLangChainsSuiteOverChroma(VectorStoreIntegrationTests):
    """LangChain's own suite, unmodified, with every vector in a Chroma collection."""

    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[VectorStore]:
        wrapped = langchain_vectopt.wrap(chroma(tmp_path / "chroma"))
        with VectOptVectorStore(self.get_embeddings(), path=tmp_path / "store.db", settings=AT_ONCE, store=wrapped) as store:
            yield store


class TestLangChainsSuiteOverLlamaIndex(VectorStoreIntegrationTests):
    """The same, with LlamaIndex's own store behind LangChain's interface."""

    @pytest.fixture
    def vectorstore(self) -> Iterator[VectorStore]:
        wrapped = llama_index_vectopt.wrap(SimpleVectorStore(), durable=True)
        with VectOptVectorStore(self.get_embeddings(), settings=AT_ONCE, store=wrapped) as store:
            yield store


def test_in_the_suites_vectors_do_go_outside(tmp_path: Path) -> None:
    """What the suites above rest on."""
    theirs = chroma(tmp_path)
    with VectOptVectorStore(Embedding(), settings=AT_ONCE, store=langchain_vectopt.wrap(theirs)) as store:
        store.add_documents([Document("amber", id="a"), Document("birch", id="b")])
        assert theirs._collection.count() == 2
        assert store.stats().vector_bytes == 0
        assert [document.id for document in store.similarity_search("birch", k=1)] == ["b"]
        store.delete(["a"])
        store.add_documents([Document("cedar", id="c")])
        assert theirs._collection.count() == 2


def test_a_langchain_store_serves_llama_index(tmp_path: Path) -> None:
    theirs = chroma(tmp_path)
    embedder = Embedding()
    with VectorManager(embedder=embedder, settings=AT_ONCE, store=langchain_vectopt.wrap(theirs)) as manager:
        store = llama_index_vectopt.VectOptVectorStore(manager=manager)
        store.add([TextNode(id_=word, text=word, embedding=embedder.embed_query(word)) for word in ("amber", "birch", "cedar")])
        manager.drain()
        assert theirs._collection.count() == 3
        assert manager.stats().vector_bytes == 0
        found = store.query(VectorStoreQuery(query_embedding=embedder.embed_query("birch"), similarity_top_k=1))
        assert found.ids == ["birch"]
        assert found.similarities == pytest.approx([1.0], abs=1e-5)
        store.delete_nodes(["birch"])
        manager.drain()
        assert theirs._collection.count() == 2


def test_a_llama_index_store_serves_langchain() -> None:
    theirs = SimpleVectorStore()
    embedding = Embedding()
    with VectOptVectorStore(embedding, settings=AT_ONCE, store=llama_index_vectopt.wrap(theirs)) as store:
        store.add_documents([Document(word, id=word) for word in ("amber", "birch")])
        assert len(theirs.data.embedding_dict) == 2
        assert store.stats().vector_bytes > 0  # it lives in memory: the vectors stay here too
        assert [document.id for document in store.similarity_search("birch", k=1)] == ["birch"]


def test_what_was_there_before_stays(tmp_path: Path) -> None:
    theirs = Chroma("mine", Embedding(), client=chromadb.PersistentClient(str(tmp_path)))
    theirs.add_texts(["their own text"], ids=["theirs"])
    for number in (1, 2):  # two files share the collection
        embedder = Embedding()
        with VectorManager(embedder=embedder, store=langchain_vectopt.wrap(theirs)) as manager:
            vector = embedder.vector("their own text")
            manager.add([Item("their own text", id="ours", vector=vector), Item("another", id="more", vector=embedder.vector("another"))])
            manager.drain()
            assert theirs._collection.count() == 1 + 2 * number
            assert [hit.id for hit in manager.search(vector, 5)] == ["ours", "more"]
            assert manager.reconcile(repair=True).orphans == ()
    assert theirs.get(ids=["theirs"])["documents"] == ["their own text"]


def test_a_chroma_that_lost_records_is_repaired(tmp_path: Path) -> None:
    theirs, embedder = chroma(tmp_path), Embedding()
    with VectorManager(embedder=embedder, store=langchain_vectopt.wrap(theirs)) as manager:
        manager.add([Item(word, id=word, vector=embedder.vector(word)) for word in ("amber", "birch", "cedar")])
        manager.drain()
        lost = theirs._collection.get()["ids"][0]
        theirs._collection.delete(ids=[lost])
        assert manager.reconcile().missing == (lost,)
        manager.reconcile(repair=True)
        manager.drain()
        assert manager.reconcile().clean
        assert theirs._collection.count() == 3


def test_vectors_reach_stores_that_insist_on_embedding() -> None:
    made: list[InMemoryVectorStore] = []

    def make(embedding: Any) -> InMemoryVectorStore:
        made.append(InMemoryVectorStore(embedding))
        return made[0]

    embedder = Embedding()
    with VectorManager(embedder=embedder, store=langchain_vectopt.wrap(make)) as manager:
        manager.add([Item("amber", id="a", vector=embedder.vector("birch")), Item("amber", id="b", vector=embedder.vector("cedar"))])
        manager.drain()
        held = sorted(tuple(one["vector"]) for one in made[0].store.values())
        wanted = sorted(tuple(embedder.embed_query(word)) for word in ("birch", "cedar"))
        np.testing.assert_allclose(held, wanted, rtol=1e-6)
        assert embedder.seen == []  # nothing was embedded for it
        with pytest.raises(ValueError, match="did not come from it"):
            made[0].add_texts(["somebody else's"])


def test_what_can_not_delete_is_refused() -> None:
    class Forever(InMemoryVectorStore):
        delete = VectorStore.delete

    with pytest.raises(ValueError, match="can't delete"):
        langchain_vectopt.wrap(Forever)


@pytest.mark.parametrize("wrap", [langchain_vectopt.wrap, llama_index_vectopt.wrap])
def test_what_is_no_store_is_refused(wrap: Any) -> None:
    with pytest.raises(ValueError, match="vector store"):
        wrap(17)
    with pytest.raises(ValueError, match="must return"):
        langchain_vectopt.wrap(lambda embedding: embedding)


def test_a_name_of_ones_own(tmp_path: Path) -> None:
    assert langchain_vectopt.wrap(chroma(tmp_path), name="the archive").name == "the archive"
    assert ChromaStore(chroma(tmp_path)._collection).name == "chroma:mine"
