"""Search as such: by size and kind of vectors, filtered, hybrid, through the adapter, under threads; adding and opening.

Light peers search in the same process, in turns with ours; whole stores live in processes of their own. Vectors are given,
so that no embedder is measured.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import harness
from indexing import ours, promises, real, synthetic
from indexing.adding import adding
from indexing.corpus import Corpus, Shape
from indexing.housing import housed
from indexing.machine import bandwidth
from indexing.opening import opening
from indexing.precisions import precisions
from indexing.searches import adapter, batch, filters, hybrid, scan
from indexing.throughput import throughput
from indexing.traffic import traffic
from indexing.turns import row

SEARCHES = {  # of the main corpus alone; hybrid last, since its postings stay in memory
    "filters": filters,
    "adapter": adapter,
    "batch": batch,
    "threads": throughput,
    "hybrid": hybrid,
}
SECTIONS = ("scan", "open", "add", "peers", "precision", *SEARCHES)
SIZES = "10000,100000,1000000,50000x1536"
MAIN_ROWS = 100_000  # what is not about size is measured here, or at the largest smaller size
LARGE_ROWS = 500_000  # beyond this only the main kind: loading takes minutes
ADDED_ROWS = 40_000
PACKAGES = (
    "vectopt",
    "numpy",
    "faiss-cpu",
    "usearch",
    "langchain-core",
    "langchain-chroma",
    "chromadb",
    "lancedb",
    "qdrant-client",
    "llama-index-core",
)


def options() -> argparse.Namespace:
    """Return what is to be measured."""
    parser = harness.parser(__doc__ or "")
    parser.add_argument("--sizes", default=SIZES, help="rows, or rows x dimensions, comma separated")
    parser.add_argument("--kinds", default=",".join(synthetic.KINDS), help="of vectors, comma separated")
    parser.add_argument("--only", default=",".join(SECTIONS), help="these sections, comma separated")
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("VECTOPT_DATA") or None, help="a folder of real texts; by default $VECTOPT_DATA"
    )
    parser.add_argument("--seconds", type=float, default=30, help="how long readers and writer work")
    parser.add_argument("--cap", type=float, default=120, help="seconds a peer may take to load or build")
    given = parser.parse_args()
    given.sizes = [Shape.parse(size) for size in given.sizes.split(",")]
    given.only, given.kinds = given.only.split(","), given.kinds.split(",")
    unknown = {*given.only} - {*SECTIONS} | {*given.kinds} - {*synthetic.KINDS}
    if unknown:
        parser.error(f"unknown {sorted(unknown)}; sections are {SECTIONS}, kinds {tuple(synthetic.KINDS)}")
    if given.data is not None and not given.data.is_dir():
        parser.error(f"--data must be a folder; {given.data} is none")
    return given


def corpora(given: argparse.Namespace) -> Iterator[Corpus]:
    """Yield what is searched, one after another, so that only one is in memory; what is given comes first, lest it fail late."""
    if given.data is not None:
        yield from real.corpora(given.data)
    for shape in given.sizes:
        for kind in given.kinds if shape.rows <= LARGE_ROWS else [main_kind(given)]:
            yield synthetic.corpus(kind, shape)


def main_kind(given: argparse.Namespace) -> str:
    """Return the kind of vectors with which everything but the kind is measured."""
    return "hard" if "hard" in given.kinds else given.kinds[0]


def main_shape(given: argparse.Namespace) -> Shape:
    """Return the size at which everything but the size is measured."""
    fitting = [shape for shape in given.sizes if shape.rows <= MAIN_ROWS]
    return max(fitting, key=lambda shape: shape.rows, default=Shape(MAIN_ROWS))


def searched(corpus: Corpus, given: argparse.Namespace, sections: set[str]) -> list[dict[str, Any]]:
    """Load a corpus once and return the rows of all sections that search it."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="vectopt-benchmark-") as folder:
        path = Path(folder) / "store.db"
        manager, seconds = ours.loaded(corpus, path)
        harness.told(f"{corpus.name}: loaded in {seconds:.0f} s")
        with manager:
            if "scan" in sections:
                rows += scan(corpus, manager, given.cap)
            for name, section in SEARCHES.items():
                if name in sections:
                    rows += section(corpus, manager)
        if "open" in sections:
            rows += opening(corpus, path)
        if "precision" in sections:
            rows += precisions(corpus, Path(folder))
    harness.told(f"{corpus.name}: measured")
    return rows


def measure(given: argparse.Namespace) -> list[dict[str, Any]]:
    """Return all rows."""
    kind, shape, chosen = main_kind(given), main_shape(given), {*given.only}
    rows = [row("machine", "400 MB of float32", name, note=f"{speed:.1f} GB/s") for name, speed in bandwidth().items()]
    for corpus in corpora(given):
        main = corpus.name == f"{kind} {shape}"
        everywhere = {"scan", "open"} | ({"precision"} if main or corpus.kind.startswith("real") else set())
        sections = chosen & (everywhere | set(SEARCHES) if main else everywhere)
        if sections:
            rows += searched(corpus, given, sections)
    with tempfile.TemporaryDirectory(prefix="vectopt-benchmark-") as folder:
        if "threads" in chosen:
            rows += traffic(shape, Path(folder), given.seconds)
            harness.told("traffic: measured")
        if "add" in chosen:
            rows += adding(synthetic.corpus("hard", Shape(min(ADDED_ROWS, shape.rows), shape.dimensions)), Path(folder))
            harness.told("add: measured")
        if "peers" in chosen:
            for size in given.sizes:
                if size.rows <= MAIN_ROWS and size.dimensions == shape.dimensions:
                    rows += housed(kind, size, given.cap, Path(folder))
    return rows


def main() -> None:
    """Run, print, write."""
    given = options()
    rows = measure(given)
    print()
    harness.report(harness.meta(PACKAGES), rows, promises.checks(rows), given.json)


if __name__ == "__main__":
    main()
