"""SemHash, which compares embeddings: another measure, here of the model that wordllama's package brings along."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from vectopt.compression import Tokenizer


class _Encoder:
    """The local embedder as SemHash calls one, loaded before anything is timed."""

    def __init__(self) -> None:
        from vectopt.embedding.local import LocalEmbedder

        self._embedder = LocalEmbedder()
        self._embedder.embed(["loaded"], "document")

    def encode(self, inputs: Sequence[str], **_: Any) -> Any:
        return self._embedder.embed(list(inputs), "document")


def prepared() -> Callable[[Sequence[str], Tokenizer], list[int]]:
    """Return what labels texts: one that SemHash would drop has the label of what it is a duplicate of."""
    from semhash import SemHash

    encoder = _Encoder()

    def labels(texts: Sequence[str], _: Tokenizer) -> list[int]:
        result = SemHash.from_records(list(texts), model=encoder).self_deduplicate()
        numbers = {text: number for number, text in enumerate(result.selected)}
        leads = {one.record: one.duplicate_of for one in result.filtered}
        return [numbers[leads.get(text, text)] for text in texts]

    return labels
