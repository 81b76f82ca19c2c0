"""The LlamaIndex store."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.schema import Document, ImageNode, IndexNode, NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

from llama_index_vectopt import VectOptVectorStore
from vectopt import VectoptError


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


@pytest.mark.parametrize(
    "mode", [VectorStoreQueryMode.SVM, VectorStoreQueryMode.LOGISTIC_REGRESSION, VectorStoreQueryMode.LINEAR_REGRESSION]
)
def test_other_modes_are_refused_by_name(store: VectOptVectorStore, mode: VectorStoreQueryMode) -> None:
    with pytest.raises(ValueError, match=mode.value):
        ask(store, mode=mode)


def test_what_could_not_be_heeded_is_refused(store: VectOptVectorStore) -> None:
    with pytest.raises(ValueError, match="embedding_field"):
        ask(store, embedding_field="title")
    with pytest.raises(ValueError, match="output_fields"):
        ask(store, output_fields=["text"])
    with pytest.raises(ValueError, match="needs query_str"):
        ask(store, mode=VectorStoreQueryMode.HYBRID)
    with pytest.raises(ValueError, match="neither text nor embedding nor filters"):
        store.query(VectorStoreQuery(similarity_top_k=1))
    question = VectorStoreQuery(query_embedding=[1.0, 0.0])
    for call in (lambda: store.query(question, where={}), lambda: store.add([], index_id="1"), lambda: store.delete("doc1", soft=True)):
        with pytest.raises(TypeError, match="unknown arguments"):
            call()
    assert len(store.get_nodes()) == 4


@pytest.mark.parametrize(
    ("asked", "kwargs", "expected"),
    [
        (0.0, {}, ["a", "c"]),
        (0.25, {}, ["a", "c"]),
        (1.0, {}, ["a", "b"]),
        (None, {}, ["a", "b"]),
        (None, {"mmr_threshold": 0.0}, ["a", "c"]),
        (None, {"mmr_threshold": 1.0}, ["a", "b"]),
        (1.0, {"mmr_threshold": 0.0}, ["a", "c"]),
        (0.0, {"mmr_threshold": 1.0}, ["a", "b"]),
        (0.0, {"mmr_threshold": None}, ["a", "b"]),
        (0.0, {"mmr_prefetch_k": 2}, ["a", "b"]),
        (0.0, {"mmr_prefetch_factor": 1.0}, ["a", "b"]),
    ],
)
def test_the_threshold_of_mmr_comes_with_the_call_or_with_the_query(asked: float | None, kwargs: dict, expected: list[str]) -> None:
    with VectOptVectorStore() as store:
        store.add([TextNode(id_=id, embedding=vector) for id, vector in (("a", [1.0, 0.0]), ("b", [1.0, 0.0]), ("c", [0.0, 1.0]))])
        query = VectorStoreQuery(query_embedding=[1.0, 0.0], similarity_top_k=2, mode=VectorStoreQueryMode.MMR, mmr_threshold=asked)
        assert store.query(query, **kwargs).ids == expected


def test_mmr_takes_one_way_of_prefetching(store: VectOptVectorStore) -> None:
    query = VectorStoreQuery(query_embedding=[1.0, 0.0], mode=VectorStoreQueryMode.MMR)
    with pytest.raises(ValueError, match="not both"):
        store.query(query, mmr_prefetch_k=16, mmr_prefetch_factor=2.0)
    with pytest.raises(TypeError, match="mmr_threshold"):
        store.query(VectorStoreQuery(query_embedding=[1.0, 0.0]), mmr_threshold=0.5)


def test_the_retriever_hands_its_threshold_on(store: VectOptVectorStore) -> None:
    index = VectorStoreIndex.from_vector_store(store, embed_model=MockEmbedding(embed_dim=2))
    for threshold, expected in ((1.0, {"c", "a"}), (0.0, {"c", "orphan"})):
        options = {"vector_store_kwargs": {"mmr_threshold": threshold}, "vector_store_query_mode": VectorStoreQueryMode.MMR}
        retriever = index.as_retriever(similarity_top_k=2, **options)
        assert {found.node.node_id for found in retriever.retrieve("anything")} == expected


def test_filters_alone_list_what_passes(store: VectOptVectorStore) -> None:
    filters = MetadataFilters(filters=[MetadataFilter(key="n", value=1, operator=FilterOperator.GT)])
    result = store.query(VectorStoreQuery(filters=filters, similarity_top_k=5))
    assert result.ids == [found.node_id for found in result.nodes] == ["b", "c"]
    assert result.similarities == [1.0, 1.0]
    assert store.query(VectorStoreQuery(filters=filters, similarity_top_k=1)).ids == ["b"]
    assert store.query(VectorStoreQuery(node_ids=["c", "a"], similarity_top_k=5)).ids == ["c", "a"]


def test_an_empty_result_still_has_all_three_lists() -> None:
    with VectOptVectorStore() as store:
        result = store.query(VectorStoreQuery(query_embedding=[1.0, 0.0], similarity_top_k=3))
        assert (result.nodes, result.ids, result.similarities) == ([], [], [])


@pytest.mark.parametrize(
    ("doc_ids", "expected"), [(None, {"a", "b", "c", "orphan"}), ([], set()), (["none"], set()), (["doc1"], {"a", "b"})]
)
@pytest.mark.parametrize("mode", [VectorStoreQueryMode.DEFAULT, VectorStoreQueryMode.MMR])
def test_a_retriever_of_some_documents(
    store: VectOptVectorStore, doc_ids: list[str] | None, expected: set[str], mode: VectorStoreQueryMode
) -> None:
    index = VectorStoreIndex.from_vector_store(store, embed_model=MockEmbedding(embed_dim=2))
    retriever = index.as_retriever(doc_ids=doc_ids, similarity_top_k=10, vector_store_query_mode=mode)
    assert {found.node.node_id for found in retriever.retrieve("anything")} == expected


def test_ids_documents_and_filters_narrow_together(store: VectOptVectorStore) -> None:
    filters = MetadataFilters(filters=[MetadataFilter(key="n", value=2)])
    assert ask(store, doc_ids=["doc1"], node_ids=["a", "b", "c"], filters=filters) == ["b"]
    assert ask(store, doc_ids=["None"]) == [], "nodes without a document are no document's"


def test_an_id_given_twice_counts_once_and_the_last_one_stays(store: VectOptVectorStore) -> None:
    assert store.add([node("twice", [1.0, 0.0], n=1), node("twice", [0.0, 1.0], n=2)]) == ["twice", "twice"]
    assert [(found.metadata, found.embedding) for found in store.get_nodes(["twice"])] == [({"n": 2}, [0.0, 1.0])]
    store.add([TextNode(id_="twice", text="other words", embedding=[1.0, 0.0])])
    store.add([TextNode(id_="twice", text="other words", embedding=[1.0, 0.0])])
    assert [found.get_content() for found in store.get_nodes(["twice"])] == ["other words"]
    assert len(store.get_nodes()) == 5


def test_a_bad_node_stores_nothing(store: VectOptVectorStore) -> None:
    with pytest.raises(VectoptError, match="bad"):
        store.add([node("good", [1.0, 0.0]), TextNode(id_="bad", text="t", metadata={"when": object()}, embedding=[1.0, 0.0])])
    with pytest.raises(VectoptError, match="dimensions"):
        store.add([node("good", [1.0, 0.0]), node("long", [1.0, 0.0, 0.0])])
    assert store.get_nodes(["good", "bad", "long"]) == []


def test_images_without_text_are_nobodys_copies() -> None:
    with VectOptVectorStore() as store:
        store.add([ImageNode(id_=name, image_url=f"http://localhost/{name}.png", embedding=[1.0, 0.0]) for name in ("one", "two")])
        assert sorted(ask(store)) == ["one", "two"]
        store.add([ImageNode(id_="one", image_url="http://localhost/new.png")])
        found = store.get_nodes(["one"])[0]
        assert isinstance(found, ImageNode)
        assert (found.image_url, found.embedding) == ("http://localhost/new.png", [1.0, 0.0]), "what says nothing new keeps its vector"


def test_texts_that_say_the_same_share_a_place_unless_told_otherwise() -> None:
    same = [TextNode(id_=id, text="the very same text", embedding=[1.0, 0.0], metadata={"n": n}) for n, id in enumerate(("a", "b"))]
    with VectOptVectorStore() as store:
        store.add(same)
        assert ask(store) == ["a"]
        assert ask(store, filters=MetadataFilters(filters=[MetadataFilter(key="n", value=1)])) == ["b"]
        assert len(store.get_nodes()) == 2
    with VectOptVectorStore(collapse_duplicates=False) as store:
        store.add(same)
        assert ask(store) == ["a", "b"]
        assert ask(store, mode=VectorStoreQueryMode.MMR) == ["a", "b"]


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
        (FilterOperator.GTE, 2, {"b", "c"}),
        (FilterOperator.LT, 2, {"a"}),
        (FilterOperator.EQ, "1", set()),
    ],
)
def test_operators_with_the_cores_meaning_of_missing_fields(
    store: VectOptVectorStore, operator: FilterOperator, value: object, expected: set[str]
) -> None:
    filters = MetadataFilters(filters=[MetadataFilter(key="n", value=value, operator=operator)])
    assert set(ask(store, filters=filters)) == expected
    assert {one.node_id for one in store.get_nodes(filters=filters)} == expected


@pytest.mark.parametrize(
    ("key", "operator", "value", "expected"),
    [
        ("tags", FilterOperator.ANY, ["x", "z"], {"t", "u"}),
        ("tags", FilterOperator.ALL, ["x", "y"], {"t"}),
        ("tags", FilterOperator.CONTAINS, "y", {"t"}),
        ("tags", FilterOperator.IS_EMPTY, None, {"v", "w"}),
        ("name", FilterOperator.TEXT_MATCH, "Lin", {"t"}),
        ("name", FilterOperator.TEXT_MATCH, "lin", set()),
        ("name", FilterOperator.TEXT_MATCH_INSENSITIVE, "lin", {"t"}),
        ("name", FilterOperator.NE, "Linus", {"u", "v", "w"}),
        ("missing", FilterOperator.NIN, ["x"], {"t", "u", "v", "w"}),
        ("missing", FilterOperator.GT, 0, set()),
        ("a.b", FilterOperator.EQ, 1, {"u"}),
    ],
)
def test_operators_on_lists_and_texts(key: str, operator: FilterOperator, value: object, expected: set[str]) -> None:
    with VectOptVectorStore() as store:
        store.add(
            [
                node("t", [1.0, 0.0], tags=["x", "y"], name="Linus"),
                node("u", [0.0, 1.0], tags=["z"], a={"b": 1}),
                node("v", [0.5, 0.5], tags=[]),
                node("w", [0.5, 0.1]),
            ]
        )
        filters = MetadataFilters(filters=[MetadataFilter(key=key, value=value, operator=operator)])
        assert set(ask(store, filters=filters)) == {one.node_id for one in store.get_nodes(filters=filters)} == expected


def test_nested_conditions(store: VectOptVectorStore) -> None:
    red, blue = (MetadataFilters(filters=[MetadataFilter(key="colour", value=colour)]) for colour in ("red", "blue"))
    assert set(ask(store, filters=MetadataFilters(filters=[red, blue], condition=FilterCondition.OR))) == {"a", "c"}
    assert set(ask(store, filters=MetadataFilters(filters=[red, blue], condition=FilterCondition.NOT))) == {"b", "orphan"}
    assert ask(store, filters=MetadataFilters(filters=[red, blue], condition=FilterCondition.AND)) == []
    assert ask(store, filters=MetadataFilters(filters=[red, blue], condition=None)) == []
    some = MetadataFilters(filters=[red, blue], condition=FilterCondition.OR)
    small = MetadataFilter(key="n", value=2, operator=FilterOperator.LT)
    assert ask(store, filters=MetadataFilters(filters=[some, small])) == ["a"]


def test_deleting_by_document_node_and_all(store: VectOptVectorStore) -> None:
    store.delete("None")
    assert len(store.get_nodes()) == 4, "nodes without a document are no document's"
    store.delete("doc1")
    assert {one.node_id for one in store.get_nodes()} == {"c", "orphan"}
    store.add([TextNode(id_="named", text="t", metadata={"ref_doc_id": "doc3"}, embedding=[0.5, 0.1])])
    store.delete("doc3")
    assert store.get_nodes(["named"]) == [], "a node that names its document in its metadata alone"
    blue = MetadataFilters(filters=[MetadataFilter(key="colour", value="blue")])
    store.delete_nodes(["orphan"], blue)
    store.delete_nodes([])
    assert len(store.get_nodes()) == 2
    for nothing in (None, MetadataFilters(filters=[])):
        with pytest.raises(ValueError, match="clear"):
            store.delete_nodes(filters=nothing)
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
