"""PURE. The one tokenizer: of BM25, novelty and near-duplicates."""

from __future__ import annotations

import re

from ..scripts import UNSPACED, bigrams

_RUN = re.compile(rf"[{UNSPACED}]+|[^\W{UNSPACED}_]+")
_ASCII_RUN = re.compile(r"[a-z0-9]+")  # the same runs, in a third of the time
_STARTS_UNSPACED = re.compile(rf"[{UNSPACED}]")


def words(text: str) -> list[str]:
    """Return the lower-cased words of a text, in order.

    A word is a run of letters and digits; runs in scripts without spaces give their character bigrams (one character
    alone gives itself), so that a two-character word can be found inside a sentence.
    """
    if text.isascii():
        return _ASCII_RUN.findall(text.lower())
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
