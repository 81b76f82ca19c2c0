"""What an awaited embedder, a clock and an observer must keep to, each as a suite to inherit."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from vectopt import AsyncEmbedder, Clock, Event, Observer

from .contracts import EmbedderContract

_TEXTS = ("a short text", "another one, somewhat longer than the first")
_EVENTS = (
    Event("embedded", {"texts": 3, "namespace": "default"}),
    Event("budget_full", {"namespace": "京都", "displaced": 1}),
    Event("worker_failed", {"error": "ConnectionError"}),
    Event("an_event_of_a_later_version", {"nested": {"any": ["thing", None, 0.5]}}),
    Event("without_fields"),
)


class AsyncEmbedderContract(EmbedderContract):
    """The contract of `vectopt.AsyncEmbedder`, that of `vectopt.Embedder` included.

    ```python
    class TestMine(AsyncEmbedderContract):
        def make_embedder(self):
            return MyEmbedder()
    ```
    """

    @abstractmethod
    def make_embedder(self) -> AsyncEmbedder:
        """Return the embedder under test."""

    def test_awaited_it_answers_the_same(self) -> None:
        """`aembed` gives the vectors that `embed` gives, for documents and queries."""
        embedder = self.make_embedder()
        assert isinstance(embedder, AsyncEmbedder)
        documents = np.asarray(asyncio.run(embedder.aembed(_TEXTS, "document")), np.float32)
        queries = np.asarray(asyncio.run(embedder.aembed(_TEXTS, "query")), np.float32)
        np.testing.assert_allclose(documents, np.asarray(embedder.embed(_TEXTS, "document"), np.float32), atol=1e-4)
        np.testing.assert_allclose(queries, np.asarray(embedder.embed(_TEXTS, "query"), np.float32), atol=1e-4)

    def test_several_at_once(self) -> None:
        """Several can be awaited together, and each gets its own texts' vectors."""
        embedder = self.make_embedder()

        async def together() -> list[NDArray[np.float32]]:
            asked = [embedder.aembed((text,), "document") for text in _TEXTS * 4]
            return [np.asarray(answer, np.float32) for answer in await asyncio.gather(*asked)]

        expected = np.asarray(embedder.embed(_TEXTS * 4, "document"), np.float32)
        np.testing.assert_allclose(np.concatenate(asyncio.run(together())), expected, atol=1e-4)


class ClockContract:
    """The contract of `vectopt.Clock`.

    ```python
    class TestMine(ClockContract):
        def make_clock(self):
            return MyClock()
    ```
    """

    @abstractmethod
    def make_clock(self) -> Clock:
        """Return the clock under test."""

    def test_it_tells_seconds_since_the_epoch(self) -> None:
        """A number of seconds, of this century: not milliseconds, not a counter from zero."""
        now = self.make_clock().now()
        assert isinstance(now, float)
        assert 946_684_800 <= now < 4_102_444_800

    def test_it_does_not_go_backwards(self) -> None:
        """Each time told is at least the one told before."""
        clock = self.make_clock()
        told = [clock.now() for _ in range(1000)]
        assert told == sorted(told)


class ObserverContract:
    """The contract of `vectopt.Observer`.

    ```python
    class TestMine(ObserverContract):
        def make_observer(self):
            return MyObserver()
    ```
    """

    @abstractmethod
    def make_observer(self) -> Observer:
        """Return the observer under test."""

    def test_it_takes_note_of_anything(self) -> None:
        """No event makes it raise, of a later version neither."""
        observer = self.make_observer()
        for event in _EVENTS:
            observer.notify(event)

    def test_from_several_threads(self) -> None:
        """Threads may tell it things at the same time."""
        observer = self.make_observer()
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(observer.notify, _EVENTS * 50))
