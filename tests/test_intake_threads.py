"""What is known of a namespace stays whole, whatever goes wrong in another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from vectopt import VectorManager
from vectopt.ledger import records


def test_a_write_that_fails_forgets_nothing_while_another_thread_looks_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with VectorManager() as m:
        m.add(["amber"])
        looking, failing = threading.Event(), threading.Event()
        plain, write = records.era, m._ledger.write
        errors: list[BaseException] = []

        def slow(*given: Any) -> Any:
            """Look up half, and let the other thread's write fail meanwhile."""
            if threading.current_thread() is looker:
                looking.set()
                failing.wait(5)
                failer.join(0.2)  # it can't come to an end before this
            return plain(*given)

        def refused(work: Callable[..., Any]) -> Any:
            if threading.current_thread() is failer:
                looker.start()
                looking.wait(5)
                failing.set()
                raise RuntimeError("the disk is gone")
            return write(work)

        def add(text: str) -> None:
            try:
                m.add([text])
            except RuntimeError as error:
                errors.append(error)

        looker, failer = threading.Thread(target=add, args=["birch"]), threading.Thread(target=add, args=["cedar"])
        monkeypatch.setattr(records, "era", slow)
        monkeypatch.setattr(m._ledger, "write", refused)
        failer.start()
        failer.join(10)
        looker.join(10)
        assert [str(error) for error in errors] == ["the disk is gone"]
        assert {hit.content for hit in m.search("amber birch cedar", 5, mode="lexical")} == {"amber", "birch"}
