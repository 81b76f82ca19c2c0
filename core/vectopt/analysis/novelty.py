"""PURE. How new a text is to its namespace, before any embedding is paid for.

Novelty is the share of a text's words and neighbouring word pairs that were not seen before. What was seen is kept in two
Bloom filters of one hash each (Bloom, CACM 1970): when the newer one is 30 % full it becomes the older, and the oldest
is forgotten, so memory is bounded whatever the length of the stream. A false "seen" is as likely as the filters are full.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import compress, crc32, decompress, error

import numpy as np
from numpy.typing import NDArray

BITS = 1 << 18
_FULL = int(BITS * 0.30)
_CHECK_EVERY = 4096  # hashes between two looks at how full the filter is
_SHIFT = np.uint32(32 - 18)  # the top 18 bits of a product are the well mixed ones
_MIX = np.uint32(0x9E3779B1)  # Knuth's multiplicative constant, and another one for the second of a pair
_PAIR = np.uint32(0x85EBCA6B)


def hashes(tokens: Sequence[str]) -> NDArray[np.uint32]:
    """Return the hashes of the tokens, then of their neighbouring pairs."""
    data = " ".join(tokens).encode("utf-8", "surrogatepass").split(b" ") if tokens else []  # words hold no spaces
    return paired(np.array(list(map(crc32, data)), np.uint32))


def paired(crcs: NDArray[np.unsignedinteger]) -> NDArray[np.uint32]:
    """Return the hashes of words, given by their CRCs in the lower 32 bits, then of their neighbouring pairs."""
    hashed = crcs.astype(np.uint32) * _MIX
    both = np.concatenate((hashed, hashed[:-1] * _PAIR + hashed[1:]))
    both ^= both >> np.uint32(15)  # CRCs of similar words differ in a regular way; products and shifts undo that
    both *= _MIX
    return both


def within(hashed: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return the best bits of hashes, in 0..2^18."""
    return hashed >> _SHIFT


def shingles(tokens: Sequence[str]) -> NDArray[np.uint32]:
    """Return the hashes of the tokens and of their neighbouring pairs, in 0..2^18."""
    return within(hashes(tokens))


class Novelty:
    """What a namespace has seen: 512 KiB, and at most 64 KiB in the ledger. Deterministic given the same stream."""

    def __init__(self) -> None:
        self._newer = np.zeros(BITS, np.bool_)
        self._older = np.zeros(BITS, np.bool_)
        self._unchecked = 0

    def of(self, hashes: NDArray[np.uint32]) -> float:
        """Return the share of the hashes not seen before, 0..1; 0 for a text without words."""
        if not len(hashes):
            return 0.0
        return 1.0 - int(np.count_nonzero(self._newer[hashes] | self._older[hashes])) / len(hashes)

    def observe(self, hashes: NDArray[np.uint32]) -> None:
        """Take a text in as seen."""
        self._newer[hashes] = True
        self._unchecked += len(hashes)
        if self._unchecked >= _CHECK_EVERY:
            self._unchecked = 0
            if int(np.count_nonzero(self._newer)) > _FULL:
                self._older, self._newer = self._newer, np.zeros(BITS, np.bool_)

    def to_bytes(self) -> bytes:
        """Return the state for the ledger."""
        bits = np.packbits(np.concatenate((self._newer, self._older)))
        return compress(self._unchecked.to_bytes(4, "little") + bits.tobytes(), 1)

    @classmethod
    def from_bytes(cls, data: bytes) -> Novelty:
        """Read what `to_bytes` gave; anything else is an empty state, since novelty can always be learned again."""
        result = cls()
        try:
            plain = decompress(data)
        except error:
            return result
        if len(plain) == 4 + 2 * BITS // 8:
            bits = np.unpackbits(np.frombuffer(plain, np.uint8, offset=4)).astype(np.bool_)
            result._unchecked = int.from_bytes(plain[:4], "little")
            result._newer, result._older = bits[:BITS].copy(), bits[BITS:].copy()
        return result
