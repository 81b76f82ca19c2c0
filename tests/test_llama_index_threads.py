"""Reading one's writes and deletes while threads write, delete, drain, expire and promote at the same time."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import VectorStoreQuery

from llama_index_vectopt import Budget, VectOptVectorStore
from vectopt import Settings, TempSettings, Tier, VectorManager

from .fakes import FakeClock
from .llama_models import CountingEmbedding

WORKERS, ROUNDS = 4, 8


def node(id: str, text: str, document: str, embedding: list[float] | None = None) -> TextNode:
    source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=document)}
    return TextNode(id_=id, text=text, relationships=source, embedding=embedding)


def together(*tasks: Callable[[], None]) -> None:
    """Run the tasks in threads of their own; raise what any of them raised."""
    errors: list[BaseException] = []

    def guarded(task: Callable[[], None]) -> None:
        try:
            task()
        except BaseException as error:  # told in the main thread
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def ids_by_word(store: VectOptVectorStore, word: str, mode: str) -> set[str]:
    return set(store.query(VectorStoreQuery(query_str=word, similarity_top_k=500, mode=mode)).ids)


@pytest.mark.parametrize("worker", [False, True], ids=["embedding in add", "with a worker"])
@pytest.mark.parametrize("budget", [Budget(), Budget(max_vectors=6)], ids=["no budget", "six vectors"])
def test_a_thread_always_sees_what_it_did(tmp_path: Path, worker: bool, budget: Budget) -> None:
    clock = FakeClock()
    settings = Settings(temp=TempSettings(ttl_seconds=5, promotion_queries=1))
    manager = VectorManager(
        tmp_path / "s.db", embedder=VectOptVectorStore(embed_model=CountingEmbedding()).client.embedder, budget=budget,
        clock=clock, settings=settings,
    )  # fmt: skip
    store = VectOptVectorStore(manager=manager)
    if worker:
        manager.start()
    done = threading.Event()

    def writes(number: int) -> None:
        for turn in range(ROUNDS):
            document, id, old, new = f"doc{number}x{turn}", f"n{number}x{turn}", f"old{number}x{turn}", f"new{number}x{turn}"
            store.add([node(id, f"{old} first words", document), node(f"{id}b", f"{old} more words", document)])
            assert {found.node_id for found in store.get_nodes([id, f"{id}b"])} == {id, f"{id}b"}
            assert {id, f"{id}b"} <= ids_by_word(store, old, "text_search")
            assert {id, f"{id}b"} <= ids_by_word(store, old, "hybrid")
            store.add([node(id, f"{new} other words", document)])
            assert ids_by_word(store, old, "text_search") == {f"{id}b"}, "an old text never comes back"
            assert [found.get_content() for found in store.get_nodes([id])] == [f"{new} other words"]
            if turn % 2:
                store.delete(document)
                assert store.get_nodes([id, f"{id}b"]) == []
                assert not {id, f"{id}b"} & ids_by_word(store, new, "hybrid")
                assert not {id, f"{id}b"} & set(store.query(VectorStoreQuery(query_str=new, similarity_top_k=200)).ids)

    def keeps_moving() -> None:
        while not done.is_set():
            clock.advance(3)
            manager.drain(limit=3)

    def all_writers() -> None:
        try:
            together(*[lambda number=number: writes(number) for number in range(WORKERS)])
        finally:
            done.set()

    together(all_writers, keeps_moving)
    kept = {f"n{number}x{turn}{suffix}" for number in range(WORKERS) for turn in range(0, ROUNDS, 2) for suffix in ("", "b")}
    assert {found.node_id for found in store.get_nodes()} == kept
    manager.drain()
    clock.advance(100)
    manager.drain()
    assert {found.node_id for found in store.get_nodes()} == kept, "nor does upkeep lose or revive any"
    manager.close()
    with VectOptVectorStore(tmp_path / "s.db") as again:
        assert {found.node_id for found in again.get_nodes()} == kept


def test_every_tier_obeys_a_documents_delete(tmp_path: Path) -> None:
    clock = FakeClock()
    embedder = VectOptVectorStore(embed_model=CountingEmbedding()).client.embedder
    with VectorManager(tmp_path / "s.db", embedder=embedder, clock=clock) as manager:
        store = VectOptVectorStore(manager=manager)
        manager.process_content("Error: disk failed", {"ref_doc_id": "doc"}, id="temp")
        manager.process_content(" ", {"ref_doc_id": "doc"}, id="cached")
        store.add([node("own", "a vector of its own", "doc", [1.0] * 64)])
    with VectorManager(tmp_path / "s.db", clock=clock) as manager:  # nothing embeds: it waits
        store = VectOptVectorStore(manager=manager)
        store.add([node("queued", "we decided to wait for the embedder", "doc"), node("other", "of another document", "doc2")])
        tiers = {item.id: item.tier for item in manager.scan()}
        assert {Tier.TEMP, Tier.CACHED, Tier.PERSISTENT, Tier.QUEUED} <= set(tiers.values()), tiers
        store.delete("doc")
        assert [found.node_id for found in store.get_nodes()] == ["other"]
    with VectorManager(tmp_path / "s.db", embedder=embedder, clock=clock) as manager:
        manager.drain()
        assert [found.node_id for found in VectOptVectorStore(manager=manager).get_nodes()] == ["other"]


def test_a_delete_by_document_takes_no_node_that_moved_to_another(tmp_path: Path) -> None:
    """While one thread deletes a document again and again, another moves a node out of it: the node is never lost."""
    with VectOptVectorStore(tmp_path / "s.db") as store:
        for turn in range(30):
            store.add([node("a", f"words {turn}", "old")])
            together(lambda: store.delete("old"), lambda turn=turn: store.add([node("a", f"words {turn}", "new")]) and None)
            assert [found.ref_doc_id for found in store.get_nodes(["a"])] == ["new"]


def test_archived_nodes_are_read_and_deleted_like_others(tmp_path: Path) -> None:
    with VectorManager(tmp_path / "s.db", archive=tmp_path / "archive") as manager:
        store = VectOptVectorStore(manager=manager)
        store.add([node(id, f"the text of {id}", document, [1.0, 0.0]) for id, document in (("a", "doc1"), ("b", "doc1"), ("c", "doc2"))])
        manager.archive(["a", "c"])
        whole = store.get_nodes(["a"])[0]
        assert (whole.get_content(), whole.ref_doc_id, whole.embedding) == ("the text of a", "doc1", [1.0, 0.0])
        assert {found.node_id for found in store.get_nodes()} == {"a", "b", "c"}
        store.delete("doc1")
        assert [found.node_id for found in store.get_nodes()] == ["c"]
        store.add([node("c", "a new text", "doc2")])
        assert [found.get_content() for found in store.get_nodes(["c"])] == ["a new text"], "what is added again is the newer"
        store.clear()
        assert store.get_nodes() == []
        manager.restore(["a", "b", "c"])
        assert store.get_nodes() == [], "nothing deleted comes back from the archive"
