"""Pipelines and indexes that leave the decision to the store; whatever they believe stored is there."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import BaseNode, MetadataMode, TextNode
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores.types import VectorStoreQuery

from llama_index_vectopt import Budget, DeferredEmbedding, VectOptVectorStore
from vectopt import Tier, VectorManager

from .fakes import DAY, FakeClock, HashEmbedder
from .llama_models import CountingEmbedding

Opened = tuple[VectOptVectorStore, CountingEmbedding]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    model = CountingEmbedding()
    with VectOptVectorStore(tmp_path / "s.db", embed_model=model) as store:
        yield store, model


class Unasked(CountingEmbedding):
    """Nobody may ask it for anything."""

    def _vector(self, text: str) -> list[float]:
        raise AssertionError(f"asked for {text!r}")


def texts(nodes: Sequence[BaseNode]) -> list[str]:
    return sorted(node.get_content() for node in nodes)


def test_the_store_embeds_what_the_framework_would_have_embedded(opened: Opened) -> None:
    store, model = opened
    node = TextNode(id_="a", text="the words", metadata={"title": "A title", "hidden": "x"}, excluded_embed_metadata_keys=["hidden"])
    store.add([node])
    assert model.asked == [node.get_content(MetadataMode.EMBED)] == ["title: A title\n\nthe words"]
    (found,) = store.get_nodes()
    assert found.embedding == pytest.approx(model.get_query_embedding(node.get_content(MetadataMode.EMBED)), abs=1e-6)
    assert found.get_content() == "the words"


def test_so_does_an_embedder_of_vectopts() -> None:
    with VectOptVectorStore(embed_model=HashEmbedder(8)) as store:
        node = TextNode(id_="a", text="the words", metadata={"title": "A title"})
        store.add([node])
        expected = HashEmbedder(8).embed([node.get_content(MetadataMode.EMBED)], "document")[0].tolist()
        assert store.get_nodes()[0].embedding == pytest.approx(expected)


def test_nodes_that_arrive_embedded_are_used_as_they_are(opened: Opened) -> None:
    store, model = opened
    given = [TextNode(id_="a", text="one", embedding=[1.0] * 64), TextNode(id_="b", text="two")]
    assert [node.embedding for node in DeferredEmbedding(model)(given)] == [[1.0] * 64, []]
    store.add(given)
    assert model.asked == ["two"]
    assert store.get_nodes(["a"])[0].embedding == pytest.approx([1.0] * 64)


def test_copies_are_embedded_once(opened: Opened) -> None:
    store, model = opened
    documents = [Document(id_=f"d{number}", text="The user prefers dark mode in the evening.") for number in range(20)]
    pipeline = IngestionPipeline(transformations=[SentenceSplitter(), DeferredEmbedding(model)], vector_store=store)
    pipeline.run(documents=documents)
    assert len(model.asked) == 1
    assert len(store.get_nodes()) == 20
    stats = store.client.stats()
    assert (stats.embeddings_made, stats.embeddings_avoided) == (1, 19)


def test_a_budget_decides_and_everything_can_still_be_found() -> None:
    model = CountingEmbedding()
    with VectOptVectorStore(embed_model=model, budget=Budget(max_vectors=5)) as store:
        words = [f"alpha{chr(97 + number)} bravo{chr(97 + number)} charlie{chr(97 + number)}" for number in range(20)]
        index = VectorStoreIndex(
            [TextNode(id_=word.split()[0], text=word) for word in words],
            storage_context=StorageContext.from_defaults(vector_store=store),
            embed_model=DeferredEmbedding(model),
        )
        assert store.client.stats().vectors <= 5
        for word in words:
            assert index.as_retriever(similarity_top_k=1, vector_store_query_mode="hybrid").retrieve(word)[0].get_content() == word


def test_an_index_asks_for_queries_alone(opened: Opened) -> None:
    store, model = opened
    index = VectorStoreIndex.from_documents(
        [Document(id_="d1", text="alpha words"), Document(id_="d2", text="beta words")],
        storage_context=StorageContext.from_defaults(vector_store=store),
        embed_model=DeferredEmbedding(model),
    )
    assert sorted(model.asked) == ["alpha words", "beta words"], "once each, by the store"
    assert [one.get_content() for one in index.as_retriever(similarity_top_k=1).retrieve("beta")] == ["beta words"]
    index.delete_ref_doc("d2")
    index.insert(Document(id_="d3", text="gamma words"))
    assert [one.get_content() for one in index.as_retriever(similarity_top_k=1).retrieve("gamma")] == ["gamma words"]
    assert texts(store.get_nodes()) == ["alpha words", "gamma words"]


def test_a_store_that_embeds_queries_too() -> None:
    with VectOptVectorStore(embed_model=CountingEmbedding(), is_embedding_query=False) as store:
        store.add([TextNode(text="alpha words"), TextNode(text="beta words")])
        index = VectorStoreIndex.from_vector_store(store, embed_model=Unasked())
        for mode in ("default", "hybrid", "mmr"):
            (found,) = index.as_retriever(similarity_top_k=1, vector_store_query_mode=mode).retrieve("beta")
            assert found.get_content() == "beta words"


def test_without_a_model_deferred_nodes_wait_and_are_found_by_words(tmp_path: Path) -> None:
    with VectOptVectorStore(tmp_path / "s.db") as store:
        store.add(DeferredEmbedding(CountingEmbedding())([TextNode(id_="a", text="waiting words")]))
        assert store.query(VectorStoreQuery(query_str="waiting", similarity_top_k=1)).ids == ["a"]
        assert store.client.get(["a"])[0].tier is Tier.QUEUED
    model = CountingEmbedding()
    with VectOptVectorStore(tmp_path / "s.db", embed_model=model) as store:
        store.client.drain()
        assert model.asked == ["waiting words"]


Pipelines = Callable[[DocstoreStrategy], IngestionPipeline]


@pytest.fixture(params=["deferred", "embedded"])
def pipelines(request: pytest.FixtureRequest, opened: Opened) -> Pipelines:
    store, model = opened
    step = DeferredEmbedding(model) if request.param == "deferred" else model

    def pipeline(strategy: DocstoreStrategy) -> IngestionPipeline:
        splitter = SentenceSplitter(chunk_size=40, chunk_overlap=0)
        docstore = SimpleDocumentStore()
        return IngestionPipeline(transformations=[splitter, step], vector_store=store, docstore=docstore, docstore_strategy=strategy)

    return pipeline


def test_upserts_replace_what_changed_and_keep_the_rest(opened: Opened, pipelines: Pipelines) -> None:
    store, model = opened
    pipeline = pipelines(DocstoreStrategy.UPSERTS)
    pipeline.run(documents=[Document(id_="a", text="first text of a"), Document(id_="b", text="text of b")])
    paid = len(model.asked)
    pipeline.run(documents=[Document(id_="a", text="first text of a")])
    assert len(model.asked) == paid, "what is unchanged costs nothing"
    pipeline.run(documents=[Document(id_="a", text="second text of a")])
    assert texts(store.get_nodes()) == ["second text of a", "text of b"]
    pipeline.run(documents=[Document(id_="a", text="first text of a")])
    assert texts(store.get_nodes()) == ["first text of a", "text of b"], "what the pipeline's cache remembers is stored again"


def test_upserts_and_delete_remove_what_is_gone(opened: Opened, pipelines: Pipelines) -> None:
    store, _ = opened
    pipeline = pipelines(DocstoreStrategy.UPSERTS_AND_DELETE)
    pipeline.run(documents=[Document(id_="a", text="text of a"), Document(id_="b", text="text of b")])
    pipeline.run(documents=[Document(id_="b", text="text of b"), Document(id_="c", text="text of c")])
    assert texts(store.get_nodes()) == ["text of b", "text of c"]


def test_duplicates_only_stores_a_document_once(opened: Opened, pipelines: Pipelines) -> None:
    store, _ = opened
    pipeline = pipelines(DocstoreStrategy.DUPLICATES_ONLY)
    for _ in range(2):
        pipeline.run(documents=[Document(id_="a", text="text of a"), Document(id_="b", text="text of b")])
    assert texts(store.get_nodes()) == ["text of a", "text of b"]


async def test_pipelines_run_asynchronously_too(opened: Opened, pipelines: Pipelines) -> None:
    store, _ = opened
    pipeline = pipelines(DocstoreStrategy.UPSERTS)
    await pipeline.arun(documents=[Document(id_="a", text="first text of a")])
    await pipeline.arun(documents=[Document(id_="a", text="second text of a")])
    assert texts(store.get_nodes()) == ["second text of a"]


def test_several_processes_transform_and_one_store_takes_all_in(opened: Opened) -> None:
    store, model = opened
    pipeline = IngestionPipeline(transformations=[DeferredEmbedding(model)], vector_store=store)
    pipeline.run(documents=[Document(text=f"text number {number}") for number in range(4)], num_workers=2)
    assert len(store.get_nodes()) == 4
    assert len(model.asked) == 4


def test_what_a_pipeline_stored_outlives_its_time_as_a_temp_vector(tmp_path: Path) -> None:
    """A docstore never offers a document twice: what it believes stored must not go when a temp vector's time is over."""
    clock = FakeClock()
    with VectorManager(tmp_path / "s.db", embedder=HashEmbedder(8), clock=clock) as manager:
        store = VectOptVectorStore(manager=manager)
        pipeline = IngestionPipeline(
            transformations=[SentenceSplitter(), DeferredEmbedding(CountingEmbedding())],
            vector_store=store,
            docstore=SimpleDocumentStore(),
            docstore_strategy=DocstoreStrategy.UPSERTS,
        )
        documents = [Document(id_=f"d{number}", text=f"Error: disk {chr(97 + number)} failed at midnight") for number in range(5)]
        pipeline.run(documents=documents)
        assert {item.tier for item in manager.scan()} & {Tier.TEMP}, "the rules made some of them temp vectors"
        for _ in range(3):
            clock.advance(2 * DAY)
            manager.drain()
        pipeline.run(documents=documents)
        assert texts(store.get_nodes()) == sorted(document.text for document in documents)
        for document in documents:
            assert (
                store.query(VectorStoreQuery(query_str=document.text, similarity_top_k=1, mode="hybrid")).nodes[0].get_content()
                == document.text
            )
