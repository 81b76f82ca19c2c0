"""What LangChain's callers count on holds in every tier, and while texts move between them."""

import threading
from collections.abc import Iterator

import pytest
from langchain_core.documents import Document
from langchain_core.indexing import InMemoryRecordManager, aindex, index

from langchain_vectopt import Budget, Settings, VectOptVectorStore
from vectopt import QueueSettings, TempSettings

from .fakes import DAY, FakeClock, HashEmbedder, SilentObserver

PERSISTENT = "We decided to use Postgres from now on"
TEMP = "Error: connection refused, the port was taken"


@pytest.fixture
def embedder() -> HashEmbedder:
    return HashEmbedder()


def put(store: VectOptVectorStore, tier: str, embedder: HashEmbedder) -> str:
    """Add the document `x` so that it comes to lie in the tier; return its text."""
    if tier == "queued":
        embedder.failing = True
        store.add_texts(["waits for an embedding"], ids=["x"])
        embedder.failing = False
        return "waits for an embedding"
    if tier == "persistent":
        store.add_embeddings([("brings its own vector", [1.0] * 16)], ids=["x"])
        return "brings its own vector"
    text = {"temp": "cormorants nest along basalt cliffs", "cached": "an older one too"}[tier]
    store.manager.process_content(text, id="x")
    return text


@pytest.mark.parametrize("tier", ["persistent", "temp", "queued", "cached"])
class TestEveryTier:
    @pytest.fixture
    def store(self, embedder: HashEmbedder) -> Iterator[VectOptVectorStore]:
        with VectOptVectorStore(embedder, clock=FakeClock(), settings=Settings(observer=SilentObserver())) as store:
            store.add_documents([Document("an older one", id="old")])
            yield store

    def test_what_is_there_is_found_by_id_by_words_and_by_text(self, store: VectOptVectorStore, embedder: HashEmbedder, tier: str) -> None:
        text = put(store, tier, embedder)
        assert store.explain("x").tier == tier
        assert [document.page_content for document in store.get_by_ids(["x"])] == [text]
        for mode in ("hybrid", "dense", "lexical"):
            assert "x" in {document.id for document in store.similarity_search(text, k=5, mode=mode)}
        assert "x" in {document.id for document in store.max_marginal_relevance_search(text, k=5)}
        assert "x" in {document.id for document, _ in store.similarity_search_with_relevance_scores(text, k=5)}

    def test_what_is_deleted_is_gone(self, store: VectOptVectorStore, embedder: HashEmbedder, tier: str) -> None:
        text = put(store, tier, embedder)
        store.delete(["x"])
        store.drain()
        assert store.get_by_ids(["x"]) == []
        for mode in ("hybrid", "dense", "lexical"):
            assert "x" not in {document.id for document in store.similarity_search(text, k=5, mode=mode)}

    def test_the_same_again_changes_nothing(self, store: VectOptVectorStore, embedder: HashEmbedder, tier: str) -> None:
        text = put(store, tier, embedder)
        store.add_texts([text], ids=["x"])
        assert store.stats().items == 2
        assert [document.id for document in store.similarity_search(text, k=5)].count("x") == 1

    def test_another_text_under_its_id_takes_its_place(self, store: VectOptVectorStore, embedder: HashEmbedder, tier: str) -> None:
        text = put(store, tier, embedder)
        store.add_documents([Document("something else altogether", id="x", metadata={"v": 2})])
        store.drain()
        assert store.get_by_ids(["x"]) == [Document("something else altogether", id="x", metadata={"v": 2})]
        for query in (text, "something else altogether"):
            for mode in ("hybrid", "dense", "lexical"):
                assert text not in {document.page_content for document in store.similarity_search(query, k=5, mode=mode)}
        assert store.stats().texts == 2


