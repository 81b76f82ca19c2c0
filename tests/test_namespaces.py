"""Namespaces are exact names: nothing crosses them."""

import unicodedata
from pathlib import Path

import pytest

from vectopt import VectorManager
from vectopt.errors import InvalidInput

from .fakes import HashEmbedder

LOOK_ALIKES = [
    "a", "A", "a/", "a%", "a_", "a b", " a", "a ", "a.b", "a*", "__default__", "default ", "Default", "None", "null", "0",
    "'; DROP TABLE item; --", "a\x00", "a\nb", unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é"), "京都", "🗝",
]  # fmt: skip


def test_look_alike_names_are_strangers(tmp_path: Path) -> None:
    names = LOOK_ALIKES + [f"tenant-{number}" for number in range(80)]
    for _ in range(2):  # the second time after reopening, with every id there already
        with VectorManager(tmp_path / "store.db", embedder=HashEmbedder()) as manager:
            for number, name in enumerate(names):
                own = {"id": f"own{number}", "content": "shared words"}
                manager.add([{"id": "same", "content": f"the same text, of number {number}"}, own], namespace=name, wait=True)
            for number, name in enumerate(names):
                assert {hit.id for hit in manager.search("text of number", 10, namespace=name)} == {"same", f"own{number}"}
                assert manager.get(["same"], namespace=name)[0].content == f"the same text, of number {number}"
                assert manager.stats(namespace=name).items == 2
            assert manager.stats().items == 2 * len(names)
            assert set(manager.stats().namespaces) == set(names)


def test_deleting_in_one_leaves_the_others(tmp_path: Path) -> None:
    with VectorManager(tmp_path / "store.db", embedder=HashEmbedder()) as manager:
        for name in LOOK_ALIKES:
            manager.add([{"id": "x", "content": "words"}], namespace=name)
        assert manager.delete_all(namespace="a") == 1
        assert manager.delete(["x"], namespace="a%") == 1
        left = [name for name in LOOK_ALIKES if manager.get(["x"], namespace=name)]
        assert left == [name for name in LOOK_ALIKES if name not in ("a", "a%")]


@pytest.mark.parametrize("namespace", ["", 5, b"a", "\ud800"])
def test_what_is_no_name_is_refused_and_never_means_all(namespace: object) -> None:
    with VectorManager() as manager:
        manager.add(["kept"])
        for call in (
            manager.delete_all,
            manager.scan,
            lambda **given: manager.search("kept", **given),
            lambda **given: manager.add(["x"], **given),
        ):
            with pytest.raises(InvalidInput, match="namespace"):
                call(namespace=namespace)
        assert manager.stats().items == 1


def test_novelty_is_a_namespaces_own_and_outlives_the_memory_it_is_given() -> None:
    """More namespaces than are kept in memory: what was seen in the first is still known."""
    with VectorManager() as manager:
        manager.add(["the quick brown fox jumps over the lazy dog"], namespace="first")
        assert manager.why_not("the quick brown fox jumps over the lazy cat", namespace="second").decision.novelty_score == 1.0
        for number in range(100):
            manager.add([f"text {number}"], namespace=f"n{number}")
        assert manager.why_not("the quick brown fox jumps over the lazy cat", namespace="first").decision.novelty_score < 0.2
