"""Embedding models of LlamaIndex for tests: they remember what they were asked for."""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr


class CountingEmbedding(BaseEmbedding):
    """A vector a distinct word, summed: texts that share words are near each other."""

    api_key: str = "a key that nobody may see"
    _asked: list[str] = PrivateAttr(default_factory=list)

    @property
    def asked(self) -> list[str]:
        """The texts embedded so far; queries are not among them."""
        return self._asked

    def _vector(self, text: str) -> list[float]:
        total = np.zeros(64)
        for word in text.lower().split():
            total += np.random.default_rng(list(blake2b(word.encode(), digest_size=8).digest())).standard_normal(64)
        return (total / (np.linalg.norm(total) or 1)).tolist()

    def _get_text_embedding(self, text: str) -> list[float]:
        self._asked.append(text)
        return self._vector(text)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embedding(text)

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._vector(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._vector(query)


class Scripted:
    """Messages that a scripted language model gives, one after the other."""

    def __init__(self, *messages: Any) -> None:
        self._messages: Iterator[Any] = iter(messages)
        self.seen: list[list[str]] = []

    def __call__(self, messages: Any, **kwargs: Any) -> Any:
        self.seen.append([message.content or "" for message in messages])
        return next(self._messages)
