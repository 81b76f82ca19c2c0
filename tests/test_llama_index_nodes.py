"""What LlamaIndex hands in comes back as it was: nodes of every kind, and the store itself from another process."""

import asyncio
import copy
import json
import multiprocessing
import pickle
import threading
from pathlib import Path

import pytest
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import (
    BaseNode,
    ImageNode,
    IndexNode,
    MediaResource,
    MetadataMode,
    Node,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores.types import MetadataFilter, MetadataFilters, VectorStoreQuery

from llama_index_vectopt import Budget, DeferredEmbedding, VectOptVectorStore
from vectopt import QueueSettings, Settings, VectorManager
from vectopt.errors import StoreError

from .fakes import HashEmbedder
from .llama_models import CountingEmbedding

PARENT = RelatedNodeInfo(node_id="parent", metadata={"x": 1}, hash="h")
NODES = [
    TextNode(id_="text", text="plain", metadata={"page": 1, "nested": {"a": [1, None, {"b": "c"}]}, "when": "2026-01-01"}),
    TextNode(id_="template", text="t", text_template="<{content}|{metadata_str}>", metadata_template="{key}={value}", metadata={"k": "v"}),
    TextNode(id_="excluded", text="t", excluded_embed_metadata_keys=["a"], excluded_llm_metadata_keys=["b"], metadata={"a": 1, "b": 2}),
    TextNode(id_="spans", text="t", start_char_idx=3, end_char_idx=9, mimetype="text/markdown"),
    TextNode(
        id_="relations",
        text="t",
        metadata={"x": 1},
        relationships={
            NodeRelationship.SOURCE: RelatedNodeInfo(node_id="doc", metadata={"x": 1}),
            NodeRelationship.PARENT: PARENT,
            NodeRelationship.CHILD: [RelatedNodeInfo(node_id="one", metadata={"x": 1}), RelatedNodeInfo(node_id="two")],
        },
    ),
    TextNode(
        id_="namesakes",
        text="t",
        metadata={"before": 0, "doc_id": "mine", "after": 1, "_node": "mine"},
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id="doc")},
    ),
    IndexNode(id_="index", text="summary", index_id="other", obj=TextNode(id_="inner", text="inner")),
    ImageNode(id_="image", text="a caption", image_url="http://localhost/a.png", image_mimetype="image/png"),
    Node(id_="media", text_resource=MediaResource(text="words"), image_resource=MediaResource(url="http://localhost/a.png")),
]


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.node_id)
def test_a_node_comes_back_as_it_was(node: BaseNode) -> None:
    before = node.model_copy(deep=True)
    with VectOptVectorStore() as store:
        store.add([node])
        (found,) = store.get_nodes()
        (hit,) = store.query(VectorStoreQuery(query_str=node.get_content(), mode="text_search", similarity_top_k=1)).nodes
    for one in (found, hit):
        assert type(one) is type(node)
        assert one.model_dump() == before.model_dump()
        assert one.hash == before.hash
        assert one.get_content(MetadataMode.EMBED) == before.get_content(MetadataMode.EMBED)
    assert node.model_dump() == before.model_dump(), "what was handed in is left alone"


def test_a_document_comes_back_as_a_text_node() -> None:
    with VectOptVectorStore() as store:
        store.add([Document(id_="d", text="words", metadata={"a": 1})])
        (found,) = store.get_nodes()
        assert (type(found), found.get_content(), found.metadata, found.ref_doc_id) == (TextNode, "words", {"a": 1}, None)


def test_split_documents_keep_their_order_and_source() -> None:
    document = Document(id_="doc", text="One sentence here. " * 60, metadata={"title": "A title", "doc_id": "the caller's own"})
    nodes = SentenceSplitter(chunk_size=60, chunk_overlap=0)([document])
    with VectOptVectorStore() as store:
        store.add(nodes)
        found = store.get_nodes([node.node_id for node in nodes])
        assert [one.model_dump() for one in found] == [one.model_dump() for one in nodes]
        filters = MetadataFilters(filters=[MetadataFilter(key="doc_id", value="doc")])
        assert len(store.get_nodes(filters=filters)) == len(nodes), "LlamaIndex's own names find the document"


def test_items_that_came_by_another_way_are_text_nodes() -> None:
    with VectorManager() as manager:
        manager.add([{"id": "a", "content": "by another way", "metadata": {"n": 1}}])
        store = VectOptVectorStore(manager=manager)
        (found,) = store.get_nodes()
        assert (type(found), found.node_id, found.get_content(), found.metadata) == (TextNode, "a", "by another way", {"n": 1})
        store.close()
        assert manager.stats().items == 1, "a manager of the caller's own stays open"


def test_to_dict_tells_no_secret_and_opens_the_same_store(tmp_path: Path) -> None:
    model = CountingEmbedding()
    store = VectOptVectorStore(tmp_path / "s.db", namespace="n", budget=Budget(max_vectors=5), embed_model=model, collapse_duplicates=False)
    store.add([TextNode(id_="a", text="kept")])
    told = json.dumps(store.to_dict())
    assert model.api_key not in told
    assert model.api_key not in store.to_json() + repr(store) + json.dumps(DeferredEmbedding(model).to_dict())
    store.close()
    with VectOptVectorStore.from_dict(json.loads(told), embed_model=model) as again:
        assert [one.node_id for one in again.get_nodes()] == ["a"]
        assert (again.namespace, again.client.budget, again.collapse_duplicates) == ("n", Budget(max_vectors=5), False)


