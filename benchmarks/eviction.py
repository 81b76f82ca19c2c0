"""Who leaves first: stores in which every text has its vector, brought down to a share of them in one order or another, then searched."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import harness

harness.one_blas_thread()

from quality_kept import reference, sets
from quality_kept.evicted import Filled
from quality_kept.judge import Figures, Judge
from quality_kept.orders import NEED_USE, ORDERS, RANDOM, SEEDS, Order, random
from quality_kept.progress import Progress
from quality_kept.rows import MAIN, Bench

PRODUCT = "product"
SIMPLE = ("importance", "fifo", "lru", "lfu", RANDOM)  # what the product's order is held against
USE = {"none": False, "even": True}  # whether the even-numbered queries are asked before anything leaves
LEFT = ("sketches", "nothing")  # what a vector leaves behind
PACKAGES = ("vectopt", "numpy")


def options() -> argparse.Namespace:
    """Return what is to be measured."""
    parser = harness.parser(__doc__ or "")
    given_data = os.environ.get("VECTOPT_DATA")
    parser.add_argument("--data", type=Path, default=given_data or None, help="a folder of sets; by default $VECTOPT_DATA")
    parser.add_argument("--sets", default="", help="these sets, comma separated; by default all in the folder")
    parser.add_argument("--budgets", default="0.1,0.25", help="shares of the items that keep their vector")
    parser.add_argument("--orders", default="", help=f"of {', '.join((*ORDERS, RANDOM))}, comma separated; by default all")
    given = parser.parse_args()
    if given.data is None or not given.data.is_dir():
        parser.error("--data, or VECTOPT_DATA, must be a folder of sets")
    given.sets = [name for name in given.sets.split(",") if name] or sets.names(given.data)
    given.orders = [name for name in given.orders.split(",") if name] or [*ORDERS, RANDOM]
    given.budgets = [float(share) for share in given.budgets.split(",")]
    for chosen, known in ((given.sets, sets.names(given.data)), (given.orders, (*ORDERS, RANDOM))):
        if unknown := {*chosen} - {*known}:
            parser.error(f"unknown {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return given


def measure(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield all rows."""
    loaded = [sets.load(given.data / name) for name in given.sets]
    progress = Progress(sum(len(data.items) for data in loaded) * len(USE))
    for data in loaded:
        judge = Judge(data)
        bench = Bench(data, judge, reference.full(data, judge))
        for use, used in USE.items():
            progress.begin(f"{data.name}, use {use}")
            with tempfile.TemporaryDirectory(prefix="vectopt-bench-") as folder:
                filled = Filled(data, Path(folder), lambda _: None, used=used)
                for share in given.budgets:
                    yield from _rows(given, bench, filled, share, use)
            progress.end_step(len(data.items))
    progress.end()


def _rows(given: argparse.Namespace, bench: Bench, filled: Filled, share: float, use: str) -> Iterator[dict[str, Any]]:
    keep = round(share * len(bench.data.items))
    seen: dict[frozenset[int], dict[str, Figures]] = {}  # orders may well differ, and let the same go
    for name in given.orders:
        if name in NEED_USE and not USE[use]:
            continue
        runs = [frozenset(order(filled.stock)[: -keep or None]) for order in _runs(name)]
        for leaving in runs:
            if leaving not in seen:
                found = filled.rankings(sorted(leaving), lambda _: None)
                seen[leaving] = {left: bench.scored(rankings, every=False)[0] for left, rankings in found.items()}
        for left in LEFT:
            figures = [seen[leaving][left] for leaving in runs]
            ndcg = mean(one.ndcg for one in figures)
            yield {
                "set": bench.data.name,
                "budget": share,
                "use": use,
                "left": left,
                "order": name,
                "share": 100 * ndcg / bench.full.odd.ndcg,
                "nDCG@10": ndcg,
                "recall@10": mean(one.recall for one in figures),
                "success@10": mean(one.success for one in figures),
                "vectors before": len(filled.stock.candidates),
                "vectors": len(filled.stock.candidates) - len(runs[0]),
                "runs": len(figures),
            }


def _runs(name: str) -> list[Order]:
    return [random(seed) for seed in SEEDS] if name == RANDOM else [ORDERS[name]]


def compact(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each order, budget, use and what is left: each set's share, and their mean."""
    found: dict[tuple[Any, ...], dict[str, float]] = {}
    for row in rows:
        found.setdefault((row["left"], row["use"], row["budget"], row["order"]), {})[row["set"]] = row["share"]
    return [
        {"left": key[0], "use": key[1], "budget": key[2], "order": key[3]}
        | {name: f"{share:.1f}" for name, share in sorted(shares.items())}
        | {"mean": f"{_macro(shares):.2f}"}
        for key, shares in sorted(found.items(), key=lambda pair: (*pair[0][:3], -_macro(pair[1])))
    ]


def _macro(shares: dict[str, float]) -> float:
    """Return the mean over the seven sets, where all are there."""
    return mean(shares[name] for name in MAIN) if {*MAIN} <= {*shares} else mean(shares.values())


def checks(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return, for each budget, use and what is left, by how much the product's order is better than the best simple one."""
    found: dict[tuple[Any, ...], dict[str, dict[str, float]]] = {}
    for row in rows:
        found.setdefault((row["left"], row["use"], row["budget"]), {}).setdefault(row["order"], {})[row["set"]] = row["share"]
    result = []
    for (left, use, budget), orders in found.items():
        simple = {name: _macro(orders[name]) for name in SIMPLE if name in orders}
        if PRODUCT in orders and simple:
            best = max(simple, key=lambda name: simple[name])
            words = f"{budget:.0%} of vectors, use {use}, left {left}: points above the best simple order ({best}), macro"
            result.append(harness.check(words, _macro(orders[PRODUCT]) - simple[best], 0.0))
    return result


def main() -> None:
    """Run, print, write."""
    given = options()
    measured = list(measure(given))
    harness.report(harness.meta(PACKAGES), measured, checks(measured), given.json, shown=compact(measured))


if __name__ == "__main__":
    main()
