"""What the adapters add to the core: searches through LangChain's and LlamaIndex's interfaces beside VectorManager's own.

10,000 texts of 300 characters with metadata as a file reader gives it, clustered vectors of 384 dimensions, fixed seed, k = 4, one
thread, one BLAS thread, CPU time. The query's vector is given in every case, so that nothing is embedded. Every query is searched by
the core and through the adapter, twice each in turns, again and again: reported is the median of the differences, and its quartiles.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import harness

harness.one_blas_thread()

import numpy as np
from langchain_core.documents import Document
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import MetadataFilter, MetadataFilters, VectorStoreQuery

import langchain_vectopt
import llama_index_vectopt
from vectopt import Item, VectorManager

ROWS, QUERIES, DIMENSIONS, CLUSTERS, K = 10_000, 300, 384, 200, 4
ROUNDS = 5
LIMIT_MS = 0.3
HIDDEN = ["file_name", "file_size", "creation_date"]

Search = Callable[[int], Sequence[Any]]


def vectors(random: np.random.Generator, count: int, centres: Any) -> Any:
    """Return unit vectors around the centres."""
    made = centres[random.integers(0, CLUSTERS, count)] + 0.6 * random.standard_normal((count, DIMENSIONS))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def node(number: int, words: Sequence[str], vector: Any) -> TextNode:
    """Return a node as a splitter makes it of a file."""
    metadata = {
        "file_path": f"/data/{number // 20}.txt",
        "file_name": f"{number // 20}.txt",
        "file_size": 4711,
        "creation_date": "2026-01-01",
    }
    document = RelatedNodeInfo(node_id=f"document {number // 20}", metadata=metadata)
    return TextNode(
        id_=f"node {number}",
        text=" ".join(words),
        metadata=metadata,
        embedding=vector.tolist(),
        excluded_embed_metadata_keys=HIDDEN,
        excluded_llm_metadata_keys=HIDDEN,
        relationships={
            NodeRelationship.SOURCE: document,
            NodeRelationship.NEXT: RelatedNodeInfo(node_id=f"node {number + 1}", metadata=metadata),
        },
    )


def nodes() -> tuple[list[TextNode], Any]:
    """Return what is stored, and the queries' vectors."""
    random = np.random.default_rng(7)
    centres = random.standard_normal((CLUSTERS, DIMENSIONS))
    stored, asked = vectors(random, ROWS, centres), vectors(random, QUERIES, centres)
    vocabulary = np.array([f"word{number:04d}" for number in range(4000)])
    return [node(number, vocabulary[random.integers(0, 4000, 33)], vector) for number, vector in enumerate(stored)], asked


def turns(core: Search, adapter: Search) -> list[tuple[float, float]]:
    """Return milliseconds of each query through the core and through the adapter: in turns, so that neither finds warmer caches."""
    measured = []
    for number in [*range(20), *(number for _ in range(ROUNDS) for number in range(QUERIES))]:
        first, second, third, fourth = (timed(search, number) for search in (core, adapter, adapter, core))
        measured.append(((first + fourth) / 2, (second + third) / 2))
    return measured[20:]


def timed(search: Search, number: int) -> float:
    """Return the milliseconds of CPU that one search takes, of all threads: what waits for the machine is no work of ours."""
    before = time.process_time()
    search(number)
    return (time.process_time() - before) * 1e3


