"""Quality kept: real texts fed once and in order to a store under a budget, then searched, beside the best ranking of a full store."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import harness
from quality_kept import picture, promises, reference, rows, sets
from quality_kept.jobs import jobs
from quality_kept.judge import Judge
from quality_kept.limits import limits
from quality_kept.policies import POLICIES, PRODUCT
from quality_kept.progress import Progress
from quality_kept.stream import Feedback

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
    parser.add_argument("--policies", default=f"{PRODUCT},random", help=f"of {', '.join((PRODUCT, *POLICIES))}, comma separated")
    parser.add_argument("--runs", type=Path, help="write what was found into this folder")
    parser.add_argument("--picture", type=Path, help="draw the results here; by default beside the JSON, as .png")
    given = parser.parse_args()
    if given.data is None or not given.data.is_dir():
        parser.error("--data, or VECTOPT_DATA, must be a folder of sets")
    present = sets.names(given.data)
    given.sets = [name for name in given.sets.split(",") if name] or present
    given.feedback, given.policies = given.feedback.split(","), given.policies.split(",")
    given.limits = [*limits("vectors", given.budgets), *limits("bytes", given.byte_budgets), *limits("tokens", given.token_budgets)]
    for chosen, known in ((given.sets, present), (given.feedback, FEEDBACK), (given.policies, (PRODUCT, *POLICIES))):
        if unknown := {*chosen} - {*known}:
            parser.error(f"unknown {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    if given.picture is None and given.json is not None:
        given.picture = given.json.with_suffix(".png")
    return given


def measure(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield all rows."""
    loaded = [sets.load(given.data / name) for name in given.sets]
    planned = list(jobs(given.limits, given.feedback, given.policies))
    progress = Progress(sum(len(data.items) + len(data.queries) for data in loaded) * len(planned))
    for data in loaded:
        judge = Judge(data)
        bench = rows.Bench(data, judge, reference.full(data, judge))
        for job in planned:
            progress.begin(f"{data.name} {job.name} {job.feedback}")
            yield job.measured(bench, given.runs, progress.advance)
            progress.end_step(len(data.items) + len(data.queries))
    progress.end()


def main() -> None:
    """Run, print, write, draw."""
    given = options()
    measured = list(measure(given))
    harness.report(harness.meta(PACKAGES), measured, promises.checks(measured), given.json, shown=rows.compact(measured))
    if given.picture is None or not measured:
        return
    if find_spec("matplotlib") is None:
        harness.told("matplotlib is not installed: no picture")
    else:
        picture.draw(measured, given.picture)


if __name__ == "__main__":
    main()
