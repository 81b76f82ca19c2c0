"""What a store is allowed: a share of the items in vectors or bytes, or of the tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vectopt import Budget
from vectopt.analysis import estimated_tokens

from .sets import RealSet

Kind = Literal["vectors", "bytes", "tokens"]

_FLOAT_BYTES = 4


@dataclass(frozen=True)
class Limit:
    """A share of what embedding and keeping everything takes."""

    kind: Kind
    share: float

    @property
    def name(self) -> str:
        """What tables and run files call it."""
        return f"{self.share:g}" if self.kind == "vectors" else f"{self.kind}-{self.share:g}"

    def budget(self, data: RealSet) -> Budget:
        """Return the budget for a set, over all its stores.

        The product counts tokens by an estimate of its own, the set's files by the embedder's tokenizer. A share of tokens is the
        share of the sum of the product's estimates; what is reported is the share of the files' sum.
        """
        if self.kind == "vectors":
            return Budget(max_vectors=max(1, round(self.share * len(data.items))))
        if self.kind == "bytes":
            return Budget(max_vector_bytes=int(self.share * len(data.items) * data.dimensions * _FLOAT_BYTES))
        return Budget(max_tokens_per_day=int(self.share * sum(estimated_tokens(item.text) for item in data.items)))


def limits(kind: Kind, shares: str) -> list[Limit]:
    """Read comma separated shares."""
    return [Limit(kind, float(share)) for share in shares.split(",") if share]
