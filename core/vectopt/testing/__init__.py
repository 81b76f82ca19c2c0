"""Fakes and contract suites: for our tests, and for whoever writes an embedder or tests what they built on vectopt."""

from .contracts import ArchiveTargetContract, EmbedderContract
from .fakes import FakeClock, HashEmbedder, SilentObserver

__all__ = ["ArchiveTargetContract", "EmbedderContract", "FakeClock", "HashEmbedder", "SilentObserver"]
