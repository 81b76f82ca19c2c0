"""Quality kept: real texts fed once and in order to a store under a budget, then searched, beside the best ranking of a full store."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import harness
from quality_kept import promises, reference, rows, runs, sets
from quality_kept.judge import Judge
from quality_kept.limits import Limit, limits
from quality_kept.progress import Progress
from quality_kept.replay import Replay
from quality_kept.stream import Feedback, answers

FEEDBACK: tuple[Feedback, ...] = ("none", "even", "shown")
PACKAGES = ("vectopt", "numpy")


def options() -> argparse.Namespace:
    """Return what is to be measured."""
    parser = harness.parser(__doc__ or "")
    given_data = os.environ.get("VECTOPT_DATA")
    parser.add_argument("--data", type=Path, default=given_data or None, help="a folder of sets; by default $VECTOPT_DATA")
    parser.add_argument("--sets", default="", help="these sets, comma separated; by default all in the folder")
    parser.add_argument("--budgets", default="0.1,0.25,0.5", help="shares of the items that may have a vector")
    parser.add_argument("--byte-budgets", default="0.1", help="shares of the bytes of all vectors")
    parser.add_argument("--token-budgets", default="0.2,0.35", help="shares of the tokens of all items")
    parser.add_argument("--feedback", default="none,even", help=f"of {', '.join(FEEDBACK)}, comma separated")
    parser.add_argument("--runs", type=Path, help="write what was found into this folder")
    given = parser.parse_args()
    if given.data is None or not given.data.is_dir():
        parser.error("--data, or VECTOPT_DATA, must be a folder of sets")
    given.sets = [name for name in given.sets.split(",") if name] or sets.names(given.data)
    given.feedback = given.feedback.split(",")
    given.limits = [
        *limits("vectors", given.budgets),
        *limits("bytes", given.byte_budgets),
        *limits("tokens", given.token_budgets),
    ]
    unknown = {*given.sets} - {*sets.names(given.data)} | {*given.feedback} - {*FEEDBACK}
    if unknown:
        parser.error(f"unknown {sorted(unknown)}; there are the sets {sets.names(given.data)} and feedback {', '.join(FEEDBACK)}")
    return given


def kept(bench: rows.Bench, limit: Limit, feedback: Feedback, folder: Path | None, progress: Progress) -> dict[str, Any]:
    """Return the row of one budget."""
    embedder, begun = Replay(bench.data), time.perf_counter()
    found = answers(bench.data, embedder, limit.budget(bench.data), feedback, bench.judge, progress.advance)
    runs.write(folder, bench.data.name, limit.name if feedback == "none" else f"{limit.name}-{feedback}", found.rankings)
    return rows.row(bench, limit.name, feedback, found.rankings, found, embedder.tokens, time.perf_counter() - begun)


def measure(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield all rows."""
    loaded = [sets.load(given.data / name) for name in given.sets]
    stores = len(given.limits) * len(given.feedback)
    progress = Progress(sum((len(data.items) + len(data.queries)) * stores for data in loaded))
    for data in loaded:
        judge = Judge(data)
        bench = rows.Bench(data, judge, reference.full(data, judge))
        for limit in given.limits:
            for feedback in given.feedback:
                progress.begin(f"{data.name} {limit.name} {feedback}")
                yield kept(bench, limit, feedback, given.runs, progress)
    progress.end()


def main() -> None:
    """Run, print, write."""
    given = options()
    measured = list(measure(given))
    harness.report(harness.meta(PACKAGES), measured, promises.checks(measured), given.json, shown=rows.compact(measured))


if __name__ == "__main__":
    main()
