"""PURE. What makes two texts the same, or the same but for their digits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b

_NUMBERS = re.compile(r"0x[0-9a-f]+|\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b|\d+")
_DIGIT = re.compile(r"\d")  # without one there is nothing to mask
_RUNS = re.compile(r"#+")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Two 16-byte digests: of the normalised text, and of the same with its digits masked."""

    exact: bytes
    masked: bytes


def fingerprint(text: str) -> Fingerprint:
    """Return the digests of a text in lower case with white space folded.

    Masking follows what costs no measured quality on logs and agents' traces: hexadecimal numbers, hexadecimal runs of
    eight or more that hold a digit, and digits become `#`, and runs of `#` become one.
    """
    normal = " ".join(text.lower().split())
    exact = _digest(normal)
    masked = _NUMBERS.sub("#", normal) if _DIGIT.search(normal) else normal
    if "##" in masked:
        masked = _RUNS.sub("#", masked)
    return Fingerprint(exact, exact if masked == normal else _digest(masked))


def textless(id: str) -> Fingerprint:
    """Return the digests of an item that has a vector and no text: they are like no other's."""
    digest = _digest(f" {id}")  # no normalised text begins with a space
    return Fingerprint(digest, digest)


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
