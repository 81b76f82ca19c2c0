"""PURE. What the scores of a namespace are measured by."""

from __future__ import annotations

from .calibration import Calibration

_SIZE = 4  # bytes that tell how long the first of the two is


class Scale:
    """The calibrations of a namespace's importance and novelty, kept and saved together."""

    def __init__(self, importance: Calibration | None = None, novelty: Calibration | None = None) -> None:
        self.importance = importance or Calibration()
        self.novelty = novelty or Calibration()

    def observe(self, importance: float, novelty: float) -> None:
        """Take a text's raw scores in as seen."""
        self.importance.observe(importance)
        self.novelty.observe(novelty)

    def to_bytes(self) -> bytes:
        """Return the state for the ledger: at most 1.1 KB."""
        first = self.importance.to_bytes()
        return len(first).to_bytes(_SIZE, "little") + first + self.novelty.to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Scale:
        """Read what `to_bytes` gave; anything else is an empty state."""
        split = _SIZE + int.from_bytes(data[:_SIZE], "little")
        return cls(Calibration.from_bytes(data[_SIZE:split]), Calibration.from_bytes(data[split:]))
