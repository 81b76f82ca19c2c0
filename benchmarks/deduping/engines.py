"""All that cluster, by name, and up to which sizes they are let to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from vectopt.compression import TOKENIZERS, Tokenizer

from . import embeddings, ours, pairs
from .rule import loop
from .sketches import Datasketch, Led, Rensa

Cluster = Callable[[Sequence[str], Tokenizer], list[int]]

OURS, INCREMENTAL, GUARD, LOOP = "vectopt", "vectopt incremental", "vectopt guard", "spec loop"
DATASKETCH, RENSA, PAIRS, SEMHASH = "datasketch", "rensa", "SetSimilaritySearch", "SemHash"

_10K, _100K, _1M = 10_000, 100_000, 1_000_000


class Keeps(Enum):
    """How an engine keeps to the rule."""

    EXACTLY = auto()
    MOSTLY = auto()  # it verifies what it finds, and doesn't find all
    ANOTHER = auto()  # it has a rule of its own


@dataclass(frozen=True)
class Engine:
    """One way to cluster.

    Args:
        prepared: imports what it needs and returns what gives each text the number of its cluster; only the latter is timed.
        package: without which it can't be.
        most: texts of any stream it is given at most.
        most_of_main: texts of the main stream.
        keeps: how it keeps to the rule.
        note: what should be known of it.
    """

    prepared: Callable[[], Cluster]
    package: str = "vectopt"
    most: int = _1M
    most_of_main: int = _1M
    keeps: Keeps = Keeps.EXACTLY
    note: str | None = None


OURSELVES = {
    OURS: Engine(lambda: ours.at_once),
    INCREMENTAL: Engine(lambda: ours.incremental),
    GUARD: Engine(lambda: ours.guarded, keeps=Keeps.ANOTHER, note="only what says the same"),
}
PEERS = {
    RENSA: Engine(lambda: Led(Rensa()), "rensa", _100K, keeps=Keeps.MOSTLY, note="approximate, verified"),
    DATASKETCH: Engine(lambda: Led(Datasketch()), "datasketch", _10K, _100K, Keeps.MOSTLY, "approximate, verified"),
    PAIRS: Engine(pairs.prepared, "SetSimilaritySearch", _10K, _100K, note="all pairs, then leaders"),
    SEMHASH: Engine(embeddings.prepared, "semhash", _10K, _10K, Keeps.ANOTHER, "other measure: wordllama, cosine 0.9"),
}
_LOOPS = {LOOP: Engine(lambda: lambda texts, tokenizer: loop(texts, TOKENIZERS[tokenizer]), note="word sets cached")}
ENGINES = OURSELVES | PEERS | _LOOPS
