"""What is clustered: real texts and perturbed copies of them, in random order, the same in every run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from indexing.language import Language

from vectopt.compression import Tokenizer

from .copies import Copier
from .sets import spaced

MIX, LOGS, DIALOGUE, AGENT, ABSTRACTS, UNSPACED, SYNTHETIC = "mix", "logs", "dialogue", "agent", "abstracts", "unspaced", "synthetic"
_SETS = {
    LOGS: ("loghub",),
    DIALOGUE: ("locomo", "qmsum"),
    AGENT: ("tau_airline", "intercode_bash"),
    ABSTRACTS: ("cranfield", "scifact_1k"),
}
_SEED = 11
_GENERATED = 30_000  # texts, about as many as the sets have


@dataclass(frozen=True)
class Stream:
    """Texts in the order they come.

    Args:
        name: what the tables call it.
        texts: repetitions included.
        real: the share that was written for itself and is no copy.
        tokenizer: that suits it.
    """

    name: str
    texts: list[str]
    real: float = 0.0
    tokenizer: Tokenizer = "spec"

    @property
    def distinct(self) -> float:
        """The share that is left when equal texts are one."""
        return len(set(self.texts)) / len(self.texts)

    def prefix(self, count: int) -> Stream:
        """Return its first texts; the share of real ones is that of the whole."""
        return Stream(self.name, self.texts[:count], self.real, self.tokenizer)

    def write(self, path: Path) -> None:
        """Write the texts to a file, for processes that `read` them."""
        with path.open("w", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(text)}\n" for text in self.texts)


def read(path: Path) -> list[str]:
    """Return the texts of a stream that was written; little more memory than theirs is ever held."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


class Streams:
    """The streams that can be made of some sets of texts, or of none.

    Args:
        sets: texts by the names of their sets.
    """

    def __init__(self, sets: dict[str, list[str]]) -> None:
        self._sets = sets

    def __iter__(self) -> Iterator[str]:
        """Yield the names of those that are clustered by all engines; the first is the main one."""
        return iter((MIX, LOGS, DIALOGUE, AGENT) if self._sets else (SYNTHETIC,))

    @property
    def main(self) -> str:
        """The one that slow engines are given."""
        return next(iter(self))

    @property
    def grown(self) -> tuple[str, ...]:
        """Those that are measured at any size, to see how the time grows."""
        return (MIX, LOGS) if self._sets else (SYNTHETIC,)

    @property
    def judged(self) -> tuple[str, ...]:
        """Those whose clusters are held against the loop's."""
        return (*self, ABSTRACTS, UNSPACED) if self._sets else (SYNTHETIC,)

    def stream(self, name: str, count: int) -> Stream | None:
        """Return a stream of so many texts, at most half of them real; None where its sets are missing."""
        rng = Random(f"{_SEED} {name} {count}")
        if name == SYNTHETIC:
            texts = Language().texts(min(count - count // 2, _GENERATED), np.random.default_rng([_SEED, count]))
            return Stream(name, _grown(texts, count, rng))
        texts = self._texts(name)
        if not texts:
            return None
        chosen = rng.sample(texts, min(count - count // 2, len(texts)))
        unspaced = name == UNSPACED
        return Stream(name, _grown(chosen, count, rng, spaced=not unspaced), len(chosen) / count, "mixed" if unspaced else "spec")

    def _texts(self, name: str) -> list[str]:
        if name in _SETS:
            chosen = [self._sets[one] for one in _SETS[name] if one in self._sets]
        else:
            chosen = [texts for texts in self._sets.values() if spaced(texts) is (name == MIX)]
        return [text for texts in chosen for text in texts]


def _grown(texts: Sequence[str], count: int, rng: Random, *, spaced: bool = True) -> list[str]:
    copier = Copier(texts, rng, spaced=spaced)
    result = [*texts, *(copier.copy() for _ in range(count - len(texts)))]
    rng.shuffle(result)
    return result
