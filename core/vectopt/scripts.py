"""PURE. Scripts that are written without spaces between their words."""

from __future__ import annotations

# Kana, CJK ideographs, Thai, Lao, Khmer, Myanmar. Hangul has spaces. For use inside a character class.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003134f"
)


def bigrams(run: str) -> list[str]:
    """Return the pairs of neighbours of a run of such characters, and of one character alone itself."""
    return [run[i : i + 2] for i in range(len(run) - 1)] if len(run) > 1 else [run]
