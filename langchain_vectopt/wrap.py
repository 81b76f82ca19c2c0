"""The vector store that people have, as the place where vectopt's persistent vectors go."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore as LangChainStore

from vectopt import VectorStore
from vectopt.stores.chroma import ChromaStore
from vectopt.stores.qdrant import QdrantStore

from .wrapped import FaissStore, Replay, TextStore


def wrap(
    store: LangChainStore | Callable[[Embeddings], LangChainStore],
    *,
    name: str | None = None,
    durable: bool | None = None,
    texts: bool = False,
) -> VectorStore:
    """Return a LangChain vector store as `VectorManager(store=...)` and `VectOptVectorStore(store=...)` take it.

    Chroma, Qdrant and FAISS are given vectopt's vectors by their own calls. Any other is, if it is made here:
    `wrap(lambda embedding: Theirs(embedding))`; the embedding given replays vectopt's vectors. One that is made already embeds every
    text itself once more: a warning says so.

    Args:
        store: the store, or what makes it of an embedding. It stays yours: vectopt adds and removes records of its own, and nothing else.
        name: says which place it is; a file keeps to it. By default the store's class and collection.
        durable: whether it outlives this process. By default what is known of it: Chroma and Qdrant on disk or at a server do.
            Only what outlives the process may hold a vector alone.
        texts: whether Chroma and Qdrant are given texts and metadata too; vectors then stay in vectopt's file as well.

    Raises:
        ValueError: it is no vector store, or one that can't delete.
    """
    result: Any
    parts: Any = store
    kinds = {kind.__name__ for kind in type(store).__mro__}
    if not isinstance(store, LangChainStore):
        if not callable(store):
            raise ValueError(f"store must be a LangChain vector store, or a function that makes one of an embedding; got {store!r}")
        replay = Replay()
        made = store(replay)
        if not isinstance(made, LangChainStore):
            raise ValueError(f"the function must return a LangChain vector store; it returned {made!r}")
        result = TextStore(made, replay, durable=bool(durable))
    elif "Chroma" in kinds:
        result = ChromaStore(parts._collection, durable=durable, texts=texts)
    elif "QdrantVectorStore" in kinds:
        result = QdrantStore(parts.client, parts.collection_name, vector=parts.vector_name, durable=durable, texts=texts)
    elif "FAISS" in kinds:
        result = FaissStore(store, durable=bool(durable))
    else:
        kind = type(store).__name__
        warnings.warn(
            f"{kind} embeds by itself: every text is embedded once more. "
            f"Let vectopt make it, wrap(lambda embedding: {kind}(embedding, ...)), and its vectors are used",
            stacklevel=2,
        )
        result = TextStore(store, None, durable=bool(durable))
    if name is not None:
        result.name = name
    return result  # type: ignore[no-any-return]  # theirs to type
