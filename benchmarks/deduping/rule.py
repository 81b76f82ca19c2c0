"""The rule as it is specified, and its loop over all pairs: what the clusters must be. Written apart from the code that is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

THRESHOLD = 0.85
LEAST_JACCARD = (THRESHOLD - 0.3) / 0.7 - 1e-9  # of texts that are alike: their lengths can't be more alike than equal

Words = frozenset[str]


def similarity(words1: Words, words2: Words, length1: int, length2: int) -> float:
    """Return how alike two texts with these words and lengths in characters are.

    In float64 and in the specification's order of operations; only that the sets of words are made once a text, and that the size
    of the union is counted from the intersection's, which gives the same integer.
    """
    if not words1 and not words2:
        return 1.0
    if not words1 or not words2:
        return 0.0
    intersection = len(words1 & words2)
    union = len(words1) + len(words2) - intersection
    jaccard_similarity = intersection / union
    length_similarity = 1 - abs(length1 - length2) / max(length1, length2)
    return jaccard_similarity * 0.7 + length_similarity * 0.3


def loop(texts: Sequence[str], tokenize: Callable[[str], Iterable[str]]) -> list[int]:
    """Number each text's cluster: the first that is in none opens one, and takes every later one that is alike."""
    words, lengths = [frozenset(tokenize(text)) for text in texts], [len(text) for text in texts]
    labels, clusters = [-1] * len(texts), 0
    for i in range(len(texts)):
        if labels[i] >= 0:
            continue
        labels[i] = clusters
        for j in range(i + 1, len(texts)):
            if labels[j] < 0 and similarity(words[i], words[j], lengths[i], lengths[j]) >= THRESHOLD:
                labels[j] = clusters
        clusters += 1
    return labels
