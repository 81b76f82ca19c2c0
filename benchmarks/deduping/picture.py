"""The run in one picture: time against size on the left, what is missed on the right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .engines import ENGINES, LOOP, OURS
from .promises import SPEED
from .streams import Streams

_DOTS = 100  # an inch


def draw(rows: Sequence[dict[str, Any]], streams: Streams, path: Path) -> None:
    """Write a picture of 1200 x 600 dots."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    done = [row for row in rows if row["us/text"] is not None and (row["section"] == SPEED or row["engine"] == LOOP)]
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 6), dpi=_DOTS)
    colours = {name: f"C{place}" for place, name in enumerate(ENGINES)}
    _times(left, [row for row in done if row["stream"] == streams.main], colours)
    left.set_title(f"CPU time, {streams.main}")
    _missed(right, done, list(streams), colours)
    figure.legend(*left.get_legend_handles_labels(), loc="lower center", ncols=len(colours), fontsize="small", frameon=False)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    figure.savefig(path)
    plt.close(figure)


def _times(axes: Any, rows: Sequence[dict[str, Any]], colours: dict[str, str]) -> None:
    for name, colour in colours.items():
        points = sorted((row["n"], row["us/text"]) for row in rows if row["engine"] == name)
        if points:
            axes.plot(*zip(*points, strict=True), "o-", color=colour, label=name, linewidth=3 if name == OURS else 1.5)
    axes.set(xscale="log", yscale="log", xlabel="texts", ylabel="CPU microseconds a text")
    axes.grid(alpha=0.3)


def _missed(axes: Any, rows: Sequence[dict[str, Any]], streams: list[str], colours: dict[str, str]) -> None:
    """Draw which pairs of the exact clusters those that keep to the rule don't have in one, at the smallest size."""
    judged = [row for row in rows if row["section"] == SPEED and row["recall"] is not None]
    smallest = min((row["n"] for row in judged), default=0)
    missed = {(row["engine"], row["stream"]): (1 - row["recall"]) * 100 for row in judged if row["n"] == smallest}
    engines = [name for name in colours if any(engine == name for engine, _ in missed)]
    width = 0.8 / max(1, len(engines))
    for place, name in enumerate(engines):
        drawn = {at: missed[name, stream] for at, stream in enumerate(streams) if (name, stream) in missed}
        shift = (place - (len(engines) - 1) / 2) * width
        bars = axes.bar([at + shift for at in drawn], list(drawn.values()), width, color=colours[name])
        axes.bar_label(bars, [f"{share:.2g}" for share in drawn.values()], padding=2, fontsize=8)
    axes.set_xticks(range(len(streams)), streams)
    axes.set(ylabel="% of the pairs in one cluster", title=f"Missed, of {smallest:,} texts")
