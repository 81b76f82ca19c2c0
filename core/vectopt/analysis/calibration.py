"""PURE. What a raw score means in a namespace: the share of what it has seen that scores lower.

A score of 0.8 means "above 80 % of what came before", so that one threshold fits every corpus. Where nothing was seen yet,
the reference is uniform: a raw score stands for itself. The reference goes on counting as 100 observations.
"""

from __future__ import annotations

import struct
from zlib import compress, decompress, error

_BINS = 256
_FORMAT = f"<{_BINS}H"
_PRIOR = 100  # observations that the reference distribution counts as
_FULL = 8192  # observations after which all are halved: half the weight lies on the last 4096


class Calibration:
    """The distribution of a namespace's raw scores, in two kilobytes. Deterministic given the same stream.

    The higher raw score never gets the lower score; equal ones, and those within 1/256, share the middle of their ranks. After
    8192 observations each counts half, so that a stream that changes is followed.
    """

    def __init__(self) -> None:
        self._counts = [0] * _BINS  # a list: for so few numbers faster than an array
        self._total = 0

    def score(self, raw: float) -> float:
        """Return the share of the namespace's scores below a raw one, 0..1; half of its equals count as below."""
        raw = min(1.0, max(0.0, raw))
        if not self._total:
            return raw
        place = _place(raw)
        below = sum(self._counts[:place]) + self._counts[place] / 2
        return (_PRIOR * raw + below) / (_PRIOR + self._total)

    def observe(self, raw: float) -> None:
        """Take a raw score in as seen."""
        self._counts[_place(min(1.0, max(0.0, raw)))] += 1
        self._total += 1
        if self._total >= _FULL:
            self._counts = [count >> 1 for count in self._counts]
            self._total = sum(self._counts)

    def to_bytes(self) -> bytes:
        """Return the state for the ledger, some hundred bytes."""
        return compress(struct.pack(_FORMAT, *self._counts), 1)

    @classmethod
    def from_bytes(cls, data: bytes) -> Calibration:
        """Read what `to_bytes` gave; anything else is an empty state, since it can always be learned again."""
        result = cls()
        try:
            plain = decompress(data)
        except error:
            return result
        if len(plain) == 2 * _BINS:
            counts = list(struct.unpack(_FORMAT, plain))
            if sum(counts) < _FULL:
                result._counts, result._total = counts, sum(counts)
        return result


def _place(raw: float) -> int:
    """Return the bin of a raw score; 1.0 shares the last one."""
    return min(_BINS - 1, int(raw * _BINS))
