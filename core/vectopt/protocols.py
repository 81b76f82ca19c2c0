"""What vectopt asks of the outside world. Each protocol is small enough to implement in a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .model import Event

Role = Literal["document", "query"]


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors.

    `name` and `dimensions` say which space the vectors lie in; a store keeps to one. `dimensions` may be None where it
    isn't known before the first call.
    """

    name: str
    dimensions: int | None

    def embed(self, texts: Sequence[str], role: Role) -> NDArray[np.float32] | Sequence[Sequence[float]]:
        """Return one vector a text, in the order of the texts: shape (len(texts), dimensions)."""
        ...


@runtime_checkable
class AsyncEmbedder(Embedder, Protocol):
    """An Embedder that can also be awaited."""

    async def aembed(self, texts: Sequence[str], role: Role) -> NDArray[np.float32] | Sequence[Sequence[float]]:
        """Return the same as `embed`, without blocking the event loop."""
        ...


@runtime_checkable
class ItemEmbedder(Embedder, Protocol):
    """An Embedder that wants more of an item embedded than its text: a title, say, that is in the metadata."""

    def text_of(self, content: str, metadata: Mapping[str, Any]) -> str:
        """Return what is to be embedded for an item. Should this fail, it is the text."""
        ...


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> float:
        """Return seconds since the epoch, UTC."""
        ...


class Observer(Protocol):
    """Is told what happens. It must be quick and must not raise."""

    def notify(self, event: Event) -> None:
        """Take note of an event."""
        ...
