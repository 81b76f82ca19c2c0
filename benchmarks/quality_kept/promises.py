"""What is promised, held against the rows that were measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import harness

from .rows import MAIN, macro
from .stream import Feedback

MACRO: tuple[tuple[str, str, float, float], ...] = (  # budget, its words, least share without feedback and with
    ("0.1", "10 % of vectors", 95, 98.5),
    ("bytes-0.1", "10 % of bytes", 94.5, 98.5),
    ("tokens-0.35", "35 % of tokens", 92, 96),
    ("tokens-0.2", "20 % of tokens", 88, 92),
)
LOWEST: tuple[tuple[Feedback, float], ...] = (("none", 75), ("even", 88))
LOGS, JAPANESE = "loghub", "jsquad"
_LOG_TOKENS = 0.18


def checks(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return every promise, with None where this run did not measure it."""
    result = []
    for budget, words, none, even in MACRO:
        for feedback, least in (("none", none), ("even", even)):
            value = macro(_of(rows, budget, feedback))
            result.append(harness.check(f"{words}, feedback {feedback}: % of the best full store, macro", value, least))
    for feedback, least in LOWEST:
        shares = {row["set"]: row["share"] for row in _of(rows, "0.1", feedback) if row["set"] in MAIN}
        whole = shares.keys() >= set(MAIN)
        result.append(
            harness.check(f"10 % of vectors, feedback {feedback}: the lowest set", min(shares.values()) if whole else None, least)
        )
    result += _logs(rows)
    kept = [row["recall@10"] for row in rows if row["set"] == JAPANESE and row["budget"] == "0.1" and row["feedback"] == "none"]
    return [*result, harness.check(f"{JAPANESE}, 10 % of vectors: recall@10", kept[0] if kept else None, 0.95)]


def _of(rows: Sequence[dict[str, Any]], budget: str, feedback: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["budget"] == budget and row["feedback"] == feedback]


def _logs(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Hold two rows to it: one that limits vectors, one that limits tokens."""
    result = []
    for budget in ("0.1", "tokens-0.2"):
        found = next((row for row in _of(rows, budget, "none") if row["set"] == LOGS), None)
        success, tokens = (None, None) if found is None else (found["success@10"], found["tokens share"])
        result.append(harness.check(f"{LOGS}, {budget}: success@10", success, 1.0))
        result.append(harness.check(f"{LOGS}, {budget}: share of its tokens", tokens, _LOG_TOKENS, at_most=True))
    return result
