"""The store through its LangChain adapter, beside LangChain's in-memory store and Chroma.

Rows are added with their embeddings, so that no embedder is measured. Each store lives in a process of its own; the
searches of all of them take turns in short rounds, so that a noisy neighbour disturbs all alike.
"""

from __future__ import annotations

import multiprocessing as mp
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harness

harness.one_blas_thread()

import numpy as np

DIMENSIONS = 384
CLUSTERS = 500
BATCH = 1000
K = 10
SINGLES = 60
ROUNDS = 12
ROUND_SECONDS = 1.0
ROUND_QUERIES = 25


def corpus(count: int) -> tuple[list[str], Any, Any]:
    """Return texts, their clustered vectors and queries near some of them."""
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(CLUSTERS, DIMENSIONS))
    vectors = (centres[rng.integers(CLUSTERS, size=count)] + 0.6 * rng.normal(size=(count, DIMENSIONS))).astype(np.float32)
    words = [f"{a}{b}" for a in ("al", "ber", "cor", "dan", "el", "fir") for b in ("a", "en", "ist", "or", "um")]
    texts = [f"{i} " + " ".join(rng.choice(words, size=15)) for i in range(count)]
    queries = vectors[rng.integers(count, size=ROUNDS * ROUND_QUERIES)] + 0.3 * rng.normal(size=(ROUNDS * ROUND_QUERIES, DIMENSIONS))
    return texts, vectors, queries.astype(np.float32)


def open_vectopt(folder: Path) -> tuple[Any, Callable[[list[str], Any, list[dict[str, Any]]], Any]]:
    """Open ours, on a file, durable."""
    from langchain_core.embeddings import DeterministicFakeEmbedding

    from langchain_vectopt import VectOptVectorStore

    store = VectOptVectorStore(DeterministicFakeEmbedding(size=DIMENSIONS), path=folder / "store.db")
    return store, lambda texts, vectors, metadatas: store.add_embeddings(zip(texts, vectors.tolist(), strict=True), metadatas)


class Replay:
    """An embedder that hands back vectors already made."""

    def __init__(self) -> None:
        self.vectors: list[list[float]] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.vectors

    def embed_query(self, text: str) -> list[float]:
        raise AssertionError("searches are by vector")


def open_in_memory(folder: Path) -> tuple[Any, Callable[[list[str], Any, list[dict[str, Any]]], Any]]:
    """Open LangChain's own store: in memory, not durable."""
    from langchain_core.vectorstores import InMemoryVectorStore

    replay = Replay()
    store = InMemoryVectorStore(replay)  # type: ignore[arg-type]
    return store, _replayed(store, replay)


def open_chroma(folder: Path) -> tuple[Any, Callable[[list[str], Any, list[dict[str, Any]]], Any]]:
    """Open Chroma, persistent, with cosine."""
    from chromadb.config import Settings
    from langchain_chroma import Chroma

    replay = Replay()
    store = Chroma(
        "bench",
        embedding_function=replay,  # type: ignore[arg-type]
        persist_directory=str(folder),
        collection_metadata={"hnsw:space": "cosine"},
        client_settings=Settings(anonymized_telemetry=False, is_persistent=True, persist_directory=str(folder)),
    )
    return store, _replayed(store, replay)


def _replayed(store: Any, replay: Replay) -> Callable[[list[str], Any, list[dict[str, Any]]], Any]:
    def add(texts: list[str], vectors: Any, metadatas: list[dict[str, Any]]) -> None:
        replay.vectors = vectors.tolist()
        store.add_texts(texts, metadatas)

    return add


OPENERS = {"vectopt": open_vectopt, "LangChain InMemory": open_in_memory, "Chroma": open_chroma}