def test_arguments_that_contradict_or_mean_nothing_are_refused(tmp_path: Path) -> None:
    with VectorManager() as manager, pytest.raises(ValueError, match="leave these out"):
        VectOptVectorStore(tmp_path / "s.db", manager=manager)
    with pytest.raises(TypeError, match="max_vector"):
        VectOptVectorStore(max_vector=3)
    with pytest.raises(ValueError, match="namespace"):
        VectOptVectorStore(namespace="")


def _child(data: bytes, results: "multiprocessing.Queue[list[str]]") -> None:
    with pickle.loads(data) as store:
        store.add([TextNode(id_="from the child", text="written elsewhere")])
        results.put(sorted(node.node_id for node in store.get_nodes()))


@pytest.mark.parametrize("named", [True, False])
def test_another_process_opens_what_was_pickled(tmp_path: Path, named: bool) -> None:
    settings = Settings(queue=QueueSettings(batch_texts=7))
    path = tmp_path / "s.db" if named else None
    with VectOptVectorStore(path, namespace="n", embed_model=CountingEmbedding(), budget=Budget(max_vectors=9), settings=settings) as store:
        store.add([TextNode(id_="a", text="kept")])
        context = multiprocessing.get_context("spawn")
        results = context.Queue()
        child = context.Process(target=_child, args=(pickle.dumps(store), results))
        child.start()
        assert results.get(timeout=60) == ["a", "from the child"]
        child.join(60)
        assert len(store.get_nodes()) == 2
        with pickle.loads(pickle.dumps(store)) as again:
            assert (again.client.settings, again.client.budget, again.namespace) == (settings, Budget(max_vectors=9), "n")
            assert again.path == (None if path is None else str(path))
        assert store.client.stats().items == 2, "closing the other leaves this one open"


def test_copies_are_handles_of_one_store() -> None:
    store = VectOptVectorStore(embed_model=HashEmbedder(8))
    for other in (copy.copy(store), copy.deepcopy(store), store.model_copy(), store.model_copy(deep=True)):
        other.add([TextNode(text="by a copy")])
        other.close()
    assert len(store.get_nodes()) == 4
    store.close()
    with pytest.raises(StoreError):
        store.get_nodes()


def test_persisting_a_storage_context_leaves_the_stores_file_alone(tmp_path: Path) -> None:
    with VectOptVectorStore(tmp_path / "s.db") as store:
        context = StorageContext.from_defaults(vector_store=store)
        VectorStoreIndex.from_documents([Document(text="kept")], storage_context=context, embed_model=MockEmbedding(embed_dim=2))
        context.persist(str(tmp_path / "persisted"))
    with VectOptVectorStore(tmp_path / "s.db") as store:
        assert [one.get_content() for one in store.get_nodes()] == ["kept"]


class _Waiting(CountingEmbedding):
    """Answers once the event loop has gone on meanwhile; a blocked loop never lets it."""

    def _heard(self) -> None:
        assert PULSE.wait(20), "the event loop stood still"

    def _get_text_embedding(self, text: str) -> list[float]:
        self._heard()
        return super()._get_text_embedding(text)

    def _get_query_embedding(self, query: str) -> list[float]:
        self._heard()
        return super()._get_query_embedding(query)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)


PULSE = threading.Event()


async def test_the_event_loop_goes_on_while_a_model_works() -> None:
    async with VectOptVectorStore(embed_model=_Waiting()) as store:
        for call in (
            lambda: store.async_add([TextNode(id_="a", text="words to be found")]),
            lambda: store.aquery(VectorStoreQuery(query_str="words", similarity_top_k=1)),
            lambda: store.aquery(VectorStoreQuery(query_str="words", similarity_top_k=1, mode="hybrid")),
            lambda: store.aquery(VectorStoreQuery(query_str="words", similarity_top_k=1, mode="mmr")),
        ):
            PULSE.clear()
            asyncio.get_running_loop().call_later(0.01, PULSE.set)
            result = await call()
        assert result.ids == ["a"]


async def test_no_async_form_is_done_without_giving_the_loop_back(tmp_path: Path) -> None:
    """What works on the loop itself is done in its first turn; what works elsewhere is not."""
    async with VectOptVectorStore(tmp_path / "s.db") as store:
        await store.async_add([TextNode(id_="a", text="t", embedding=[1.0])])
        everything = [
            lambda: store.async_add([TextNode(id_="b", text="u", embedding=[1.0])]),
            lambda: store.adelete("doc"),
            lambda: store.adelete_nodes(["b"]),
            store.aget_nodes,
            lambda: store.aquery(VectorStoreQuery(query_embedding=[1.0])),
            store.aclear,
        ]
        for call in everything:
            task = asyncio.ensure_future(call())
            await asyncio.sleep(0)
            assert not task.done(), "it was done within one turn of the loop: it blocked it"
            await task
