"""One row of the table for each stream, size and engine."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import harness

from .agreement import Labels, identical, recall
from .child import Clustering, clustering
from .engines import ENGINES, OURS, Engine, Keeps
from .streams import Stream

SEVERAL = 3  # runs, of which the median counts
_LARGE = 10_000  # texts beyond which peers run once


def measured(section: str, stream: Stream, engines: Iterable[str], folder: Path, cap: float) -> list[dict[str, Any]]:
    """Let engines cluster a stream, each in a process of its own, and hold their clusters against the first one's.

    Args:
        section: of the table.
        stream: what is clustered.
        engines: by name.
        folder: where the stream is written meanwhile.
        cap: CPU seconds that one of them may take.
    """
    path, truth, rows = folder / "stream.jsonl", None, []
    stream.write(path)
    facts = {"section": section, "stream": stream.name, "n": len(stream.texts)}
    shares = {"real": stream.real, "distinct": stream.distinct}
    harness.told(f"{section}, {stream.name}, {len(stream.texts)}: real {shares['real']:.2f}, distinct {shares['distinct']:.2f}")
    for place, name in enumerate(engines):
        several = name == OURS or (section == "speed" and len(stream.texts) <= _LARGE)
        done, failure = _done(name, path, stream, cap, SEVERAL if several else 1)
        if done and not place:
            truth = done[0].labels
        figures = _figures(ENGINES[name], done, truth)
        rows.append({**facts, "engine": name, **figures, **shares, "runs": len(done), "note": failure or ENGINES[name].note})
        spent = f"{figures['us/text']:.3g} us/text" if done else None
        harness.told(f"  {name}: {failure or spent}")
    return rows


def _done(name: str, path: Path, stream: Stream, cap: float, times: int) -> tuple[list[Clustering], str | None]:
    """Return what was done so many times, and why it was not where it failed."""
    done: list[Clustering] = []
    for _ in range(times):
        one = clustering(name, path, stream.tokenizer, cap)
        if isinstance(one, str):
            return done, one
        done.append(one)
    return done, None


def _figures(engine: Engine, done: Sequence[Clustering], truth: Labels | None) -> dict[str, Any]:
    figures: dict[str, Any] = dict.fromkeys(("us/text", "CPU s", "MB", "clusters", "identical", "recall", "precision"))
    if not done:
        return figures
    seconds, labels = statistics.median(one.seconds for one in done), done[0].labels
    figures |= {"us/text": seconds / len(labels) * 1e6, "CPU s": seconds, "MB": statistics.median(one.mb for one in done)}
    figures["clusters"] = int(labels.max()) + 1
    if truth is not None and engine.keeps is not Keeps.ANOTHER:
        figures |= {"recall": recall(labels, truth), "precision": recall(truth, labels)}
    if truth is not None and engine.keeps is Keeps.EXACTLY:
        figures["identical"] = identical(labels, truth)
    return figures
