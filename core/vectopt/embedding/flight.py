"""Several calls at a time, each in a thread of its own that ends with it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Generic, NoReturn, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Flight(Generic[K, V]):
    """Calls under way or waiting for a thread, known by what they are for.

    The threads are daemons: a process may end without waiting for a server's answer.

    Args:
        width: how many calls at a time.
    """

    def __init__(self, width: int) -> None:
        self.flying: list[K] = []  # those that wait, too
        self._width = width
        self._running = 0
        self._waiting: deque[tuple[K, Callable[[], V]]] = deque()
        self._landed: SimpleQueue[tuple[K, Callable[[], V]]] = SimpleQueue()
        self._lock = Lock()

    def start(self, key: K, call: Callable[[], V]) -> None:
        """Begin a call, or have it wait for its turn."""
        self.flying.append(key)
        with self._lock:
            self._waiting.append((key, call))
            if self._running == self._width:
                return
            self._running += 1
        Thread(target=self._work, name="vectopt-embedding", daemon=True).start()

    def _work(self) -> None:
        while (one := self._next()) is not None:
            key, call = one
            try:
                result = call()
            except BaseException as error:  # handed over to whoever lands it
                self._landed.put((key, partial(_raise, error)))
            else:
                self._landed.put((key, partial(_same, result)))

    def _next(self) -> tuple[K, Callable[[], V]] | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._running -= 1
            return None

    def call_off(self) -> list[K]:
        """Return the calls that have not begun; they never will."""
        with self._lock:
            waiting = [key for key, _ in self._waiting]
            self._waiting.clear()
        for key in waiting:
            self.flying.remove(key)
        return waiting

    def land(self, seconds: float | None = None) -> tuple[K, V] | None:
        """Return the next call to end, with its result; None where none does within so many seconds. Raises what it raised."""
        try:
            key, result = self._landed.get(timeout=seconds)
        except Empty:
            return None
        self.flying.remove(key)
        return key, result()


def _same(result: V) -> V:
    return result


def _raise(error: BaseException) -> NoReturn:
    raise error
