"""What was learned of a namespace goes with its items: `delete_all` leaves a name that nothing was ever done with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vectopt import Item, SearchSettings, Settings, VectorManager

from .fakes import HashEmbedder, SilentObserver

TEXTS = [f"amber {word} {'and on ' * (number % 7)}" for number, word in enumerate(("birch", "cedar", "douglas", "elm", "fir") * 6)]
NEW = "Error: the amber birch was full"


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[VectorManager, VectorManager]]:
    """Two managers of one file, as two processes have them."""
    chosen = Settings(observer=SilentObserver(), search=SearchSettings(depth=5))
    path, embedder = tmp_path / "store.db", HashEmbedder()
    with VectorManager(path, embedder=embedder, settings=chosen) as one, VectorManager(path, embedder=embedder, settings=chosen) as other:
        yield one, other


def teach(m: VectorManager, namespace: str) -> None:
    m.add([Item(f"{text} {number}", id=str(number)) for number, text in enumerate(TEXTS)], namespace=namespace, wait=True)
    for number in range(24):
        m.search(f"amber elm {number}", 3, namespace=namespace)
        m.feedback(f"unheard of {number}", [str(number % 7)], namespace=namespace)


def known_of(m: VectorManager, namespace: str) -> set[str]:
    with m._ledger.reading() as db:
        return {name for (name,) in db.execute("SELECT name FROM learned WHERE namespace = ?", (namespace,))}


def judged(m: VectorManager, namespace: str) -> tuple[float, float, float]:
    decision = m.why_not(NEW, namespace=namespace).decision
    return decision.importance_score, decision.novelty_score, m.feedback("amber", [], namespace=namespace)


def test_who_deleted_everything_begins_anew(two: tuple[VectorManager, VectorManager]) -> None:
    one, _ = two
    teach(one, "gone")
    teach(one, "kept")
    assert judged(one, "gone") != judged(one, "never")
    kept, never = judged(one, "kept"), judged(one, "never")
    assert one.delete_all(namespace="gone") == len(TEXTS)
    assert known_of(one, "gone") == {"era"}
    assert judged(one, "gone") == never
    assert judged(one, "kept") == kept
    teach(one, "gone")
    assert judged(one, "gone") == kept


def test_so_does_everybody_else_and_nobody_brings_it_back(two: tuple[VectorManager, VectorManager]) -> None:
    one, other = two
    teach(one, "gone")
    teach(other, "others")
    other.search("amber elm", 3, namespace="gone")
    other.add([Item(NEW, id="new")], namespace="gone")  # something is known to the other that is not written down
    one.delete_all(namespace="gone")
    assert judged(other, "gone") == judged(other, "never")
    other.add([Item("amber elm", id="later")], namespace="gone")
    other.drain()
    other.close()
    assert {hit.id for hit in one.search("amber", 9, namespace="gone")} == {"later"}
    assert one.why_not("amber elm", namespace="gone").duplicate_of == "later"


def test_what_was_never_written_down_is_not_brought_back_either(two: tuple[VectorManager, VectorManager]) -> None:
    one, other = two
    other.add([Item(text, id=str(number)) for number, text in enumerate(TEXTS)], namespace="gone", wait=True)
    for text in TEXTS[:3]:
        other.search(text, 3, namespace="gone")
    one.delete_all(namespace="gone")
    other.close()
    assert known_of(one, "gone") == {"era"}


def test_a_name_that_nobody_used_stays_unknown(two: tuple[VectorManager, VectorManager]) -> None:
    one, _ = two
    assert one.delete_all(namespace="nobody") == 0
    assert known_of(one, "nobody") == set()


def test_items_deleted_one_by_one_take_nothing_with_them(two: tuple[VectorManager, VectorManager]) -> None:
    one, _ = two
    teach(one, "told")
    before = judged(one, "told")
    one.delete([str(number) for number in range(len(TEXTS))], namespace="told")
    assert judged(one, "told") == before
