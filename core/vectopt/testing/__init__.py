"""Fakes and contract suites: for our tests, and for whoever writes an embedder or a store, or tests what they built on vectopt."""

from .contracts import ArchiveTargetContract, EmbedderContract
from .fakes import FakeClock, HashEmbedder, SilentObserver
from .store_contract import VectorStoreContract
from .stores import FakeStore
from .world import AsyncEmbedderContract, ClockContract, ObserverContract

__all__ = [
    "ArchiveTargetContract",
    "AsyncEmbedderContract",
    "ClockContract",
    "EmbedderContract",
    "FakeClock",
    "FakeStore",
    "HashEmbedder",
    "ObserverContract",
    "SilentObserver",
    "VectorStoreContract",
]
