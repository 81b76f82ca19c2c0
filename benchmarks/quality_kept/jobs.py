"""What is run on each set: the product under its budgets, other policies with the product's search, and the controls."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from vectopt import Budget

from . import runs
from .limits import Limit
from .policies import POLICIES, PRODUCT, applies
from .replay import QueriesOnly, Replay
from .rows import Bench, row
from .stream import Answers, Feedback, Ranking, Tick, answers

WORDS, DENSE, FULL = "bm25", "dense", "full"


@dataclass(frozen=True)
class Outcome:
    """What was found, and at what cost. A ranking of the reference has no store and no tokens."""

    rankings: dict[str, Ranking]
    answers: Answers | None = None
    tokens: int | None = None


@dataclass(frozen=True)
class Job:
    """One row to be."""

    name: str
    feedback: Feedback
    run: Callable[[Bench, Tick], Outcome]

    def measured(self, bench: Bench, folder: Path | None, tick: Tick) -> dict[str, Any]:
        """Run, write the run file, return the row."""
        begun = time.perf_counter()
        found = self.run(bench, tick)
        seconds = time.perf_counter() - begun
        name = self.name if self.feedback == "none" else f"{self.name}-{self.feedback}"
        runs.write(folder, bench.data.name, name, found.rankings)
        return row(bench, self.name, self.feedback, found.rankings, found.answers, found.tokens, seconds)


def jobs(limits: Sequence[Limit], feedback: Sequence[Feedback], policies: Sequence[str]) -> Iterator[Job]:
    """Yield what is to be run on every set."""
    yield Job(WORDS, "none", _words)
    yield Job(DENSE, "none", lambda bench, _: Outcome(bench.full.rankings[0.0]))
    yield Job(FULL, "none", lambda bench, _: Outcome(bench.full.best))
    for limit in limits:
        for policy in policies:
            for mode in feedback:
                if policy == PRODUCT:
                    yield Job(limit.name, mode, partial(_product, limit, mode))
                elif limit.kind == "vectors" and applies(policy, mode):
                    yield Job(f"{policy}-{limit.name}", mode, partial(_policy, policy, limit, mode))


def _product(limit: Limit, feedback: Feedback, bench: Bench, tick: Tick) -> Outcome:
    embedder = Replay(bench.data)
    found = answers(bench.data, embedder, limit.budget(bench.data), feedback, bench.judge, tick)
    return Outcome(found.rankings, found, embedder.tokens)


def _words(bench: Bench, tick: Tick) -> Outcome:
    found = answers(bench.data, None, Budget(), "none", bench.judge, tick, mode="lexical")
    return Outcome(found.rankings, found, 0)


def _policy(policy: str, limit: Limit, feedback: Feedback, bench: Bench, tick: Tick) -> Outcome:
    """Give a share of the items their vectors; the tokens are those of what is kept in the end, not of what was displaced."""
    data = bench.data
    chosen = POLICIES[policy](bench, round(limit.share * len(data.items)))
    vectors = {place: data.vectors[place] for place in chosen}
    found = answers(data, QueriesOnly(data), Budget(), feedback, bench.judge, tick, vectors=vectors)
    return Outcome(found.rankings, found, int(data.tokens[chosen].sum()))
