"""The fakes that vectopt ships, and the units they are advanced by."""

from vectopt.testing import FakeClock, HashEmbedder, SilentObserver

HOUR = 3_600.0
DAY = 24 * HOUR

__all__ = ["DAY", "HOUR", "FakeClock", "HashEmbedder", "SilentObserver"]
