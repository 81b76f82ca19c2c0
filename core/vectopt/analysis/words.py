"""PURE. The one tokenizer: of BM25, novelty and near-duplicates."""

from __future__ import annotations

import re

# Scripts written without spaces: kana, CJK ideographs, Thai, Lao, Khmer, Myanmar. Hangul has spaces.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
_RUN = re.compile(rf"[{_UNSPACED}\U00020000-\U0003134f]+|[^\W{_UNSPACED}\U00020000-\U0003134f_]+")
_STARTS_UNSPACED = re.compile(rf"[{_UNSPACED}\U00020000-\U0003134f]")


def words(text: str) -> list[str]:
    """Return the lower-cased words of a text, in order.

    A word is a run of letters and digits; runs in scripts without spaces give their character bigrams (one character
    alone gives itself), so that a two-character word can be found inside a sentence.
    """
    found = _RUN.findall(text.lower())
    if text.isascii():
        return found
    result: list[str] = []
    for run in found:
        if len(run) > 1 and _STARTS_UNSPACED.match(run):
            result.extend(run[i : i + 2] for i in range(len(run) - 1))
        else:
            result.append(run)
    return result


def estimated_tokens(text: str) -> int:
    """Return about how many tokens an embedder counts for a text: a quarter of its UTF-8 bytes, at least one."""
    return max(1, (len(text.encode()) + 3) // 4)
