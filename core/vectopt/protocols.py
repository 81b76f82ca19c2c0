"""What vectopt asks of the outside world. Each protocol is small enough to implement in a page."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .model import Capabilities, Event, Record, Vector

Role = Literal["document", "query"]


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors.

    `name` and `dimensions` say which space the vectors lie in; a store keeps to one. `dimensions` may be None where it
    isn't known before the first call.

    `embed` may raise anything: the texts of the call are charged an attempt each, go alone from then on, and are dead letters after
    the last one. It says more by raising

    - `EmbedderBusy`: not now; all wait until `retry_after`, and no attempt is charged;
    - `EmbedderStopped`: not until someone does something; the same, and observers are told once;
    - `TextsRefused`: these texts never; they are dead letters, the others are tried again at once.

    An embedder may also have

    - `concurrency: int`: how many calls, each from a thread of its own, it wants at a time; 1 where it says nothing;
    - `batch_texts: int` and `batch_tokens: int`: the most of a call, instead of `QueueSettings`';
    - `count_tokens(text) -> int`: what a text costs, instead of a quarter of its bytes; called for each text that is added;
    - `price_per_million_tokens: float | None`: where `Settings` name none.
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


@dataclass(frozen=True, slots=True)
class Embedded:
    """Vectors with their account.

    Attributes:
        vectors: shape (number of texts, dimensions); those of refused texts mean nothing.
        tokens: what was paid, with what was paid twice and without what was known already; None where that isn't known.
        refused: texts that will never be embedded, by place, and why.
        notes: what `explain` is to say of a text's embedding, by place.
    """

    vectors: Any
    tokens: int | None
    refused: Mapping[int, str] = field(default_factory=dict)
    notes: Mapping[int, str] = field(default_factory=dict)


@runtime_checkable
class AccountingEmbedder(Embedder, Protocol):
    """An Embedder that keeps account: budgets in tokens then hold for what was really paid."""

    def embed_accounted(self, texts: Sequence[str], role: Role) -> Embedded:
        """Return the same as `embed` with its account; refused texts are in it and not an error."""
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


class VectorStore(Protocol):
    """A store outside that holds persistent vectors under keys.

    Everything it is told may be told twice: calls are repeated until they are known to have worked. It is called from several
    threads, never with a key of anyone else, and never to drop or reset anything. Any call may raise anything: vectopt goes on
    without the store, and tries again later.

    `name` says which place the vectors go to: a file whose vectors are in one store isn't opened with another. `capabilities` says
    which of the calls below mean something.
    """

    @property
    def name(self) -> str: ...
    @property
    def capabilities(self) -> Capabilities: ...

    def upsert(self, namespace: str, records: Sequence[Record]) -> Collection[str]:
        """Store records in place of any under the same keys; return the keys that it knows it did not store."""
        ...

    def delete(self, namespace: str, keys: Sequence[str]) -> None:
        """Remove what is under the keys; unknown ones are no error."""
        ...

    def fetch(self, namespace: str, keys: Sequence[str]) -> Mapping[str, Vector | None]:
        """Return what is there of the keys, with the vectors where the store hands them back."""
        ...

    def query(self, namespace: str, vector: Vector, k: int) -> Mapping[str, Vector | None]:
        """Return up to k of the nearest, as `fetch` does, best first."""
        ...

    def keys(self, namespace: str, prefix: str) -> Iterator[str]:
        """Yield the keys that are there and begin so."""
        ...
