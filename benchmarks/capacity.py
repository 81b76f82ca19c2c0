"""The capacity manager: what it takes to let texts go and to call them back, searches meanwhile, and streams beyond the budget."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import harness

harness.one_blas_thread()

from keeping.corpus import Corpus, corpus
from keeping.moves import moves
from keeping.promises import checks
from keeping.streams import BATCH, streams

SECTIONS: dict[str, Callable[[Corpus, Path], Iterator[dict[str, Any]]]] = {"moves": moves, "streams": streams}
COLUMNS = {
    "moves": ("step", "count", "seconds", "us each", "p50 ms", "p99 ms", "quiet p99 ms", "recall", "bytes", "archive bytes"),
    "streams": (
        "stream",
        "stored",
        "refused",
        "not tried",
        "of budget",
        "adds/s",
        "cpu us/add",
        "vectors",
        "archived",
        "recall",
        "missing",
    ),
}
PACKAGES = ("vectopt", "numpy", "zstandard")


def options() -> argparse.Namespace:
    """Return what is to be measured."""
    parser = harness.parser(__doc__ or "")
    parser.add_argument("--items", type=int, default=100_000, help="texts in the large store")
    parser.add_argument("--stream", type=int, default=50_000, help="texts in each stream")
    parser.add_argument("--only", default=",".join(SECTIONS), help=f"of {', '.join(SECTIONS)}, comma separated")
    given = parser.parse_args()
    given.only = given.only.split(",")
    if unknown := {*given.only} - {*SECTIONS}:
        parser.error(f"unknown {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    if min(given.items, given.stream) < 1000:
        parser.error("--items and --stream must be 1000 at least")
    return given


def main() -> None:
    """Run, print, write."""
    given = options()
    counts = {"moves": given.items, "streams": given.stream}
    rows: list[dict[str, Any]] = []
    for name in given.only:
        found = []
        with tempfile.TemporaryDirectory(prefix="vectopt-bench-") as folder:
            for row in SECTIONS[name](corpus(counts[name]), Path(folder)):
                harness.told(row.get("step") or f"stream: {row['stream']}")
                found.append(row)
        print(harness.table([{column: row.get(column) for column in COLUMNS[name]} for row in found]), end="\n\n")
        rows += found
    harness.report(harness.meta(PACKAGES), rows, checks(rows, BATCH), given.json, shown=[])


if __name__ == "__main__":
    main()
