"""Searching methods side by side: they take turns over the same queries, so that a noisy neighbour disturbs all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .truth import Truth, TruthInTurn

_TURN = 10  # queries: short enough for noise to spread, long enough for a method's rows to be back in the caches
_SECONDS = 12.0


@dataclass(frozen=True)
class Method:
    """One way to search.

    Args:
        name: what the tables call it.
        search: given a query's number and k, answers; this is what is timed.
        read: makes row numbers of an answer; this is not.
        mb: memory held.
        note: what should be known of it.
    """

    name: str
    search: Callable[[int, int], Any]
    read: Callable[[Any], list[int]]
    mb: float | None = None
    note: str | None = None


@dataclass
class Taken:
    """What a method did: seconds and answers by query, and the seconds of its first, which is counted apart."""

    first: float
    times: list[float] = field(default_factory=list)
    answers: list[tuple[int, Any]] = field(default_factory=list)


def take(methods: Sequence[Method], queries: int, k: int, *, turn: int = _TURN, seconds: float = _SECONDS) -> list[Taken]:
    """Let the methods answer all queries in turns, or as many as `seconds` allow, the same for each."""
    taken = []
    for method in methods:
        begun = time.perf_counter()
        method.search(0, k)
        taken.append(Taken(time.perf_counter() - begun))
    until = time.perf_counter() + seconds
    for start in range(0, queries, turn):
        for place in range(len(methods)):
            which = (place + start // turn) % len(methods)  # each is the first as often as any
            _turn(methods[which], taken[which], range(start, min(queries, start + turn)), k)
        if time.perf_counter() > until:
            break
    return taken


def _turn(method: Method, taken: Taken, numbers: range, k: int) -> None:
    for number in numbers:
        begun = time.perf_counter()
        answer = method.search(number, k)
        taken.times.append(time.perf_counter() - begun)
        taken.answers.append((number, answer))


def row(
    section: str,
    data: str,
    method: str,
    *,
    k: int | None = None,
    times: Sequence[float] = (),
    first: float | None = None,
    per_second: float | None = None,
    recall: float | None = None,
    mb: float | None = None,
    note: str | None = None,
) -> dict[str, Any]:
    """Return one row of the table; times in seconds."""
    return {
        "section": section,
        "data": data,
        "method": method,
        "k": k,
        "p50 ms": statistics.median(times) * 1e3 if times else None,
        "min ms": min(times) * 1e3 if times else None,
        "p99 ms": float(np.quantile(times, 0.99)) * 1e3 if times else None,
        "first ms": None if first is None else first * 1e3,
        "per s": per_second,
        "recall": recall,
        "MB": mb,
        "n": len(times) or None,
        "note": note,
    }


def measured(
    section: str, data: str, methods: Sequence[Method], queries: int, k: int, truths: Sequence[Truth | TruthInTurn | None]
) -> list[dict[str, Any]]:
    """Let the methods take turns and return a row for each, its recall by its own truth where it has one."""
    rows = []
    for method, taken, truth in zip(methods, take(methods, queries, k), truths, strict=True):
        figures: dict[str, Any] = {"times": taken.times, "first": taken.first, "mb": method.mb, "note": method.note}
        if truth is not None:
            figures["recall"] = truth.recall([(number, method.read(answer)) for number, answer in taken.answers], k)
        rows.append(row(section, data, method.name, k=k, **figures))
    return rows
