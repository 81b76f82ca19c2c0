"""What a store outside costs a search, and what it takes from it: vectors here, sketches alone, a dictionary, a Chroma on disk.

Texts are the docstrings of Python's standard library, embedded by the local embedder; queries are their first lines.
"""

from __future__ import annotations

import tempfile
import time
from statistics import median
from typing import Any

from harness import check, meta, one_blas_thread, parser, report, told

one_blas_thread()

import chromadb
import numpy as np

from vectopt import Item, OutsideSettings, Settings, VectorManager, VectorStore
from vectopt.cli.stdlib import docstrings, library
from vectopt.embedding.local import LocalEmbedder
from vectopt.stores.chroma import ChromaStore
from vectopt.testing import FakeStore

K, QUERIES = 10, 300


def main() -> None:
    """Measure, print, write."""
    arguments = parser(__doc__ or "").parse_args()
    embedder = LocalEmbedder()
    texts = list(dict.fromkeys(item.content for item in docstrings(library())))
    order = np.argsort([len(text) for text in texts])
    vectors = np.empty((len(texts), embedder.dimensions or 0), np.float32)
    vectors[order] = np.asarray(embedder.embed([texts[place] for place in order], "document"), np.float32)
    chosen = np.random.default_rng(1).choice(len(texts), QUERIES, replace=False)
    asked = np.asarray(embedder.embed([texts[place].splitlines()[0] for place in chosen], "query"), np.float32)
    told(f"{len(texts):,} docstrings embedded")
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    truth = [np.sort(unit @ query)[-K] / np.linalg.norm(query) for query in asked]
    given = [Item(text, id=str(place), vector=vectors[place]) for place, text in enumerate(texts)]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        chroma = chromadb.PersistentClient(f"{folder}/chroma").create_collection("vectors")
        stores: dict[str, VectorStore | None] = {"none": None, "dictionary": FakeStore(batch=200), "Chroma on disk": ChromaStore(chroma)}
        for name, store in stores.items():
            path = f"{folder}/{name}.db"
            settings = Settings(outside=OutsideSettings(patience_seconds=30))
            with VectorManager(path, embedder=embedder, settings=settings, store=store) as manager:
                for start in range(0, len(given), 1000):
                    manager.add(given[start : start + 1000])
                began = time.perf_counter()
                manager.drain()
                shipped = time.perf_counter() - began
                rows.append(_row(name, manager, asked, truth, unit) | {"ship_us_per_text": 1e6 * shipped / len(texts) if store else None})
            told(name)
            if name == "dictionary":  # the same file without its store
                with VectorManager(path, embedder=embedder) as alone:
                    rows.append(_row("sketches alone", alone, asked, truth, unit) | {"ship_us_per_text": None})
        rows.append({"store": "Chroma by itself", **_alone(chroma, asked, truth), "ship_us_per_text": None})
    by_name = {row["store"]: row for row in rows}
    checks = [
        check(f"recall@10 with vectors in a {name}, of that with vectors here", by_name[name]["recall"] / by_name["none"]["recall"], 0.999)
        for name in ("dictionary", "Chroma on disk")
    ]
    checks.append(
        check("bytes of vectors here, of those without a store", by_name["dictionary"]["kb"] / by_name["none"]["kb"], 0.08, at_most=True)
    )
    report(meta(["numpy", "chromadb", "wordllama"]), rows, checks, arguments.json)


def _row(name: str, manager: VectorManager, asked: Any, truth: list[Any], unit: Any) -> dict[str, Any]:
    recall, times = [], []
    for query, least in zip(asked, truth, strict=True):
        began = time.perf_counter()
        hits = manager.search(query, K)
        times.append(time.perf_counter() - began)
        recall.append(_share(unit[[int(hit.id) for hit in hits]], query, least))
    stats = manager.stats()
    size = stats.vector_bytes + stats.sketch_bytes
    return {"store": name, "recall": float(np.mean(recall)), "p50_ms": 1000 * median(times), "kb": size / 1000}


def _alone(chroma: Any, asked: Any, truth: list[Any]) -> dict[str, Any]:
    """Return what the collection answers by itself; its default index is approximate, its distance Euclidean."""
    recall, times = [], []
    for query, least in zip(asked, truth, strict=True):
        began = time.perf_counter()
        found = chroma.query(query_embeddings=[query.tolist()], n_results=K, include=["embeddings"])["embeddings"][0]
        times.append(time.perf_counter() - began)
        rows = np.asarray(found, np.float32)
        recall.append(_share(rows / np.linalg.norm(rows, axis=1, keepdims=True), query, least))
    return {"recall": float(np.mean(recall)), "p50_ms": 1000 * median(times), "kb": None}


def _share(rows: Any, query: Any, least: float) -> float:
    """Return how many of the k found are as near as the k nearest, of k; ties count."""
    return float(np.mean(rows @ query / np.linalg.norm(query) >= least - 1e-5))


if __name__ == "__main__":
    main()
