"""PURE. How new a text is to its namespace, before any embedding is paid for.

Novelty is the share of a text's words and neighbouring word pairs that were not seen before. What was seen is kept in two
Bloom filters of one hash each (Bloom, CACM 1970): when the newer one is 30 % full it becomes the older, and the oldest
is forgotten, so memory is bounded whatever the length of the stream. A false "seen" is as likely as the filters are full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

_BITS = 1 << 18
_BYTES = _BITS // 8
_FULL = int(_BITS * 0.30)
_PAIR = np.uint32(0x9E3779B1)  # Knuth's multiplicative constant: (a, b) and (b, a) hash apart


def shingles(tokens: Sequence[str]) -> NDArray[np.uint32]:
    """Return the distinct hashes of the tokens and of their neighbouring pairs, in 0..2^18."""
    hashed = np.fromiter((crc32(token.encode("utf-8", "surrogatepass")) for token in tokens), np.uint32, len(tokens))
    pairs = (hashed[:-1] * _PAIR) ^ hashed[1:]
    return np.unique(np.concatenate((hashed, pairs)) & np.uint32(_BITS - 1))


@dataclass(frozen=True, slots=True)
class NoveltyState:
    """What a namespace has seen: 64 KiB at most."""

    newer: bytes = bytes(_BYTES)
    older: bytes = bytes(_BYTES)
    filled: int = 0  # bits set in `newer`

    def novelty(self, hashes: NDArray[np.uint32]) -> float:
        """Return the share of the hashes not seen before, 0..1; 0 for a text without words."""
        if not len(hashes):
            return 0.0
        at, bit = hashes >> 3, np.uint8(1) << (hashes & 7).astype(np.uint8)
        seen = (np.frombuffer(self.newer, np.uint8)[at] | np.frombuffer(self.older, np.uint8)[at]) & bit
        return 1.0 - float(np.count_nonzero(seen)) / len(hashes)

    def remember(self, hashes: NDArray[np.uint32]) -> NoveltyState:
        """Return the state after a text was seen."""
        if not len(hashes):
            return self
        newer = np.frombuffer(self.newer, np.uint8).copy()
        at, bit = hashes >> 3, np.uint8(1) << (hashes & 7).astype(np.uint8)
        fresh = int(np.count_nonzero((newer[at] & bit) == 0))
        np.bitwise_or.at(newer, at, bit)
        if self.filled + fresh > _FULL:
            return NoveltyState(newer=bytes(_BYTES), older=newer.tobytes(), filled=0)
        return NoveltyState(newer.tobytes(), self.older, self.filled + fresh)

    def to_bytes(self) -> bytes:
        """Return the state for the ledger."""
        return self.filled.to_bytes(4, "little") + self.newer + self.older

    @classmethod
    def from_bytes(cls, data: bytes) -> NoveltyState:
        """Read what `to_bytes` gave; anything else is an empty state, since novelty can always be learned again."""
        if len(data) != 4 + 2 * _BYTES:
            return cls()
        return cls(data[4 : 4 + _BYTES], data[4 + _BYTES :], int.from_bytes(data[:4], "little"))
