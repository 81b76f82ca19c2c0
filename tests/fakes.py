"""Stand-ins for what the tests must command: the time, and the embedder."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

DAY = 86_400.0
HOUR = 3_600.0


class FakeClock:
    """Stands still until it is told to advance. It starts at noon UTC."""

    def __init__(self, start: float = 20_000 * DAY + 12 * HOUR) -> None:
        self.time = start

    def now(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += seconds

    def to_next_day(self) -> None:
        """Advance to one second past the next midnight UTC."""
        self.time = (self.time // DAY + 1) * DAY + 1


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
        self.on_embed = lambda texts: None

    def vector(self, text: str) -> NDArray[np.float32]:
        """Return the text's vector, of length 1 and shape (dimensions,)."""
        digest = b"".join(blake2b(text.encode(), salt=bytes([part]) * 16).digest() for part in range(-(-self._size // 64)))
        raw = np.frombuffer(digest, np.uint8)[: self._size].astype(np.float32) - 127.5
        return raw / np.linalg.norm(raw)

    def embed(self, texts: Sequence[str], role: str) -> NDArray[np.float32]:
        if role == "document":
            self.on_embed(texts)
        if self.failing or any(text in self.poison for text in texts):
            raise ConnectionError("the embedder is down")
        if role == "document":
            self.seen.extend(texts)
            self.calls.append(len(texts))
        return np.stack([self.vector(text) for text in texts])


class SilentObserver:
    """Keeps the names of the events it was told."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def notify(self, event: object) -> None:
        self.names.append(event.name)  # type: ignore[attr-defined]
