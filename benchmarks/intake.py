"""What it costs to judge a text before anything is paid for: reading, analysis, strategy, the echo guard; and the state's memory.

Texts of 1 kB from a fixed seed: words of a Zipf distribution, as in prose, some with an error, a date, a decision, steps. One
thread, CPU time, the median over rounds of many texts each. Nothing is embedded or written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from random import Random
from statistics import median
from typing import Any

import harness

harness.one_blas_thread()

from vectopt.analysis import Calibration, Echo, Importance, PatternEngine, fingerprint, read
from vectopt.strategy import decide, make_room, worth

TEXTS = 4000
PER_ROUND = 100
CHARS = 1000
WORDS = 20_000
RETURNED = 512  # texts the echo guard remembers
LIMIT_US = 100
ECHO_LIMIT_US = 10
SPICE = ("Error: connection refused, ", "On 2026-03-01 it was said: ", "We decided to stay. ", "Step 1: open it. ", "", "", "", "")


def texts(count: int, seed: int) -> list[str]:
    """Return texts of about 1 kB."""
    random = Random(seed)
    letters = "etaoinshrdlucmfwypvbgkqjxz"
    vocabulary = ["".join(random.choices(letters, weights=range(26, 0, -1), k=random.randint(2, 9))) for _ in range(WORDS)]
    weights = [1 / (place + 3) for place in range(WORDS)]
    result = []
    for number in range(count):
        drawn = random.choices(vocabulary, weights=weights, k=CHARS // 4)
        sentences = [" ".join(drawn[start : start + 12]).capitalize() + "." for start in range(0, len(drawn), 12)]
        result.append((SPICE[number % len(SPICE)] + " ".join(sentences))[:CHARS])
    return result


def micros(works: Mapping[str, Callable[[str], object]], given: Sequence[str]) -> dict[str, float]:
    """Return microseconds of CPU a text of each work, the median of rounds; they take turns, so that all see the same machine."""
    rounds: dict[str, list[float]] = {name: [] for name in works}
    for start in range(0, len(given), PER_ROUND):
        part = given[start : start + PER_ROUND]
        for name, work in works.items():
            before = time.process_time()
            for text in part:
                work(text)
            rounds[name].append((time.process_time() - before) / len(part) * 1e6)
    return {name: median(some) for name, some in rounds.items()}


def taught() -> Importance:
    """Return what some feedback teaches."""
    importance = Importance()
    for number, text in enumerate(texts(40, 3)):
        importance.learn(read(text).features(0.5), number % 4 == 0)
    return importance


def judged(engine: PatternEngine) -> Callable[[str], object]:
    """Return the work of analysis and strategy on one text, as intake does it."""

    def work(text: str) -> object:
        analysis = engine.analyze_content(text)
        engine.observe(text)
        decision = make_room(decide(analysis, None, 0.5), unlimited=False, tokens_left=True, twin=False)
        return decision, worth(analysis.importance_score, analysis.novelty_score)

    return work


def analysed(engine: PatternEngine) -> Callable[[str], object]:
    """Return the work of analysis on one text."""

    def work(text: str) -> object:
        analysis = engine.analyze_content(text)
        engine.observe(text)
        return analysis

    return work


def none_living(ids: Sequence[str]) -> set[str]:
    """Return that all are still there, as a ledger would."""
    return set(ids)


def guarding(engine: PatternEngine, returned: Sequence[str]) -> Echo:
    """Return an echo guard whose memory is full."""
    echo = Echo()
    for start in range(0, RETURNED, 8):
        echo.returned((str(number), returned[number]) for number in range(start, start + 8))
    echo.repeats(engine.read("a text of six words or more"), none_living)
    return echo


def guarded(echo: Echo, given: Sequence[str]) -> float:
    """Return microseconds the guard adds to texts that were read already."""
    readings = {text: read(text) for text in given}
    return micros({"": lambda text: echo.repeats(readings[text], none_living)}, given)[""]


def state_rows() -> list[dict[str, Any]]:
    """Return how much memory a namespace's state takes, and how much of the ledger."""
    engine = PatternEngine(importance=taught())
    for text in texts(2000, 4):
        engine.observe(text)
    echo = guarding(engine, texts(RETURNED, 5))
    echo_bytes = echo.nbytes
    saved = {"novelty": engine.novelty.to_bytes(), "calibration": engine.scale.to_bytes(), "importance": engine.importance.to_bytes()}
    memory = {"novelty": 2 * (1 << 18), "calibration": 2 * 8 * 256, "importance": len(saved["importance"])}
    rows = [row(f"state: {name}", None, memory=memory[name], ledger=len(data)) for name, data in saved.items()]
    return [*rows, row("state: echo guard", None, memory=echo_bytes, ledger=0)]


def row(what: str, us: float | None, memory: int | None = None, ledger: int | None = None) -> dict[str, Any]:
    """Return one line of the table."""
    return {"what": what, "us_a_text": us, "bytes_in_memory": memory, "bytes_in_ledger": ledger}


def measure() -> list[dict[str, Any]]:
    """Return all rows."""
    given, others = texts(TEXTS, 1), texts(RETURNED, 2)
    calibration = Calibration()
    engine = PatternEngine()
    echo = guarding(engine, others)
    works: dict[str, Callable[[str], object]] = {
        "fingerprint": fingerprint,
        "read: words, shingles, patterns": read,
        "calibration: score and observe": lambda text: (calibration.score(0.4), calibration.observe(0.4)),
        "analysis": analysed(PatternEngine()),
        "analysis + strategy": judged(PatternEngine()),
        "analysis + strategy, after feedback": judged(PatternEngine(importance=taught())),
    }
    return [
        *(row(name, us) for name, us in micros(works, given).items()),
        row("echo guard, an ordinary text", guarded(echo, given)),
        row("echo guard, an echo", guarded(echo, others)),
        *state_rows(),
    ]


def checks(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what is promised."""
    by_name = {one["what"]: one for one in rows}

    def us(what: str) -> float | None:
        return by_name[what]["us_a_text"]

    return [
        harness.check("analysis + strategy of 1 kB, us", us("analysis + strategy"), LIMIT_US, at_most=True),
        harness.check("the same after feedback, us", us("analysis + strategy, after feedback"), LIMIT_US, at_most=True),
        harness.check("echo guard of an ordinary text, us", us("echo guard, an ordinary text"), ECHO_LIMIT_US, at_most=True),
    ]


def main() -> None:
    """Run, print, write."""
    given = harness.parser(__doc__ or "").parse_args()
    rows = measure()
    print()
    harness.report(harness.meta(("vectopt", "numpy")), rows, checks(rows), given.json)


if __name__ == "__main__":
    main()
