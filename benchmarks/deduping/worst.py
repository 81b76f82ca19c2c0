"""Generated streams that an index of rare words finds hard, or that are all one cluster, or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from .streams import Stream

TINY = "tiny vocabulary"
TINY_COUNT = 20_000
_COUNT = 100_000
_SEED = 13


def _tiny(rng: Random) -> str:
    """Return 40 words out of 200, every text by itself: no two are alike, and every word is in a fifth of all."""
    return " ".join(f"w{int(rng.random() * 200)}" for _ in range(40))


def _one_id(rng: Random) -> str:
    """Return a line that differs from all others in one word: all are one cluster."""
    return f"INFO session opened for user root by service daemon on node main with id {int(rng.random() * 1e9):09d}"


def _four_ids(rng: Random) -> str:
    """Return a line that differs from all others in four words: no two are alike."""
    first, second, third, fourth = (f"{int(rng.random() * 1e9):09d}" for _ in range(4))
    return f"INFO moved block {first} from node {second} to node {third} after seconds {fourth}"


def _same(_: Random) -> str:
    return "INFO session closed for user root by service daemon on node main"


_MADE: dict[str, tuple[int, Callable[[Random], str]]] = {
    TINY: (TINY_COUNT, _tiny),
    "template, 1 id": (_COUNT, _one_id),
    "template, 4 ids": (_COUNT, _four_ids),
    "identical": (_COUNT, _same),
}
NAMES = tuple(_MADE)


def streams(most: int) -> Iterator[Stream]:
    """Yield each, of at most so many texts."""
    for name, (count, made) in _MADE.items():
        rng = Random(f"{_SEED} {name}")
        yield Stream(name, [made(rng) for _ in range(min(most, count))])
