"""The run in one picture: time against size on the left, pairs found on the right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .engines import ENGINES, OURS
from .promises import SPEED
from .streams import Streams

_DOTS = 100  # an inch


def draw(rows: Sequence[dict[str, Any]], streams: Streams, path: Path) -> None:
    """Write a picture of 1200 x 600 dots."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    done = [row for row in rows if row["section"] == SPEED and row["us/text"] is not None]
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 6), dpi=_DOTS)
    colours = {name: f"C{place}" for place, name in enumerate(ENGINES)}
    _times(left, [row for row in done if row["stream"] == streams.main], colours)
    _found(right, done, list(streams), colours)
    left.set_title(f'CPU time, stream "{streams.main}"')
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def _times(axes: Any, rows: Sequence[dict[str, Any]], colours: dict[str, str]) -> None:
    for name, colour in colours.items():
        points = sorted((row["n"], row["us/text"]) for row in rows if row["engine"] == name)
        if points:
            axes.plot(*zip(*points, strict=True), "o-", color=colour, label=name, linewidth=3 if name == OURS else 1.5)
    axes.set(xscale="log", yscale="log", xlabel="texts", ylabel="CPU microseconds a text")
    axes.grid(alpha=0.3)
    axes.legend()


def _found(axes: Any, rows: Sequence[dict[str, Any]], streams: list[str], colours: dict[str, str]) -> None:
    """Draw of each stream at the smallest size which share of the pairs the engines that keep to the rule put into one cluster."""
    smallest = min((row["n"] for row in rows), default=0)
    recalls = {(row["engine"], row["stream"]): row["recall"] for row in rows if row["n"] == smallest and row["recall"] is not None}
    engines = [name for name in colours if any(engine == name for engine, _ in recalls)]
    width = 0.8 / max(1, len(engines))
    for place, name in enumerate(engines):
        heights = [recalls.get((name, stream), 0) for stream in streams]
        places = [at + (place - (len(engines) - 1) / 2) * width for at in range(len(streams))]
        bars = axes.bar(places, heights, width, color=colours[name], label=name)
        axes.bar_label(bars, [f"{height:.3g}" for height in heights], rotation=90, padding=3, fontsize=8)
    axes.set_xticks(range(len(streams)), streams)
    axes.set(ylim=(0, 1.2), yticks=[0, 0.2, 0.4, 0.6, 0.8, 1], ylabel="share of the exact clusters' pairs found")
    axes.set_title(f"pairs found, {smallest:,} texts")
    axes.legend(loc="lower left", framealpha=0.9)
