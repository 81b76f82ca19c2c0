"""Stand-ins for what a test must command: the time, the embedder, and who is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from vectopt import Event

_DAY = 86_400.0


class FakeClock:
    """Stands still until it is told to advance. It starts at noon UTC.

    Args:
        start: seconds since the epoch.
    """

    def __init__(self, start: float = 20_000 * _DAY + _DAY / 2) -> None:
        self.time = start

    def now(self) -> float:
        """Return the time it was set to."""
        return self.time

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.time += seconds

    def to_next_day(self) -> None:
        """Advance to one second past the next midnight UTC."""
        self.time = (self.time // _DAY + 1) * _DAY + 1


class HashEmbedder:
    """Deterministic vectors from the digest of a text: equal texts agree, different ones are nearly orthogonal.

    Attributes:
        seen: every document it embedded, in order.
        calls: the number of texts of each call for documents.
        failing: while true, every call raises.
        poison: texts that make the call they are in raise.
        on_embed: called with the texts before each call for documents.
    """

    def __init__(self, dimensions: int = 16, name: str = "hash") -> None:
        self.name = name
        self.dimensions: int | None = dimensions
        self._size = dimensions
        self.seen: list[str] = []
        self.calls: list[int] = []
        self.failing = False
        self.poison: set[str] = set()
        self.on_embed: Callable[[Sequence[str]], object] = lambda _: None

    def vector(self, text: str) -> NDArray[np.float32]:
        """Return the text's vector, of length 1 and shape (dimensions,)."""
        digest = b"".join(blake2b(text.encode(), salt=bytes([part]) * 16).digest() for part in range(-(-self._size // 64)))
        raw = np.frombuffer(digest, np.uint8)[: self._size].astype(np.float32) - np.float32(127.5)
        unit: NDArray[np.float32] = raw / np.linalg.norm(raw)
        return unit

    def embed(self, texts: Sequence[str], role: str) -> NDArray[np.float32]:
        """Return one vector a text; raises ConnectionError when told to fail."""
        if role == "document":
            self.on_embed(texts)
        if self.failing or any(text in self.poison for text in texts):
            raise ConnectionError("the embedder is down")
        if role == "document":
            self.seen.extend(texts)
            self.calls.append(len(texts))
        return np.stack([self.vector(text) for text in texts])


class SilentObserver:
    """Keeps the names of the events it was told, and says nothing."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def notify(self, event: Event) -> None:
        """Take note of an event's name."""
        self.names.append(event.name)
