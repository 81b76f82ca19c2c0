"""What is promised, held against the rows that were measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import harness

from . import adding, opening, ours, peers, traffic

_10K, _100K, _1M = "hard 10k x 384", "hard 100k x 384", "hard 1M x 384"
_CLUSTERED = "clustered 100k x 384"


class Rows:
    """The rows, by what they are called."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self._rows = {(row["section"], row["data"], row["method"], row["k"]): row for row in reversed(rows)}

    def get(self, section: str, data: str, method: str, k: int | None, column: str = "p50 ms") -> float | None:
        """Return a figure; None where it was not measured."""
        return self._rows.get((section, data, method, k), {}).get(column)

    def ratio(self, section: str, data: str, over: str, under: str, k: int | None, column: str = "p50 ms") -> float | None:
        """Return how many times one method's figure another's is."""
        above, below = self.get(section, data, over, k, column), self.get(section, data, under, k, column)
        return above / below if above is not None and below else None

    def faster(self, data: str, peer: str, k: int) -> float | None:
        """Return how many times faster than a peer our scan is."""
        return self.ratio("scan", data, peer, ours.NAME, k)

    def added(self) -> float | None:
        """Return the milliseconds the adapter adds to the core."""
        through, core = (self.get("adapter", _100K, name, 10) for name in ("LangChain, by vector", "core"))
        return through - core if through is not None and core is not None else None

    def seconds(self, method: str) -> float | None:
        """Return the seconds from a closed file to its first answer."""
        milliseconds = self.get("open", _100K, method, 10)
        return None if milliseconds is None else milliseconds / 1e3


def checks(measured: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return every promise, with None where this run did not measure it."""
    rows, check = Rows(measured), harness.check
    return [
        check("100k hard, k=10, times faster than exact NumPy", rows.faster(_100K, peers.NUMPY, 10), 6),
        check("100k hard, k=10, times faster than faiss flat", rows.faster(_100K, peers.FLAT, 10), 5),
        check("100k hard, k=10, recall", rows.get("scan", _100K, ours.NAME, 10, "recall"), 0.999),
        check("100k clustered, k=10, recall", rows.get("scan", _CLUSTERED, ours.NAME, 10, "recall"), 0.999),
        check("1M hard, k=10, times faster than exact NumPy", rows.faster(_1M, peers.NUMPY, 10), 10),
        check("1M hard, k=10, recall", rows.get("scan", _1M, ours.NAME, 10, "recall"), 0.999),
        check("100k hard, k=50, times faster than exact NumPy", rows.faster(_100K, peers.NUMPY, 50), 4),
        check("10k hard, k=10, times faiss flat's time", rows.ratio("scan", _10K, ours.NAME, peers.FLAT, 10), 1, at_most=True),
        check("LangChain adapter over the core, 100k, ms added", rows.added(), 0.3, at_most=True),
        check("hybrid, 100k texts, times dense", rows.ratio("hybrid", _100K, "hybrid", "dense", 10), 3, at_most=True),
        check("1 % filter, 100k, times unfiltered", rows.ratio("filters", _100K, "1 % filter", "unfiltered", 10), 1, at_most=True),
        check("1 % filter, 100k, k=10, recall", rows.get("filters", _100K, "1 % filter", 10, "recall"), 1),
        check("1 % filter, 100k, k=50, recall", rows.get("filters", _100K, "1 % filter", 50, "recall"), 1),
        *(_added(measured, size) for size in adding.BATCHES),
        check("open 100k to the first answer with the sidecar, s", rows.seconds(opening.WITH), 0.3, at_most=True),
        check("open 100k to the first answer without, s", rows.seconds(opening.WITHOUT), 1.5, at_most=True),
        *(_fault(rows, kind) for kind in ("wrong", "missing", "deleted")),
        check(
            f"p99 of {traffic.TOGETHER}, times 1 reader's",
            rows.ratio("threads", _100K, traffic.TOGETHER, traffic.ALONE, traffic.K, "p99 ms"),
            5,
            at_most=True,
        ),
    ]


def _added(measured: Sequence[dict[str, Any]], size: int) -> dict[str, Any]:
    """Return the promise for a size of batch: by all rows' time together, since checkpoints fall on some batches only."""
    speeds = {row["method"]: row["per s"] for row in measured if row["section"] == "add" and row["batch"] == size}
    value = speeds[adding.BARE] / speeds[ours.NAME] if speeds else None
    return harness.check(f"durable add, batches of {size}, times a bare executemany", value, 3, at_most=True)


def _fault(rows: Rows, kind: str) -> dict[str, Any]:
    value = rows.get("threads", _100K, traffic.TOGETHER, traffic.K, kind)
    return harness.check(f"{traffic.TOGETHER}, {kind} results", value, 0, at_most=True)
