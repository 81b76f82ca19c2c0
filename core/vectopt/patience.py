"""Waiting for others, but not for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Call(threading.Thread, Generic[T]):
    """A call in a thread of its own, which may outlast the patience, but not the process.

    Attributes:
        value: what it returned, once it is done without an error.
        error: what it raised.
    """

    value: T

    def __init__(self, call: Callable[[], T]) -> None:
        super().__init__(name="vectopt-outside", daemon=True)
        self._call = call
        self._done = threading.Event()
        self.error: Exception | None = None

    def run(self) -> None:
        """Make the call."""
        try:
            self.value = self._call()
        except Exception as error:  # whoever waits is told
            self.error = error
        self._done.set()

    def done_within(self, seconds: float) -> bool:
        """Start, wait so long at the most, and tell whether it is done."""
        self.start()
        return self._done.wait(seconds)
