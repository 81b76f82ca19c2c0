"""What is promised of the capacity manager, held against what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import harness

from .moves import PASSES

_TIMES = 2.0  # p99 beside a pass, of that before and after


def checks(rows: Sequence[dict[str, Any]], batch: int) -> list[dict[str, Any]]:
    """Return every promise, with None where this run did not measure it.

    Args:
        rows: all of them.
        batch: items in one add of a stream.
    """
    steps = {row["step"]: row for row in rows if "step" in row}
    result = []
    for beside in (*(f"a pass lets {what} go" for _, what in PASSES), "restore"):
        row = steps.get(f"search beside {beside}")
        ratio = row["p99 ms"] / row["quiet p99 ms"] if row else None
        result.append(harness.check(f"p99 of searches beside: {beside}, times that before and after", ratio, _TIMES, at_most=True))
    for row in rows:
        if "of budget" in row:
            each = row["budget"] / row["room"] if row["stream"].startswith("max_bytes") else 1
            over = (row["most"] - row["budget"]) / (batch * each)
            result.append(harness.check(f"{row['stream']}: above the budget at worst, in batches", over, 1.0, at_most=True))
    gone = [row["missing"] for row in rows if "missing" in row]
    result.append(harness.check("items that `get` does not return", sum(gone) if gone else None, 0, at_most=True))
    findings = steps.get("doctor", {}).get("findings")
    return [*result, harness.check("what the doctor finds", findings, 0, at_most=True)]
