"""The LangChain store beyond LangChain's own suite."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.indexing import InMemoryRecordManager, index

from langchain_vectopt import Budget, VectOptRetriever, VectOptVectorStore
from vectopt import Event, Settings, VectoptError, VectorManager

from .fakes import FakeClock


class Compass(Embeddings):
    """Embeds a few known words in two dimensions; counts what it is asked."""

    POINTS = {"north": [0.0, 1.0], "northeast": [0.7, 0.7], "east": [1.0, 0.0], "south": [0.0, -1.0]}

    def __init__(self, delay: float = 0.0) -> None:
        self.asked = 0
        self.delay = delay

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        time.sleep(self.delay)
        self.asked += len(texts)
        return [self.POINTS.get(text.split()[0], [0.1, 0.1]) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


@pytest.fixture
def store() -> Iterator[VectOptVectorStore]:
    with VectOptVectorStore(Compass()) as store:
        store.add_texts(["north", "northeast", "east", "south"], [{"n": i} for i in range(4)], ids=["n", "ne", "e", "s"])
        yield store


def test_documents_come_back_exactly(store: VectOptVectorStore) -> None:
    metadata = {"page": 3, "score": 0.1, "tags": ["a", "b"], "nested": {"lc": 1, "deep": {"x": None}}, "ja": "京都", "": "empty key"}
    given = Document(page_content="north wind", metadata=metadata, id="wind")
    store.add_documents([given])
    assert store.get_by_ids(["wind", "unknown", "n"]) == [given, Document(page_content="north", metadata={"n": 0}, id="n")]
    assert store.similarity_search("north wind", k=1) == [given]


def test_scores_are_in_range_and_descending(store: VectOptVectorStore) -> None:
    scores = [score for _, score in store.similarity_search_with_score("north", k=4)]
    assert len(scores) == 4
    assert all(0 <= score <= 1 for score in scores)
    assert scores == sorted(scores, reverse=True)


def test_relevance_is_half_of_one_plus_the_cosine(store: VectOptVectorStore) -> None:
    found = {document.id: score for document, score in store.similarity_search_with_relevance_scores("north", k=4)}
    assert found == pytest.approx({"n": 1.0, "ne": (1 + 0.5**0.5) / 2, "e": 0.5, "s": 0.0}, abs=1e-5)


def test_score_threshold_keeps_what_reaches_it(store: VectOptVectorStore) -> None:
    retriever = store.as_retriever(search_type="similarity_score_threshold", search_kwargs={"score_threshold": 0.8, "k": 4})
    assert [document.id for document in retriever.invoke("north")] == ["n", "ne"]


def test_by_vector_searches(store: VectOptVectorStore) -> None:
    assert [document.id for document in store.similarity_search_by_vector([1.0, 0.1], k=2)] == ["e", "ne"]
    document, score = store.similarity_search_with_score_by_vector([1.0, 0.0], k=1)[0]
    assert (document.id, score) == ("e", pytest.approx(1.0))


def test_mmr_trades_relevance_for_diversity(store: VectOptVectorStore) -> None:
    store.add_texts(["north again"], ids=["twin"])
    close = store.max_marginal_relevance_search("north", k=2, lambda_mult=1.0)
    diverse = store.max_marginal_relevance_search("north", k=2, lambda_mult=0.3)
    assert {document.id for document in close} == {"n", "twin"}
    assert len({document.id for document in diverse} & {"n", "twin"}) == 1
    assert store.max_marginal_relevance_search_by_vector([0.0, 1.0], k=1)[0].id in {"n", "twin"}


def test_filters_by_dictionary_and_by_function(store: VectOptVectorStore) -> None:
    assert [d.id for d in store.similarity_search("north", k=4, filter={"n": {"$gte": 2}})] == ["e", "s"]
    assert [d.id for d in store.similarity_search("north", k=4, filter=lambda document: document.page_content == "south")] == ["s"]


@pytest.mark.parametrize("call", ["similarity_search", "similarity_search_with_score", "max_marginal_relevance_search"])
def test_unknown_arguments_are_refused(store: VectOptVectorStore, call: str) -> None:
    with pytest.raises(TypeError, match="fliter"):
        getattr(store, call)("north", fliter={"n": 1})
    with pytest.raises(TypeError, match="persist"):
        store.add_texts(["x"], persist=True)


def test_mismatched_lists_are_refused_before_anything_is_stored(store: VectOptVectorStore) -> None:
    for arguments in ({"metadatas": [{}]}, {"ids": ["one"]}):
        with pytest.raises(ValueError, match="2 texts"):
            store.add_texts(["west", "up"], **arguments)
    assert store.stats().items == 4


def test_deleting_everything_takes_a_word(store: VectOptVectorStore) -> None:
    with pytest.raises(ValueError, match="delete_all"):
        store.delete()
    assert store.stats().items == 4
    assert store.delete(delete_all=True) is True
    assert store.similarity_search("north") == []


def test_vectors_of_ones_own_are_not_paid_for() -> None:
    compass = Compass()
    with VectOptVectorStore(compass) as store:
        assert store.add_embeddings([("anything", [0.0, 1.0]), ("else", [1.0, 0.0])], [{"a": 1}, {"a": 2}], ["x", "y"]) == ["x", "y"]
        assert compass.asked == 0
        assert [d.id for d in store.similarity_search_by_vector([0.0, 2.0], k=2)] == ["x", "y"]


def test_embeddings_are_the_callers(store: VectOptVectorStore) -> None:
    assert isinstance(store.embeddings, Compass)
    assert "Compass" in store.as_retriever().tags


def test_namespaces_are_apart(store: VectOptVectorStore) -> None:
    store.add_texts(["north"], ids=["n"], namespace="other")
    store.delete(["n"], namespace="other")
    assert [d.id for d in store.get_by_ids(["n"])] == ["n"]
    assert store.similarity_search("north", namespace="other") == []


def test_a_given_manager_stays_open() -> None:
    with VectorManager() as manager:
        with VectOptVectorStore(manager=manager) as store:
            store.add_texts(["kept"], ids=["k"])
        assert [item.content for item in manager.get(["k"])] == ["kept"]


def test_stores_over_one_manager_keep_to_their_namespaces() -> None:
    with VectorManager() as manager:
        alice, bob = (VectOptVectorStore(manager=manager, namespace=name) for name in ("alice", "bob"))
        alice.add_texts(["alice's secret"], ids=["a"])
        bob.add_documents([Document("bob's own")], ids=["b"])
        assert [d.id for d in bob.similarity_search("secret", k=5)] == ["b"]
        assert bob.similarity_search("secret", filter=lambda document: "secret" in document.page_content) == []
        assert bob.get_by_ids(["a"]) == []
        assert bob.max_marginal_relevance_search_by_vector([0.0, 1.0]) != []
        bob.delete(delete_all=True)
        assert [d.id for d in alice.get_by_ids(["a"])] == ["a"]
        assert alice.explain("a").namespace == "alice"


async def test_feedback_teaches_the_store_s_own_namespace() -> None:
    told: list[Event] = []

    class Listener:
        def notify(self, event: Event) -> None:
            told.append(event)

    with VectOptVectorStore(Compass(), namespace="alice", settings=Settings(observer=Listener())) as store:
        store.add_texts(["north", "east"], ids=["n", "e"])
        weights = [store.feedback("north", ["n"]), await store.afeedback("north", ["n"])]
        assert store.feedback("north", ["n"], namespace="bob") == Settings().search.lexical_weight
    learned = [event.fields for event in told if event.name == "feedback_learned"]
    assert [facts["namespace"] for facts in learned] == ["alice", "alice"]
    assert [facts["lexical_weight"] for facts in learned] == weights


def test_what_a_given_manager_has_already_is_refused() -> None:
    with VectorManager() as manager, pytest.raises(ValueError, match="leave these out"):
        VectOptVectorStore(Compass(), manager=manager)


def test_adding_does_a_piece_of_the_upkeep() -> None:
    clock, compass = FakeClock(), Compass()
    with VectOptVectorStore(compass, clock=clock) as store:
        down, compass.embed_documents = compass.embed_documents, None
        store.add_texts(["failed at first"], ids=["late"])
        assert store.explain("late").tier == "queued"
        compass.embed_documents = down
        clock.advance(3600)
        store.add_texts(["another"])
        assert store.explain("late").tier in ("persistent", "temp")


def test_the_background_thread_can_be_started_from_the_store() -> None:
    with VectOptVectorStore(Compass()) as store:
        store.start()
        ids = store.add_texts(["north", "east"])
        deadline = time.monotonic() + 10
        while store.explain(ids[0]).tier == "queued" and time.monotonic() < deadline:
            time.sleep(0.01)
        store.stop()
        assert store.explain(ids[0]).tier in ("persistent", "temp")
        assert store.drain().waiting == 0


def test_options_that_would_be_ignored_are_refused(store: VectOptVectorStore) -> None:
    with pytest.raises(TypeError, match="mode"):
        store.similarity_search_with_relevance_scores("north", mode="lexical")
    with pytest.raises(ValueError, match="score_threshold"):
        VectOptRetriever(vectorstore=store, search_type="similarity_score_threshold")
    with pytest.raises(ValueError, match="mode"):
        VectOptRetriever(vectorstore=store, search_type="mmr", mode="lexical")


def test_a_store_needs_an_embedding() -> None:
    with pytest.raises(ValueError, match="embedding"):
        VectOptVectorStore()


def test_from_documents_on_a_file_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with VectOptVectorStore.from_documents([Document("north", id="n")], Compass(), path=path, budget=Budget(max_vectors=10)):
        pass
    with VectOptVectorStore(Compass(), path=path) as store:
        assert [d.id for d in store.similarity_search("north", k=1)] == ["n"]


def test_another_embedding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with VectOptVectorStore.from_texts(["north"], Compass(), path=path):
        pass
    with pytest.raises(VectoptError, match="Compass"):
        VectOptVectorStore(DeterministicFakeEmbedding(size=2), path=path)


class Flaky(Compass):
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise ConnectionError("no route to host")


def test_a_failing_embedding_loses_nothing() -> None:
    with VectOptVectorStore(Flaky()) as store:
        store.add_texts(["north wind", "south wind"], ids=["n", "s"])
        assert store.explain("n").tier == "queued"
        assert [d.id for d in store.similarity_search("north", k=1)] == ["n"]


async def test_async_calls_never_block_the_loop() -> None:
    gaps: list[float] = []

    async def heartbeat() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            gaps.append(time.perf_counter() - before)

    store = VectOptVectorStore(Compass(delay=0.3))
    beat = asyncio.create_task(heartbeat())
    await asyncio.sleep(0.02)
    ids = await store.aadd_texts(["north", "east"])
    await store.aadd_documents([Document("south")])
    await store.aadd_embeddings([("up", [0.5, 0.5])])
    assert len(await store.asimilarity_search("north", k=4)) == 4
    assert len(await store.asimilarity_search_with_score("north", k=1)) == 1
    assert len(await store.asimilarity_search_by_vector([0.0, 1.0], k=1)) == 1
    assert len(await store.asimilarity_search_with_relevance_scores("north", k=1)) == 1
    assert len(await store.amax_marginal_relevance_search("north", k=2)) == 2
    assert len(await store.amax_marginal_relevance_search_by_vector([0.0, 1.0], k=2)) == 2
    assert len(await store.aget_by_ids(ids)) == 2
    assert len(await store.asimilarity_search_with_score_by_vector([0.0, 1.0], k=1)) == 1
    assert (await store.aexplain(ids[1])).id == ids[1]
    assert (await store.astats()).items == 4
    assert (await store.adrain()).failed == 0
    assert await store.adelete(ids[:1]) is True
    async with await VectOptVectorStore.afrom_texts(["up"], Compass()) as other:
        assert len(await other.asimilarity_search("up")) == 1
    beat.cancel()
    await store.aclose()
    assert max(gaps) < 0.2, "an embedding takes 0.3 s: a gap like that is a blocked loop"


class TestRetriever:
    def test_options_at_birth_and_at_the_call(self, store: VectOptVectorStore) -> None:
        retriever = VectOptRetriever(vectorstore=store, k=3, filter={"n": {"$lt": 3}})
        assert len(retriever.invoke("north")) == 3
        assert [d.id for d in retriever.invoke("north", k=1)] == ["n"]
        assert [d.id for d in retriever.invoke("north", filter={"n": 3})] == ["s"]

    def test_search_types(self, store: VectOptVectorStore) -> None:
        assert len(VectOptRetriever(vectorstore=store, k=2, search_type="mmr").invoke("north")) == 2
        strict = VectOptRetriever(vectorstore=store, search_type="similarity_score_threshold", score_threshold=0.99)
        assert [d.id for d in strict.invoke("north")] == ["n"]

    def test_tiers(self, store: VectOptVectorStore) -> None:
        assert VectOptRetriever(vectorstore=store, tiers=["cached"]).invoke("north") == []
        assert VectOptRetriever(vectorstore=store, tiers=["temp", "persistent"]).invoke("north")[0].id == "n"

    async def test_async(self, store: VectOptVectorStore) -> None:
        for search_type in ("similarity", "mmr", "similarity_score_threshold"):
            retriever = VectOptRetriever(vectorstore=store, k=2, search_type=search_type, score_threshold=0.0)
            assert (await retriever.ainvoke("north"))[0].id == "n"

    def test_unknown_options_are_refused(self, store: VectOptVectorStore) -> None:
        with pytest.raises(ValueError, match="kk"):
            VectOptRetriever(vectorstore=store, kk=1)
        with pytest.raises(TypeError, match="top_k"):
            VectOptRetriever(vectorstore=store).invoke("north", top_k=1)


class TestIndex:
    """`langchain_core.indexing.index` in all its cleanup modes."""

    @staticmethod
    def documents(*texts: str, source: str = "a") -> list[Document]:
        return [Document(text, metadata={"source": source}) for text in texts]

    @pytest.fixture
    def empty(self) -> Iterator[VectOptVectorStore]:
        with VectOptVectorStore(Compass()) as store:
            yield store

    def run(self, store: VectOptVectorStore, records: InMemoryRecordManager, documents: list[Document], cleanup: str | None) -> dict:
        return index(documents, records, store, cleanup=cleanup, source_id_key="source", batch_size=2, key_encoder="sha256")

    @pytest.fixture
    def records(self) -> InMemoryRecordManager:
        records = InMemoryRecordManager("ns")
        records.create_schema()
        return records

    @staticmethod
    def texts(store: VectOptVectorStore) -> set[str]:
        return {item.content for item in store.manager.scan()}

    def test_none_adds_and_skips(self, empty: VectOptVectorStore, records: InMemoryRecordManager) -> None:
        assert self.run(empty, records, self.documents("one", "two"), None)["num_added"] == 2
        second = self.run(empty, records, self.documents("two", "three"), None)
        assert (second["num_added"], second["num_skipped"]) == (1, 1)
        assert self.texts(empty) == {"one", "two", "three"}

    @pytest.mark.parametrize("cleanup", ["incremental", "full", "scoped_full"])
    def test_cleanup_removes_what_a_source_no_longer_has(
        self, empty: VectOptVectorStore, records: InMemoryRecordManager, cleanup: str
    ) -> None:
        self.run(empty, records, self.documents("one", "two") + self.documents("other", source="b"), cleanup)
        result = self.run(empty, records, self.documents("two", "three"), cleanup)
        assert result["num_added"] == 1
        gone = {"one", "other"} if cleanup == "full" else {"one"}
        assert self.texts(empty) == {"one", "two", "three", "other"} - gone
        assert result["num_deleted"] == len(gone)

    def test_what_is_indexed_does_not_vanish_by_expiry(self, records: InMemoryRecordManager) -> None:
        clock = FakeClock()
        with VectOptVectorStore(Compass(), clock=clock, budget=Budget(max_vectors=3)) as store:
            self.run(store, records, self.documents("north", "a fresh breeze", "an old oak"), "full")
            before = {item.id: item.tier for item in store.manager.scan()}
            assert "temp" in before.values()
            clock.advance(10 * 24 * 3600)
            store.manager.drain()
            assert self.run(store, records, self.documents("north", "a fresh breeze", "an old oak"), "full")["num_skipped"] == 3
            assert {d.id for d in store.get_by_ids(list(before))} == set(before)
            for text in ("north", "breeze", "oak"):
                assert text in store.similarity_search(text, k=1)[0].page_content
