"""What every store outside must keep to. Inherit the suite, give it yours, run it with pytest."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from vectopt import Capabilities, Item, Record, Vector, VectorManager, VectorStore
from vectopt.stores.keys import key_of, prefix_of

from .fakes import HashEmbedder

_INSTANCE, _OTHER = 0xABC_0123_4567_89DE, 0xABC_0123_4567_89DF


def _records(instance: int, numbers: Sequence[int], dimensions: int) -> list[Record]:
    embedder = HashEmbedder(dimensions)
    texts = [f"text number {number}" for number in numbers]
    return [
        Record(key_of(instance, number), embedder.vector(text), text, {"number": number, "tags": ["a", "b"], "deep": {"x": [1, None]}})
        for number, text in zip(numbers, texts, strict=True)
    ]


class VectorStoreContract:
    """The contract of `vectopt.VectorStore`, by itself and behind a manager.

    ```python
    class TestMine(VectorStoreContract):
        def make_store(self):
            return MyStore(...)  # empty
    ```

    Attributes:
        dimensions: of the vectors that the suite stores.
    """

    dimensions = 16

    @abstractmethod
    def make_store(self) -> VectorStore:
        """Return the store under test, without any record."""

    def settle(self, store: VectorStore) -> None:
        """Wait until what was written is seen. Override it where that takes time."""

    def _filled(self, numbers: Sequence[int] = (1, 2, 3)) -> tuple[VectorStore, list[Record]]:
        store = self.make_store()
        records = _records(_INSTANCE, numbers, self.dimensions)
        assert not list(store.upsert("default", records))
        self.settle(store)
        return store, records

    def _assert_has(self, store: VectorStore, found: Mapping[str, Vector | None], records: Sequence[Record]) -> None:
        assert set(found) == {record.key for record in records}
        if store.capabilities.hands_back and store.capabilities.takes_vectors:
            for record in records:
                got = np.asarray(found[record.key], np.float64)
                assert got.shape == record.vector.shape
                assert float(got @ record.vector) / float(np.linalg.norm(got) * np.linalg.norm(record.vector)) > 0.999

    def test_it_says_who_it_is_and_what_it_can_do(self) -> None:
        """A name, which is the same for the same place, and capabilities."""
        store = self.make_store()
        assert isinstance(store.name, str)
        assert store.name
        assert isinstance(store.capabilities, Capabilities)
        assert store.capabilities.batch >= 1

    def test_what_was_stored_is_fetched(self) -> None:
        """By key, with its vector; unknown keys are left out, and no error."""
        store, records = self._filled()
        if store.capabilities.fetches:
            asked = [*(record.key for record in records), key_of(_INSTANCE, 99)]
            self._assert_has(store, store.fetch("default", asked), records)

    def test_storing_again_replaces(self) -> None:
        """The same keys twice leave one record each: the later one."""
        store, records = self._filled()
        others = _records(_INSTANCE, (4, 5, 6), self.dimensions)
        changed = [Record(old.key, new.vector, new.text, new.metadata) for old, new in zip(records, others, strict=True)]
        store.upsert("default", changed)
        self.settle(store)
        if store.capabilities.fetches:
            self._assert_has(store, store.fetch("default", [record.key for record in records]), changed)
        if store.capabilities.lists:
            assert sorted(store.keys("default", prefix_of(_INSTANCE))) == sorted(record.key for record in records)

    def test_what_was_deleted_is_gone(self) -> None:
        """Only that; keys that are unknown, or deleted already, are no error."""
        store, records = self._filled()
        for _ in range(2):
            store.delete("default", [records[0].key, key_of(_INSTANCE, 99)])
            self.settle(store)
        if store.capabilities.fetches:
            self._assert_has(store, store.fetch("default", [record.key for record in records]), records[1:])

    def test_an_empty_store_answers(self) -> None:
        """With nothing, for a namespace that it never heard of too."""
        store, key = self.make_store(), key_of(_INSTANCE, 1)
        vector = HashEmbedder(self.dimensions).vector("anything")
        for namespace in ("default", "never heard of"):
            store.delete(namespace, [key])
            if store.capabilities.fetches:
                assert not store.fetch(namespace, [key])
            if store.capabilities.queries:
                assert not store.query(namespace, vector, 3)
            if store.capabilities.lists:
                assert not list(store.keys(namespace, prefix_of(_INSTANCE)))

    def test_the_nearest_come_first(self) -> None:
        """Up to k of them, the very vector first."""
        store, records = self._filled(range(1, 8))
        if store.capabilities.queries and store.capabilities.takes_vectors:
            found = store.query("default", records[3].vector, 3)
            assert len(found) == 3
            assert next(iter(found)) == records[3].key

    def test_namespaces_are_apart(self) -> None:
        """What is in one is not in another, however alike their names."""
        store, records = self._filled()
        names = ("Default", "default ", "default/a", "デフォルト", "default" * 100)
        for number, name in enumerate(names, 10):
            store.upsert(name, _records(_INSTANCE, [number], self.dimensions))
        self.settle(store)
        for number, name in enumerate(names, 10):
            wanted = _records(_INSTANCE, [number], self.dimensions)
            if store.capabilities.fetches:
                self._assert_has(store, store.fetch(name, [wanted[0].key, records[0].key]), wanted)
            if store.capabilities.lists:
                assert list(store.keys(name, prefix_of(_INSTANCE))) == [wanted[0].key]
            if store.capabilities.queries:
                assert set(store.query(name, wanted[0].vector, 5)) <= {wanted[0].key}

    def test_files_are_apart(self) -> None:
        """The keys listed are those of one file, of more than one page."""
        store = self.make_store()
        mine, others = _records(_INSTANCE, range(1, 131), self.dimensions), _records(_OTHER, range(1, 131), self.dimensions)
        for start in range(0, 130, store.capabilities.batch):
            part = slice(start, start + store.capabilities.batch)
            store.upsert("default", mine[part])
            store.upsert("default", others[part])
        self.settle(store)
        if store.capabilities.lists:
            assert sorted(store.keys("default", prefix_of(_INSTANCE))) == [record.key for record in mine]

    def test_behind_a_manager_what_is_written_is_read_and_what_is_deleted_is_not(self) -> None:
        """At once, before the store knows of it and after; mutation by id, adding again and deleting hold."""
        store = self.make_store()
        embedder = HashEmbedder(self.dimensions)

        def item(id: str, text: str, at: int) -> Item:
            return Item(text, {"at": at}, id, vector=embedder.vector(text))

        with VectorManager(embedder=embedder, store=store) as manager:
            for settled in (False, True):
                manager.add([item(letter, f"letter {letter}", at) for at, letter in enumerate("abcdefgh")])
                manager.add([item("b", "another text for b", 1)])
                manager.add([item("c", "letter c", 2)])
                manager.delete(["d"])
                if settled:
                    self._settled(manager, store)
                assert manager.search("another text for b", 1)[0].id == "b"
                assert {hit.id for hit in manager.search("letter", 20)} == set("abcefgh")
                assert sorted(hit.id for hit in manager.search("letter", 20, filter={"at": {"$lte": 2}})) == ["a", "b", "c"]
                assert [item.content for item in manager.get(["b", "d"])] == ["another text for b"]
            manager.delete(list("abcefgh"))
            assert manager.search("letter", 20) == []
            self._settled(manager, store)
            report = manager.reconcile()
            assert report.clean
            assert (report.there, report.pending, report.leaving) == (0, 0, 0)

    def test_behind_a_manager_reads_are_right_while_things_move(self) -> None:
        """With the worker sending and removing, what was written is read at once, and what was deleted is not."""
        store, embedder = self.make_store(), HashEmbedder(self.dimensions)
        with VectorManager(embedder=embedder, store=store) as manager:
            manager.start()
            live: dict[str, str] = {}
            for number in range(30):
                id, text = f"id-{number % 12}", f"letters {chr(97 + number % 26)} {chr(97 + number // 3)}"
                manager.add([Item(text, id=id, vector=embedder.vector(text) if number % 3 else None)])
                live[id] = text
                if number % 4 == 3:
                    gone = f"id-{(number - 2) % 12}"
                    manager.delete([gone])
                    live.pop(gone, None)
                assert {hit.id: hit.content for hit in manager.search(text, 100)} == live
                assert {hit.id: hit.content for hit in manager.search(embedder.vector(text), 100)} == live
            manager.stop()
            self._settled(manager, store)
            assert {hit.id: hit.content for hit in manager.search("letters", 100)} == live
            assert manager.reconcile().clean

    def _settled(self, manager: VectorManager, store: VectorStore) -> None:
        """Drain until nothing is on its way."""
        for _ in range(20):
            manager.drain()
            report = manager.reconcile()
            if not report.pending and not report.leaving:
                return
            self.settle(store)
        raise AssertionError(f"copies are on their way for ever: {report}")
