"""Several calls at a time, each in a thread of its own that ends with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Generic, NoReturn, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Flight(Generic[K, V]):
    """Calls under way, known by what they are for.

    The threads are daemons: a process may end without waiting for a server's answer.
    """

    def __init__(self) -> None:
        self.flying: list[K] = []
        self._landed: SimpleQueue[tuple[K, Callable[[], V]]] = SimpleQueue()

    def start(self, key: K, call: Callable[[], V]) -> None:
        """Begin a call."""

        def run() -> None:
            try:
                result = call()
            except BaseException as error:  # handed over to whoever lands it
                self._landed.put((key, partial(_raise, error)))
            else:
                self._landed.put((key, lambda: result))

        self.flying.append(key)
        threading.Thread(target=run, name="vectopt-embedding", daemon=True).start()

    def land(self, seconds: float | None = None) -> tuple[K, V] | None:
        """Return the next call to end, with its result; None where none does within so many seconds. Raises what it raised."""
        try:
            key, result = self._landed.get(timeout=seconds)
        except Empty:
            return None
        self.flying.remove(key)
        return key, result()


def _raise(error: BaseException) -> NoReturn:
    raise error
