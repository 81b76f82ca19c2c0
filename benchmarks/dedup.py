"""Exact near-duplicate clustering: by stream and size, beside approximate and exact peers, and held against the specification's loop.

Every engine clusters the same texts in a process of its own and one thread. What is measured is CPU time, and the most memory
above the texts; imports and the making of the texts are not.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import harness
from deduping import picture, promises, worst
from deduping.engines import ENGINES, INCREMENTAL, LOOP, OURS, OURSELVES, PEERS
from deduping.promises import IDENTITY, SPEED, WORST
from deduping.rows import measured
from deduping.sets import sets
from deduping.streams import Streams

SIZES = "10000,100000,1000000"
MAIN_TEXTS = 100_000  # of streams that are not followed as they grow
JUDGED_TEXTS = 4000  # the loop compares all pairs of them
JUDGED_OF = 10_000
PACKAGES = ("vectopt", "numpy", "datasketch", "rensa", "SetSimilaritySearch", "semhash", "wordllama")


def options() -> argparse.Namespace:
    """Return what is to be measured."""
    parser = harness.parser(__doc__ or "")
    parser.add_argument("--sizes", default=SIZES, help="texts, comma separated")
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("VECTOPT_DATA") or None, help="a folder of sets of real texts; by default $VECTOPT_DATA"
    )
    parser.add_argument("--cap", type=float, default=120, help="seconds of CPU an engine may take")
    parser.add_argument("--picture", type=Path, help="draw the results here; by default beside the JSON, as .png")
    given = parser.parse_args()
    given.sizes = sorted(int(size) for size in given.sizes.split(","))
    if given.picture is None and given.json is not None:
        given.picture = given.json.with_suffix(".png")
    if given.data is not None and not given.data.is_dir():
        parser.error(f"--data must be a folder; {given.data} is none")
    return given


def judged(streams: Streams, most: int, folder: Path, cap: float) -> Iterator[dict[str, Any]]:
    """Yield rows of the first texts of each stream, our clusters held against the loop's."""
    for name in streams.judged:
        stream = streams.stream(name, JUDGED_OF)
        if stream is not None:
            yield from measured(IDENTITY, stream.prefix(min(most, JUDGED_TEXTS)), (LOOP, OURS, INCREMENTAL), folder, cap)


def timed(streams: Streams, sizes: list[int], folder: Path, cap: float) -> Iterator[dict[str, Any]]:
    """Yield rows of all streams, sizes and engines that go together."""
    for name in streams:
        for size in sizes:
            if size > MAIN_TEXTS and name not in streams.grown:
                continue
            stream = streams.stream(name, size)
            if stream is None:
                harness.told(f"{name}: its sets are missing")
                break
            engines = [
                engine
                for engine in (*OURSELVES, *PEERS)
                if size <= (ENGINES[engine].most_of_main if name == streams.main else ENGINES[engine].most)
            ]
            yield from measured(SPEED, stream, engines, folder, cap)


def measure(given: argparse.Namespace, streams: Streams) -> list[dict[str, Any]]:
    """Return all rows."""
    with tempfile.TemporaryDirectory(prefix="vectopt-benchmark-") as temporary:
        folder = Path(temporary)
        rows = list(judged(streams, max(given.sizes), folder, given.cap))
        rows += timed(streams, given.sizes, folder, given.cap)
        for stream in worst.streams(max(given.sizes)):
            rows += measured(WORST, stream, OURSELVES, folder, given.cap)
    return rows


def main() -> None:
    """Run, print, write, draw."""
    given = options()
    streams = Streams({} if given.data is None else sets(given.data))
    rows = measure(given, streams)
    print()
    harness.report(harness.meta(PACKAGES), rows, promises.checks(rows, streams), given.json)
    if given.picture is not None and find_spec("matplotlib") is not None:
        picture.draw(rows, streams, given.picture)


if __name__ == "__main__":
    main()
