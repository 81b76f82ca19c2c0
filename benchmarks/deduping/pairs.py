"""All pairs of similar sets by SetSimilaritySearch, which is exact, and the leaders among them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from vectopt.compression import TOKENIZERS, Tokenizer

from .rule import LEAST_JACCARD, THRESHOLD, similarity


def prepared() -> Callable[[Sequence[str], Tokenizer], list[int]]:
    """Return what labels texts; equal ones are compared once, as in ours."""
    from SetSimilaritySearch import all_pairs

    def labels(texts: Sequence[str], tokenizer: Tokenizer) -> list[int]:
        distinct = list(dict.fromkeys(texts))
        words = [frozenset(TOKENIZERS[tokenizer](text)) for text in distinct]
        earlier: defaultdict[int, list[int]] = defaultdict(list)
        for pair in all_pairs(words, similarity_func_name="jaccard", similarity_threshold=LEAST_JACCARD):
            later, other = int(pair[0]), int(pair[1])
            if similarity(words[other], words[later], len(distinct[other]), len(distinct[later])) >= THRESHOLD:
                earlier[later].append(other)
        numbers = dict(zip(distinct, _led(len(distinct), earlier), strict=True))
        return [numbers[text] for text in texts]

    return labels


def _led(count: int, earlier: dict[int, list[int]]) -> list[int]:
    """Number each one's cluster: that of the first opener before it that it is like, or its own."""
    opened: dict[int, int] = {}
    result = []
    for place in range(count):
        openers = [other for other in earlier.get(place, ()) if other in opened]
        if not openers:
            opened[place] = len(opened)
        result.append(opened[min(openers, default=place)])
    return result
