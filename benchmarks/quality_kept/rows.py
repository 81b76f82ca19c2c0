"""One row for each set, budget and feedback, and the macro averages over sets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .judge import Figures, Judge
from .reference import Full
from .sets import RealSet
from .stream import Answers, Feedback, Ranking

MAIN = ("cranfield", "scifact_1k", "locomo", "qmsum", "loghub", "intercode_bash", "tau_airline")
_BYTES = 4


@dataclass(frozen=True)
class Bench:
    """A set with what its rankings are held against."""

    data: RealSet
    judge: Judge
    full: Full

    def scored(self, rankings: dict[str, Ranking], *, every: bool) -> tuple[Figures, Figures | None]:
        """Return the figures of the odd-numbered queries, and those of all where all were asked."""
        found = {query: [id for id, _ in ranking] for query, ranking in rankings.items()}
        queries = [query.id for query in self.data.queries]
        return self.judge.mean(queries[1::2], found), self.judge.mean(queries, found) if every else None


def row(
    bench: Bench, name: str, feedback: Feedback, rankings: dict[str, Ranking], answers: Answers | None, tokens: int | None, seconds: float
) -> dict[str, Any]:
    """Return what was measured of one store; a ranking that no store made has no figures of one."""
    odd, every = bench.scored(rankings, every=feedback == "none")
    data, best = bench.data, bench.full
    share = 100 * odd.ndcg / best.odd.ndcg
    result: dict[str, Any] = {
        "set": data.name,
        "budget": name,
        "feedback": feedback,
        "share": min(100.0, share),
        "share uncapped": share,
        "share of all queries": None if every is None else 100 * every.ndcg / best.all.ndcg,
        "nDCG@10": odd.ndcg,
        "recall@10": odd.recall,
        "success@10": odd.success,
        "nDCG@10 of all queries": None if every is None else every.ndcg,
        "best nDCG@10": best.odd.ndcg,
        "best nDCG@10 of all queries": best.all.ndcg,
        "items": len(data.items),
        "queries": len(data.queries[1::2]),
        "tokens": tokens,
        "tokens share": None if tokens is None else tokens / int(data.tokens.sum()),
        "seconds": seconds,
    }
    if answers is not None:
        fed, end = answers.after_feeding, answers.at_the_end
        whole = len(data.items) * data.dimensions * _BYTES
        result |= {
            "vectors": fed.vectors,
            "vectors share": fed.vectors / len(data.items),
            "vector bytes": fed.vector_bytes,
            "sketches": fed.sketches,
            "sketch bytes": fed.sketch_bytes,
            "bytes share": (fed.vector_bytes + fed.sketch_bytes) / whole,
            "vectors at the end": end.vectors,
            "sketches at the end": end.sketches,
            "texts": fed.texts,
            "tiers": dict(fed.items_per_tier),
        }
    return result


def macro(rows: Iterable[dict[str, Any]], column: str = "share") -> float | None:
    """Return the mean over the seven sets; None where one is missing."""
    some = [row for row in rows if row["set"] in MAIN]
    return mean(some, column) if {row["set"] for row in some} == {*MAIN} else None


def mean(rows: Sequence[dict[str, Any]], column: str = "share") -> float:
    """Return the mean over the seven sets where all are there, else over those that are."""
    main = [row for row in rows if row["set"] in MAIN]
    some = main if len(main) == len(MAIN) else rows
    return sum(row[column] for row in some) / len(some)


def by_store(rows: Sequence[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the rows of each budget and feedback, one a set."""
    result: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        result.setdefault((row["budget"], row["feedback"]), []).append(row)
    return result


def compact(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each budget and feedback, in percent: each set's share of its best full store, their mean, what it took.

    The mean has each set capped at 100.
    """
    sets = list(dict.fromkeys(row["set"] for row in rows))
    average = "macro" if {*MAIN} <= {*sets} else "mean"
    result = []
    for (budget, feedback), some in by_store(rows).items():
        shares = {row["set"]: row["share uncapped"] for row in some}
        result.append(
            {
                "budget": budget,
                "feedback": feedback,
                **{name: f"{shares[name]:.1f}" for name in sets},
                average: f"{mean(some):.1f}",
                **{f"{column} %": _percent(some, f"{column} share") for column in ("vectors", "bytes", "tokens")},
            }
        )
    return result


def _percent(rows: Sequence[dict[str, Any]], column: str) -> str | None:
    return None if any(row.get(column) is None for row in rows) else f"{100 * mean(rows, column):.1f}"
