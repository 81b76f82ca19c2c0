"""vectopt itself: all texts in one call, in portions, and with the guard."""

from __future__ import annotations

from collections.abc import Sequence

from vectopt import PatternCompressor
from vectopt.compression import Tokenizer

from .rule import THRESHOLD

_PORTION = 1000


def at_once(texts: Sequence[str], tokenizer: Tokenizer) -> list[int]:
    """Return the labels of texts that come in one call."""
    return PatternCompressor(THRESHOLD, tokenizer=tokenizer).add_many(texts)


def incremental(texts: Sequence[str], tokenizer: Tokenizer) -> list[int]:
    """Return the labels of texts that come in portions."""
    compressor = PatternCompressor(THRESHOLD, tokenizer=tokenizer)
    return [label for start in range(0, len(texts), _PORTION) for label in compressor.add_many(texts[start : start + _PORTION])]


def guarded(texts: Sequence[str], tokenizer: Tokenizer) -> list[int]:
    """Return the labels where only texts that say the same may be one."""
    return PatternCompressor(THRESHOLD, tokenizer="mixed", guard=True).add_many(texts)
