"""PURE. The words by which texts are compared."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from ..scripts import UNSPACED, bigrams

Tokenizer = Literal["spec", "mixed"]

_RUN = re.compile(f"[{UNSPACED}]+")


def spec_words(text: str) -> list[str]:
    """Return the specification's words: what lies between white space, in lower case."""
    return text.lower().split()


def mixed_words(text: str) -> list[str]:
    """Return the specification's words, but for runs in scripts without spaces their pairs of neighbouring characters.

    What stands beside a run in the same word is a word of its own. Identical to `spec_words` where there is no such run.
    """
    if text.isascii():
        return text.lower().split()
    found: list[str] = []
    for word in text.lower().split():
        end = 0
        for run in _RUN.finditer(word):
            if run.start() > end:
                found.append(word[end : run.start()])
            found.extend(bigrams(run.group()))
            end = run.end()
        if end < len(word):
            found.append(word[end:])
    return found


TOKENIZERS: dict[Tokenizer, Callable[[str], list[str]]] = {"spec": spec_words, "mixed": mixed_words}
