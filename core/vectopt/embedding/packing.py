"""PURE. Texts cut to what a model takes, and packed into as few requests as the limits allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_SEARCHED = 200  # characters before a cut in which a space is looked for


def pieces(text: str, count: Callable[[str], int], most: int) -> list[str]:
    """Return a text in as many parts as it takes for none to have more than `most` tokens; cut at spaces where there are any."""
    tokens = count(text)
    if tokens <= most or len(text) < 2:
        return [text]
    parts = min(len(text), -(-tokens // most))
    cuts = [0]
    for part in range(1, parts):
        at = max(cuts[-1] + 1, len(text) * part // parts)
        space = text.rfind(" ", max(cuts[-1] + 1, at - _SEARCHED), at)
        cuts.append(space + 1 if space > 0 else at)
    ends = [*cuts[1:], len(text)]
    found = [text[start:end] for start, end in zip(cuts, ends, strict=True)]
    return [piece for part in found if part for piece in pieces(part, count, most)]


def beginning(text: str, count: Callable[[str], int], most: int) -> str:
    """Return the beginning of a text that has no more than `most` tokens, and hardly fewer."""
    low, high = 0, len(text)
    while low < high:  # the longest prefix; counts hardly ever fall as a text grows, and what is returned was counted
        middle = (low + high + 1) // 2
        if count(text[:middle]) <= most:
            low = middle
        else:
            high = middle - 1
    return text[:low]


def packed(tokens: Sequence[int], most_texts: int, most_tokens: int) -> list[slice]:
    """Return which texts, in their order, go into one request each."""
    slices: list[slice] = []
    start, total = 0, 0
    for place, one in enumerate(tokens):
        if place > start and (place - start == most_texts or total + one > most_tokens):
            slices.append(slice(start, place))
            start, total = place, 0
        total += one
    if len(tokens) > start:
        slices.append(slice(start, len(tokens)))
    return slices
