"""The specification's loop, to the letter: what the clusters must be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence


def similarity(first: str, second: str, words: Callable[[str], Iterable[str]]) -> float:
    words1, words2 = set(words(first)), set(words(second))
    if not words1 and not words2:
        return 1.0
    if not words1 or not words2:
        return 0.0
    intersection = words1.intersection(words2)
    union = words1.union(words2)
    jaccard_similarity = len(intersection) / len(union)
    length_similarity = 1 - abs(len(first) - len(second)) / max(len(first), len(second))
    return jaccard_similarity * 0.7 + length_similarity * 0.3


def labels(
    texts: Sequence[str],
    threshold: float,
    words: Callable[[str], Iterable[str]],
    also: Callable[[str, str], bool] = lambda opener, text: True,
) -> list[int]:
    """Number each text's cluster: the first that is in none opens one, and takes every later one that is alike."""
    result = [-1] * len(texts)
    clusters = 0
    for i, opener in enumerate(texts):
        if result[i] >= 0:
            continue
        result[i] = clusters
        for j in range(i + 1, len(texts)):
            if result[j] < 0 and similarity(opener, texts[j], words) >= threshold and also(opener, texts[j]):
                result[j] = clusters
        clusters += 1
    return result