def serve(name: str, count: int, cap: float, pipe: Any) -> None:
    """Live in a process of its own: load, then answer rounds of searches until told to stop."""
    folder = Path(tempfile.mkdtemp(prefix="vectopt-bench-"))
    try:
        texts, vectors, queries = corpus(count)
        store, add = OPENERS[name](folder)
        add(["warm"], vectors[:1], [{"n": -1, "kind": "warm"}])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started, done, batches = time.perf_counter(), 0, []
        while done < count and time.perf_counter() - started < cap:
            begun = time.perf_counter()
            part = slice(done, done + BATCH)
            add(texts[part], vectors[part], [{"n": i, "kind": "even" if i % 2 else "odd"} for i in range(done, min(count, done + BATCH))])
            done = min(count, done + BATCH)
            batches.append((time.perf_counter() - begun) / BATCH)
        if done < count:
            pipe.send({"aborted": f"{done} rows in {cap:g} s", "add_us": statistics.median(batches) * 1e6})
            return
        singles = []
        for i in range(SINGLES):
            begun = time.perf_counter()
            add([f"single {i}"], vectors[i : i + 1] + 1, [{"n": i, "kind": "single"}])
            singles.append(time.perf_counter() - begun)
        store.similarity_search_by_vector(queries[0].tolist(), k=K)
        pipe.send(
            {
                "add_us": statistics.median(batches) * 1e6,
                "add_total_s": sum(batches) * BATCH,
                "single_ms": statistics.median(singles) * 1e3,
                "peak_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
                "file_mb": sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 2**20,
            }
        )
        while (number := pipe.recv()) is not None:
            times, found = [], []
            until = time.perf_counter() + ROUND_SECONDS
            for query in queries[number * ROUND_QUERIES : (number + 1) * ROUND_QUERIES].tolist():
                begun = time.perf_counter()
                hits = store.similarity_search_by_vector(query, k=K)
                times.append(time.perf_counter() - begun)
                found.append({hit.metadata["n"] for hit in hits if hit.metadata["kind"] != "single"})
                if time.perf_counter() > until:
                    break
            pipe.send((times, found))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(count: int, names: list[str], cap: float) -> list[dict[str, Any]]:
    """Return one row a store for a corpus of `count` texts."""
    context = mp.get_context("spawn")
    rows, alive = {}, {}
    for name in names:  # loading one after another, so that no load disturbs another
        here, there = context.Pipe()
        process = context.Process(target=serve, args=(name, count, cap, there), daemon=True)
        process.start()
        there.close()
        try:
            rows[name] = here.recv()
        except EOFError:
            rows[name] = {"aborted": "failed to start"}
        if "aborted" not in rows[name]:
            alive[name] = here, process
        print(f"  {count:>6} {name}: {rows[name].get('aborted', 'loaded')}", flush=True)
    _, vectors, queries = corpus(count)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    times: dict[str, list[float]] = {name: [] for name in alive}
    recalls: dict[str, list[float]] = {name: [] for name in alive}
    for number in range(ROUNDS):
        for name, (pipe, _) in alive.items():
            pipe.send(number)
            spent, found = pipe.recv()
            times[name] += spent
            for query, ids in zip(queries[number * ROUND_QUERIES :], found, strict=False):
                best = set(np.argpartition(-(unit @ query), K)[:K].tolist())
                recalls[name].append(len(best & ids) / K)
    for pipe, process in alive.values():
        pipe.send(None)
        process.join(30)
    return [_row(count, name, rows[name], times.get(name, []), recalls.get(name, [])) for name in names]


def _row(count: int, name: str, facts: dict[str, Any], times: list[float], recalls: list[float]) -> dict[str, Any]:
    return {
        "store": name,
        "rows": count,
        "add us/row": facts.get("add_us"),
        "single add ms": facts.get("single_ms"),
        "search p50 ms": statistics.median(times) * 1e3 if times else None,
        "search min ms": min(times) * 1e3 if times else None,
        "recall@10": statistics.mean(recalls) if recalls else None,
        "peak MB": facts.get("peak_mb"),
        "file MB": facts.get("file_mb"),
        "note": facts.get("aborted"),
    }


def ratio(rows: list[dict[str, Any]], column: str, peer: str, count: int) -> float | None:
    """Return how many times smaller our figure is than the peer's."""
    figures = {row["store"]: row[column] for row in rows if row["rows"] == count}
    ours, theirs = figures.get("vectopt"), figures.get(peer)
    return theirs / ours if ours and theirs else None


def main() -> None:
    """Run, print, write."""
    options = harness.parser(__doc__ or "")
    options.add_argument("--sizes", default="10000,50000", help="how many rows, comma separated")
    options.add_argument("--stores", default=",".join(OPENERS), help="which stores, comma separated")
    options.add_argument("--cap", type=float, default=150, help="seconds a store may take to load")
    given = options.parse_args()
    sizes, names = [int(size) for size in given.sizes.split(",")], given.stores.split(",")
    rows = [row for count in sizes for row in measure(count, names, given.cap)]
    checks = []
    for count in sizes:
        label = f"{count // 1000}k x {DIMENSIONS}"
        checks.append(
            harness.check(
                f"search p50, times faster than LangChain InMemory, {label}", ratio(rows, "search p50 ms", "LangChain InMemory", count), 50
            )
        )
        if count == sizes[0]:
            checks.append(harness.check(f"search p50, times faster than Chroma, {label}", ratio(rows, "search p50 ms", "Chroma", count), 2))
        checks.append(harness.check(f"durable batch add, times faster than Chroma, {label}", ratio(rows, "add us/row", "Chroma", count), 5))
    checks.append(
        harness.check(f"single add, times faster than Chroma, {sizes[0] // 1000}k", ratio(rows, "single add ms", "Chroma", sizes[0]), 20)
    )
    print()
    harness.report(harness.meta(["vectopt", "numpy", "langchain-core", "langchain-chroma", "chromadb"]), rows, checks, given.json)


if __name__ == "__main__":
    main()
