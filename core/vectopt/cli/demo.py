"""The demo: a real corpus under a tight budget, and what can still be found in it."""

from __future__ import annotations

import sys
import time
from itertools import islice
from pathlib import Path

from rich.text import Text

from vectopt import Budget, Item, Stats, VectorManager
from vectopt.embedding.local import LocalEmbedder
from vectopt.errors import StoreError, StorePathError

from .ingest import BATCH
from .show import counting_bar, figures, hits_table, out, size
from .stdlib import docstrings, library
from .store import settings

_SHARE = 4  # texts for each vector there is room for
QUESTIONS = (
    "how do I parse command line arguments?",
    "create a temporary directory and remove it when done",
    "find the largest few elements of a list",
)


def demo(path: Path | None, limit: int | None = None) -> None:
    """Index the standard library's docstrings and ask three questions.

    Args:
        path: of the store, which must be new; None for a temporary one.
        limit: take this many docstrings at the most.

    Raises:
        StorePathError: the file exists; the demo's budget is not for another's vectors.
    """
    if path is not None and path.exists():
        raise StorePathError(f"{path} exists. The demo makes a store of its own: give it a new path, or none")
    embedder = LocalEmbedder()
    started = time.perf_counter()
    texts = list(islice(docstrings(library()), limit))
    if not texts:
        raise StoreError(f"there are no sources of the standard library in {library()}")
    room = max(1, len(texts) // _SHARE)
    python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    out.print(f"{len(texts):,} docstrings of {python}'s standard library, room for {room:,} vectors\n", highlight=False)
    with VectorManager(path, embedder=embedder, budget=Budget(max_vectors=room), settings=settings()) as manager:
        _add(manager, texts)
        seconds = time.perf_counter() - started
        out.print(_outcome(manager.stats(), room, seconds))
        for question in QUESTIONS:
            asked = time.perf_counter()
            hits = manager.search(question, 3)
            took = f"{(time.perf_counter() - asked) * 1000:.0f} ms"
            if question == QUESTIONS[0]:
                took += " (builds the indexes first)"
            out.print(Text.assemble("\n", (question, "bold magenta"), (f"  {took}", "dim"), "\n"))
            out.print(hits_table(hits, question, "name", lines=1))
    if path is not None:
        out.print(Text(f"\nThe store is kept: try vectopt search --store {path} 'your question'"), soft_wrap=True)


def _add(manager: VectorManager, texts: list[Item]) -> None:
    with counting_bar() as bar:
        task = bar.add_task("Indexing", total=len(texts))
        for start in range(0, len(texts), BATCH):
            batch = texts[start : start + BATCH]
            manager.add(batch, wait=True)
            bar.advance(task, len(batch))


def _outcome(stats: Stats, room: int, seconds: float) -> object:
    rows: list[tuple[str, str] | None] = [("items", f"{stats.items:,}")]
    rows += [(f"  {tier}", f"{count:,}") for tier, count in stats.items_per_tier.items() if count]
    rows += [
        ("distinct texts", f"{stats.texts:,}"),
        ("vectors of budget", f"{stats.vectors:,} of {room:,}"),
        ("embeddings made", f"{stats.embeddings_made:,}"),
        ("embeddings avoided", f"{stats.embeddings_avoided:,}"),
        ("file", size(stats.file_bytes)),
        ("time", f"{seconds:.1f} s"),
    ]
    return figures(rows)
