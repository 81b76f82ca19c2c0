"""Every embedder, clock and observer of ours keeps to the contract that is shipped; what breaks one is told so."""

import time

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from llama_index.core.base.embeddings.base import BaseEmbedding

from langchain_vectopt import LangChainEmbedder
from llama_index_vectopt import LlamaIndexEmbedder
from vectopt import AsyncEmbedder, Clock, Embedder, Event, Observer
from vectopt.clock import SystemClock
from vectopt.embedding.local import LocalEmbedder
from vectopt.observers import LoggingObserver
from vectopt.testing import (
    AsyncEmbedderContract,
    ClockContract,
    EmbedderContract,
    FakeClock,
    HashEmbedder,
    ObserverContract,
    SilentObserver,
)


class TestHashEmbedder(EmbedderContract):
    def make_embedder(self) -> Embedder:
        return HashEmbedder(24)


class TestLocalEmbedder(EmbedderContract):
    def make_embedder(self) -> Embedder:
        return LocalEmbedder()


class TestLangChainEmbedder(AsyncEmbedderContract):
    def make_embedder(self) -> AsyncEmbedder:
        return LangChainEmbedder(DeterministicFakeEmbedding(size=8))


class _Lengths(BaseEmbedding):
    """A LlamaIndex model that needs nothing."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return [float(len(text)), 1.0]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


class TestLlamaIndexEmbedder(EmbedderContract):
    def make_embedder(self) -> Embedder:
        return LlamaIndexEmbedder(_Lengths())


class TestSystemClock(ClockContract):
    def make_clock(self) -> Clock:
        return SystemClock()


class TestFakeClock(ClockContract):
    def make_clock(self) -> Clock:
        return FakeClock()


class TestLoggingObserver(ObserverContract):
    def make_observer(self) -> Observer:
        return LoggingObserver()


class TestSilentObserver(ObserverContract):
    def make_observer(self) -> Observer:
        return SilentObserver()


class Turning(HashEmbedder):
    """Answers in the wrong order."""

    def embed(self, texts, role):
        return super().embed(texts, role)[::-1]


class Padding(HashEmbedder):
    """A text's vector depends on the longest of its call."""

    def embed(self, texts, role):
        return super().embed(texts, role) * max(map(len, texts))


class Forgetful(HashEmbedder):
    """Keeps what it is asked in itself, for whichever thread reads it first."""

    def embed(self, texts, role):
        self.texts = texts
        time.sleep(0.002)
        return super().embed(self.texts, role)


class Other(HashEmbedder):
    """Awaited, it answers something else."""

    async def aembed(self, texts, role):
        return -self.embed(texts, role)


class Milliseconds:
    def now(self) -> float:
        return time.time() * 1000


class Backwards:
    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def now(self) -> float:
        self.time -= 1
        return self.time


class Knowing:
    """Only knows the events of today."""

    def notify(self, event: Event) -> None:
        {"embedded": 1}[event.name]


def suite(base: type, method: str, made: object) -> object:
    return type("Suite", (base,), {method: lambda self: made})()


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (suite(EmbedderContract, "make_embedder", Turning()), "test_one_by_one_or_together"),
        (suite(EmbedderContract, "make_embedder", Padding()), "test_one_by_one_or_together"),
        (suite(EmbedderContract, "make_embedder", Forgetful()), "test_from_several_threads"),
        (suite(EmbedderContract, "make_embedder", HashEmbedder(name="")), "test_it_is_an_embedder_with_a_name"),
        (suite(AsyncEmbedderContract, "make_embedder", Other()), "test_awaited_it_answers_the_same"),
        (suite(ClockContract, "make_clock", Milliseconds()), "test_it_tells_seconds_since_the_epoch"),
        (suite(ClockContract, "make_clock", Backwards()), "test_it_does_not_go_backwards"),
        (suite(ObserverContract, "make_observer", Knowing()), "test_it_takes_note_of_anything"),
    ],
)
def test_what_breaks_the_contract_is_told_so(broken: object, test: str) -> None:
    with pytest.raises((AssertionError, KeyError)):
        getattr(broken, test)()
