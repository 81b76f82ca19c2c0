"""PURE. The one tokenizer: of BM25, novelty and near-duplicates."""

from __future__ import annotations

import re

from ..scripts import UNSPACED, bigrams

_RUN = re.compile(rf"[{UNSPACED}]+|[^\W{UNSPACED}_]+")
_ASCII_RUNS = bytes(byte + 32 if 65 <= byte <= 90 else byte if chr(byte).isalnum() else 32 for byte in range(128)) + bytes(128)
"""What ASCII text becomes whose runs of letters and digits, in lower case, are to be split at spaces: in a fifth of the time."""
_STARTS_UNSPACED = re.compile(rf"[{UNSPACED}]")


def words(text: str) -> list[str]:
    """Return the lower-cased words of a text, in order.

    A word is a run of letters and digits; runs in scripts without spaces give their character bigrams (one character
    alone gives itself), so that a two-character word can be found inside a sentence.
    """
    if text.isascii():
        return text.encode().translate(_ASCII_RUNS).decode().split()
    result: list[str] = []
    for run in _RUN.findall(text.lower()):
        if _STARTS_UNSPACED.match(run):
            result.extend(bigrams(run))
        else:
            result.append(run)
    return result


def estimated_tokens(text: str) -> int:
    """Return about how many tokens an embedder counts for a text: a quarter of its UTF-8 bytes, at least one."""
    return max(1, (len(text.encode()) + 3) // 4)