def row(adapter: str, call: str, measured: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Return one line of the table."""
    core, through = np.array(measured).T
    low, added, high = np.percentile(through - core, (25, 50, 75)).tolist()
    return {
        "adapter": adapter, "call": call, "core_ms": float(np.median(core)), "through_ms": float(np.median(through)),
        "added_ms": added, "added_p25": low, "added_p75": high,
    }  # fmt: skip


def langchain(given: Sequence[TextNode], asked: Any) -> list[dict[str, Any]]:
    """Return the rows of LangChain."""
    some = [query.tolist() for query in asked]
    with VectorManager() as manager:
        manager.add([Item(one.text, one.metadata, one.node_id, one.embedding) for one in given])
        store = langchain_vectopt.VectOptVectorStore(manager=manager)
        few = {"file_path": {"$in": [f"/data/{number}.txt" for number in range(100)]}}
        found = store.similarity_search_by_vector(some[0], k=K)
        assert [type(one) for one in found] == [Document] * K
        return [
            row(
                "LangChain",
                "by vector",
                turns(lambda n: manager.search(some[n], K), lambda n: store.similarity_search_by_vector(some[n], K)),
            ),
            row(
                "LangChain",
                "by vector, filtered",
                turns(
                    lambda n: manager.search(some[n], K, filter=few), lambda n: store.similarity_search_by_vector(some[n], K, filter=few)
                ),
            ),
        ]


def llama_index(given: Sequence[TextNode], asked: Any) -> list[dict[str, Any]]:
    """Return the rows of LlamaIndex."""
    some = [query.tolist() for query in asked]
    with llama_index_vectopt.VectOptVectorStore() as store:
        store.add(given)
        manager = store.client
        paths = [f"/data/{number}.txt" for number in range(100)]
        few, filters = {"file_path": {"$in": paths}}, MetadataFilters(filters=[MetadataFilter(key="file_path", value=paths, operator="in")])
        assert len(store.query(VectorStoreQuery(query_embedding=some[0], similarity_top_k=K)).nodes or []) == K

        def ask(number: int, **options: Any) -> Sequence[Any]:
            return store.query(VectorStoreQuery(query_embedding=some[number], similarity_top_k=K, **options)).nodes or []

        rows = [
            row("LlamaIndex", "default", turns(lambda n: manager.search(some[n], K), ask)),
            row(
                "LlamaIndex",
                "default, filtered",
                turns(lambda n: manager.search(some[n], K, filter=few), lambda n: ask(n, filters=filters)),
            ),
            row(
                "LlamaIndex",
                "hybrid",
                turns(
                    lambda n: manager.search(some[n], K, text=given[n].text, mode="hybrid"),
                    lambda n: ask(n, mode="hybrid", query_str=given[n].text),
                ),
            ),
        ]
        with asyncio.Runner() as runner:

            def awaited(number: int) -> Sequence[Any]:
                query = VectorStoreQuery(query_embedding=some[number], similarity_top_k=K)
                return runner.run(store.aquery(query)).nodes or []

            rows.append(row("LlamaIndex", "aquery", turns(lambda n: runner.run(manager.asearch(some[n], K)), awaited)))
        return rows


def storing(given: Sequence[TextNode]) -> list[dict[str, Any]]:
    """Return how many bytes of metadata a node takes, as LlamaIndex's own helper writes it and as ours does."""
    import json

    from llama_index.core.vector_stores.utils import node_to_metadata_dict

    from llama_index_vectopt.translation import to_item

    some = given[:: ROWS // 100]
    theirs = sum(len(json.dumps(node_to_metadata_dict(one, remove_text=True))) for one in some) / len(some)
    ours = sum(len(json.dumps(dict(to_item(one).metadata))) for one in some) / len(some)
    return [{"what": "bytes of metadata a node", "framework's helper": theirs, "vectopt": ours, "share": ours / theirs}]


def main() -> None:
    """Run, print, write."""
    arguments = harness.parser(__doc__ or "").parse_args()
    given, asked = nodes()
    rows = langchain(given, asked) + llama_index(given, asked)
    sizes = storing(given)
    checks = [harness.check(f"{one['adapter']}, {one['call']}: ms added", one["added_ms"], LIMIT_MS, at_most=True) for one in rows]
    checks.append(harness.check("a LlamaIndex node's metadata beside the framework's helper", sizes[0]["share"], 0.75, at_most=True))
    print()
    print(harness.table(sizes))
    print()
    facts = harness.meta(("vectopt", "numpy", "langchain-core", "llama-index-core"))
    harness.report(facts, rows + sizes, checks, arguments.json, shown=rows)


if __name__ == "__main__":
    main()
