"""Quality kept against what it costs: vectors and bytes on the left, tokens on the right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .jobs import DENSE, WORDS
from .policies import POLICIES
from .rows import by_store, mean

_DOTS = 100  # an inch
_STYLES = {"none": "o:", "shown": "s--", "even": "o-"}


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write a picture of 1200 x 600 dots."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 6), dpi=_DOTS, sharey=True)
    stores = by_store(rows)
    for place, policy in enumerate(("", *POLICIES)):
        for feedback, style in _STYLES.items():
            points = sorted(
                (_share(name, policy), mean(some)) for (name, mode), some in stores.items() if mode == feedback and _of(name, policy)
            )
            if points:
                label = f"{policy or 'vectopt'}, feedback {feedback}"
                left.plot(*zip(*points, strict=True), style, color=f"C{place}", label=label, linewidth=1.5 if policy else 3)
    for name, colour, label in ((WORDS, "0.3", "words only"), (DENSE, "0.6", "all vectors, no words")):
        for axes in (left, right):
            if (name, "none") in stores:
                axes.axhline(mean(stores[name, "none"]), color=colour, linestyle=":", label=label)
    _spent(left, stores, "bytes", "vectors share", "D", "a limit on bytes instead")
    _spent(right, stores, "tokens", "tokens share", "", None)
    left.set(ylabel="% of the best full store's nDCG@10, mean of the sets")
    for axes, spent in ((left, "items that have a vector"), (right, "tokens embedded")):
        axes.set(xlabel=f"share of the {spent}, mean of the sets")
    figure.legend(*left.get_legend_handles_labels(), loc="lower center", ncols=3, fontsize="small", frameon=False)
    for axes in (left, right):
        axes.set_xlim(left=0)
        axes.grid(alpha=0.3)
    figure.tight_layout(rect=(0, 0.12, 1, 1))
    figure.savefig(path)
    plt.close(figure)


def _of(name: str, policy: str) -> bool:
    return name.startswith(f"{policy}-") if policy else name[0].isdigit()


def _share(name: str, policy: str) -> float:
    return float(name.removeprefix(f"{policy}-"))


def _spent(axes: Any, stores: dict[tuple[str, str], list[dict[str, Any]]], limit: str, spent: str, marker: str, label: str | None) -> None:
    """Draw the product under another limit, by what it spent: as marks, or, without one, as lines."""
    for feedback, style in _STYLES.items():
        points = sorted(
            (mean(some, spent), mean(some)) for (name, mode), some in stores.items() if mode == feedback and name.startswith(f"{limit}-")
        )
        if points:
            axes.plot(*zip(*points, strict=True), marker or style, color="C0", label=label, linewidth=3)
            label = None
