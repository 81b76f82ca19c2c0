"""Fakes and contract suites: for our tests, and for whoever writes an embedder or tests what they built on vectopt."""

from .contracts import ArchiveTargetContract, EmbedderContract
from .fakes import FakeClock, HashEmbedder, SilentObserver
from .world import AsyncEmbedderContract, ClockContract, ObserverContract

__all__ = [
    "ArchiveTargetContract",
    "AsyncEmbedderContract",
    "ClockContract",
    "EmbedderContract",
    "FakeClock",
    "HashEmbedder",
    "ObserverContract",
    "SilentObserver",
]