def test_while_everything_moves_each_reads_its_writes_and_never_its_deletes() -> None:
    """A small budget, a temp tier of milliseconds, an embedder that fails now and then, and four writers."""
    embedder = HashEmbedder()
    quick = Settings(
        temp=TempSettings(ttl_seconds=0.02, promotion_queries=2),
        queue=QueueSettings(backoff_seconds=0.001, upkeep_seconds=0.01, max_attempts=100),
        observer=SilentObserver(),
    )
    wrong: list[object] = []
    calls = iter(range(10**9))

    def now_and_then(texts: object) -> None:
        if next(calls) % 5 == 0:
            raise ConnectionError("now and then")

    embedder.on_embed = now_and_then
    with VectOptVectorStore(embedder, settings=quick, budget=Budget(max_vectors=20)) as store:
        store.start()

        def work(me: int) -> None:
            for n in range(12):
                ids = [f"{me}-{part}" for part in range(3)]
                texts = [f"writer{me} wrote turn{n} part{part}" for part in range(3)]
                store.add_texts(texts, [{"n": n}] * 3, ids=ids)
                if [document.page_content for document in store.get_by_ids(ids)] != texts:
                    wrong.append(("get", me, n))
                found = {d.id: d.page_content for d in store.similarity_search(f"writer{me} turn{n}", k=100, filter={"n": n})}
                if any(found.get(id) != text for id, text in zip(ids, texts, strict=True)):
                    wrong.append(("search", me, n, found))
                store.delete(ids[:1])
                if any(d.id == ids[0] for d in store.similarity_search(texts[0], k=100)) or store.get_by_ids(ids[:1]):
                    wrong.append(("delete", me, n))

        threads = [threading.Thread(target=work, args=(me,)) for me in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        store.stop()
        embedder.on_embed = lambda texts: None
        store.drain()
        assert not wrong
        assert store.stats().items == 4 * 2
        assert store.stats().vectors <= 20


class TestRecords:
    """What a record manager believes stored is there, whatever became of its vectors."""

    @staticmethod
    def documents(count: int) -> list[Document]:
        kinds = (PERSISTENT, TEMP, "lorem ipsum", "cormorants nest along basalt cliffs", "hello")
        return [Document(f"{kinds[n % 5]} {'abcdefghij'[n % 10]}{n}", metadata={"source": f"s{n % 4}"}) for n in range(count)]

    @staticmethod
    def missing(store: VectOptVectorStore, records: InMemoryRecordManager) -> set[str]:
        keys = set(records.list_keys())
        return keys ^ {item.id for item in store.manager.scan()} | keys - {document.id for document in store.get_by_ids(sorted(keys))}

    @pytest.mark.parametrize("cleanup", [None, "incremental", "full", "scoped_full"])
    def test_nothing_vanishes_by_time_budget_or_failure(self, cleanup: str | None) -> None:
        clock, embedder = FakeClock(), HashEmbedder()
        records = InMemoryRecordManager("docs")
        records.create_schema()
        options = {"cleanup": cleanup, "source_id_key": "source", "key_encoder": "blake2b", "batch_size": 7}
        quiet = Settings(observer=SilentObserver())
        with VectOptVectorStore(embedder, clock=clock, budget=Budget(max_vectors=9), settings=quiet) as store:
            for round, count in enumerate((20, 40, 30)):
                embedder.failing = round == 1
                index(self.documents(count), records, store, **options)
                assert not self.missing(store, records)
                clock.advance(10 * DAY)
                store.manager.compress_similar(semantic=0.9)
                store.drain()
                assert not self.missing(store, records)
            again = index(self.documents(30), records, store, **options)
            if cleanup != "incremental":  # which deletes and adds again what lies in several batches
                assert (again["num_skipped"], again["num_added"]) == (30, 0)
            if cleanup == "full":
                assert len(records.list_keys()) == 30
            for document in self.documents(30):
                assert document.page_content == store.similarity_search(document.page_content, k=1, mode="lexical")[0].page_content

    async def test_async(self) -> None:
        records = InMemoryRecordManager("docs")
        await records.acreate_schema()
        async with VectOptVectorStore(HashEmbedder()) as store:
            for count in (20, 10):
                await aindex(self.documents(count), records, store, cleanup="full", key_encoder="sha256")
                assert not self.missing(store, records)
            assert store.stats().items == 10

    def test_a_crash_between_store_and_records_is_made_good_by_the_next_run(self) -> None:
        class Stops(InMemoryRecordManager):
            stopped = True

            def update(self, *args, **kwargs) -> None:
                if self.stopped:
                    raise SystemError("killed here")
                super().update(*args, **kwargs)

        records = Stops("docs")
        records.create_schema()
        with VectOptVectorStore(HashEmbedder()) as store:
            with pytest.raises(SystemError):
                index(self.documents(5), records, store, cleanup="full", key_encoder="sha256")
            records.stopped = False
            index(self.documents(5), records, store, cleanup="full", key_encoder="sha256")
            assert not self.missing(store, records)
            assert store.stats().items == 5


def test_embeddings_that_only_have_the_methods_will_do() -> None:
    class Duck:
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [[float(len(text)), 1.0] for text in texts]

        def embed_query(self, text: str) -> list[float]:
            return self.embed_documents([text])[0]

    with VectOptVectorStore(Duck()) as store:
        store.add_texts(["four"])
        assert store.similarity_search_with_relevance_scores("five", k=1)[0][1] == pytest.approx(1)
        assert isinstance(store.embeddings, Duck)
    with pytest.raises(ValueError, match="embedder must have"):
        VectOptVectorStore("text-embedding-3-small")
