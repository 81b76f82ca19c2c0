"""A small model on this machine: no key, no network, no GPU."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MissingExtra
from ..protocols import Role

_BATCH_TEXTS = 64
_BATCH_CHARS = 2**17  # texts times the longest of them: wordllama holds 2 KB for each of its places
_MAX_CHARS = 50_000  # of a text that count; a mean over more words would tell no more


class LocalEmbedder:
    """An `Embedder` over wordllama's model of 256 dimensions, which its package brings along.

    The model is loaded when the first text is embedded, once, from the installed package alone. Thread-safe. Vectors
    have length 1; a blank text gets zeros. Of a longer text
    its first 50,000 characters count.

    Raises:
        MissingExtra: wordllama is not installed.
    """

    name = "wordllama/l2_supercat_256"
    dimensions: int | None = 256

    def __init__(self) -> None:
        if importlib.util.find_spec("wordllama") is None:
            raise MissingExtra("wordllama", "local")
        self._lock = Lock()
        self._model: Any = None

    def embed(self, texts: Sequence[str], role: Role) -> NDArray[np.float32]:  # noqa: ARG002 - one space for both roles
        """Return one vector a text, in the order of the texts: shape (len(texts), 256)."""
        vectors = np.zeros((len(texts), 256), np.float32)
        if not len(texts):
            return vectors
        model = self._loaded()
        cut = [text[:_MAX_CHARS] if text.strip() else "" for text in texts]  # the model has tokens for mere space
        # A batch is padded to its longest text, so texts of a like length go together: four times as fast on real ones.
        order = sorted(range(len(cut)), key=lambda place: -len(cut[place]))
        start = 0
        while start < len(order):
            size = max(1, min(_BATCH_TEXTS, _BATCH_CHARS // max(1, len(cut[order[start]]))))
            batch = order[start : start + size]
            vectors[batch] = model.embed([cut[place] for place in batch], norm=False, batch_size=size)
            start += size
        # Not by norm=True: that divides by zero for texts without tokens.
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        np.divide(vectors, lengths, out=vectors, where=lengths > 0)
        return vectors

    def _loaded(self) -> Any:
        with self._lock:
            if self._model is None:
                self._model = _load()
            return self._model


def _load() -> Any:
    root, silent = logging.getLogger(), logging.NullHandler()
    # wordllama calls logging.basicConfig(level=INFO) when imported, which does nothing where there is a handler.
    root.addHandler(silent)
    try:
        import wordllama
    finally:
        root.removeHandler(silent)
    folder = Path(str(wordllama.__file__)).parent
    return wordllama.WordLlama.load(cache_dir=folder, disable_download=True)
