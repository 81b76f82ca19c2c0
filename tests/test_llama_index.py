"""The LlamaIndex store."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.schema import Document, IndexNode, NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

from llama_index_vectopt import VectOptVectorStore


def node(id: str, vector: list[float] | None, source: str | None = None, **metadata: object) -> TextNode:
    relationships = {} if source is None else {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=source)}
    return TextNode(id_=id, text=f"text of {id}", embedding=vector, metadata=metadata, relationships=relationships)


@pytest.fixture
def store() -> Iterator[VectOptVectorStore]:
    store = VectOptVectorStore()
    store.add(
        [
            node("a", [1.0, 0.0], "doc1", n=1, colour="red"),
            node("b", [0.0, 1.0], "doc1", n=2),
            node("c", [0.7, 0.7], "doc2", n=3, colour="blue"),
            node("orphan", [-1.0, 0.0]),
        ]
    )
    yield store
    store.close()


def ask(store: VectOptVectorStore, **options: object) -> list[str]:
    options.setdefault("query_embedding", [1.0, 0.1])
    options.setdefault("similarity_top_k", 4)
    return store.query(VectorStoreQuery(**options)).ids


def test_default_mode_ranks_by_cosine_and_fills_all_three_lists(store: VectOptVectorStore) -> None:
    result = store.query(VectorStoreQuery(query_embedding=[1.0, 0.0], similarity_top_k=3))
    assert result.ids == [one.node_id for one in result.nodes] == ["a", "c", "b"]
    assert result.similarities == pytest.approx([1.0, 0.5**0.5, 0.0], abs=1e-5)
    assert all(type(one) is float for one in result.similarities)


def test_nodes_come_back_whole(store: VectOptVectorStore) -> None:
    found = store.get_nodes(["a"])[0]
    assert found.get_content() == "text of a"
    assert found.metadata == {"n": 1, "colour": "red"}
    assert found.ref_doc_id == "doc1"
    assert found.embedding == [1.0, 0.0]
    store.add([IndexNode(id_="i", text="an index node", index_id="other", embedding=[0.5, 0.5])])
    assert isinstance(store.get_nodes(["i"])[0], IndexNode)


def test_an_empty_list_of_ids_restricts_nothing(store: VectOptVectorStore) -> None:
    assert len(ask(store, node_ids=[])) == 4
    assert ask(store, node_ids=["b", "c"]) == ["c", "b"]
    assert ask(store, doc_ids=["doc1"]) == ["a", "b"]


def test_text_and_hybrid_modes(store: VectOptVectorStore) -> None:
    assert ask(store, mode=VectorStoreQueryMode.TEXT_SEARCH, query_embedding=None, query_str="b", similarity_top_k=1) == ["b"]
    hybrid = ask(store, mode=VectorStoreQueryMode.HYBRID, query_str="orphan", alpha=0.0, similarity_top_k=1)
    assert hybrid == ["orphan"]
    assert ask(store, mode=VectorStoreQueryMode.HYBRID, query_str="orphan", alpha=1.0, similarity_top_k=1) == ["a"]
    assert len(ask(store, mode=VectorStoreQueryMode.MMR, similarity_top_k=2)) == 2


def test_other_modes_are_refused_by_name(store: VectOptVectorStore) -> None:
    with pytest.raises(ValueError, match="svm"):
        ask(store, mode=VectorStoreQueryMode.SVM)


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        (FilterOperator.EQ, 1, {"a"}),
        (FilterOperator.NE, 1, {"b", "c", "orphan"}),
        (FilterOperator.GT, 1, {"b", "c"}),
        (FilterOperator.LTE, 2, {"a", "b"}),
        (FilterOperator.IN, [1, 3], {"a", "c"}),
        (FilterOperator.NIN, [1, 3], {"b", "orphan"}),
        (FilterOperator.IS_EMPTY, None, {"orphan"}),
        (FilterOperator.EQ, None, set()),
    ],
)
def test_operators_with_the_cores_meaning_of_missing_fields(
    store: VectOptVectorStore, operator: FilterOperator, value: object, expected: set[str]
) -> None:
    filters = MetadataFilters(filters=[MetadataFilter(key="n", value=value, operator=operator)])
    assert set(ask(store, filters=filters)) == expected
    assert {one.node_id for one in store.get_nodes(filters=filters)} == expected


def test_nested_conditions(store: VectOptVectorStore) -> None:
    red, blue = (MetadataFilters(filters=[MetadataFilter(key="colour", value=colour)]) for colour in ("red", "blue"))
    assert set(ask(store, filters=MetadataFilters(filters=[red, blue], condition=FilterCondition.OR))) == {"a", "c"}
    assert set(ask(store, filters=MetadataFilters(filters=[red, blue], condition=FilterCondition.NOT))) == {"b", "orphan"}
    assert ask(store, filters=MetadataFilters(filters=[red, blue], condition=FilterCondition.AND)) == []


def test_deleting_by_document_node_and_all(store: VectOptVectorStore) -> None:
    store.delete("None")
    assert len(store.get_nodes()) == 4, "nodes without a document are no document's"
    store.delete("doc1")
    assert {one.node_id for one in store.get_nodes()} == {"c", "orphan"}
    store.delete_nodes(["c", "unknown"])
    assert ask(store) == ["orphan"]
    store.clear()
    assert store.get_nodes() == []


async def test_async_twins(store: VectOptVectorStore) -> None:
    await store.async_add([node("d", [0.9, 0.1], "doc3")])
    assert (await store.aquery(VectorStoreQuery(query_embedding=[0.9, 0.1], similarity_top_k=1))).ids == ["d"]
    assert [one.node_id for one in await store.aget_nodes(["d"])] == ["d"]
    await store.adelete("doc3")
    await store.adelete_nodes(["a"])
    assert {one.node_id for one in await store.aget_nodes()} == {"b", "c", "orphan"}
    await store.aclear()
    assert await store.aget_nodes() == []


def test_nodes_without_an_embedding_are_found_by_their_words(store: VectOptVectorStore) -> None:
    store.add([node("late", None)])
    assert ask(store, mode=VectorStoreQueryMode.TEXT_SEARCH, query_embedding=None, query_str="late", similarity_top_k=1) == ["late"]


def test_an_index_over_the_store(tmp_path: Path) -> None:
    model = MockEmbedding(embed_dim=4)
    store = VectOptVectorStore(tmp_path / "store.db", embed_model=model)
    index = VectorStoreIndex.from_documents(
        [Document(text="alpha", id_="d1"), Document(text="beta", id_="d2")],
        storage_context=StorageContext.from_defaults(vector_store=store),
        embed_model=model,
    )
    assert {found.get_content() for found in index.as_retriever(similarity_top_k=2).retrieve("alpha")} == {"alpha", "beta"}
    index.delete_ref_doc("d1")
    assert [found.get_content() for found in index.as_retriever().retrieve("alpha")] == ["beta"]
    store.close()
    again = VectOptVectorStore(tmp_path / "store.db", embed_model=model)
    reopened = VectorStoreIndex.from_vector_store(again, embed_model=model)
    assert [found.get_content() for found in reopened.as_retriever().retrieve("beta")] == ["beta"]
    again.close()
