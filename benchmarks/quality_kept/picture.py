"""Quality kept against what it costs: vectors on the left, tokens on the right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .jobs import DENSE, WORDS
from .policies import POLICIES
from .rows import by_store, mean

_DOTS = 100  # an inch
_STYLES = {"none": "o--", "shown": "s-.", "even": "o-"}


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
    for name, colour in ((WORDS, "0.3"), (DENSE, "0.6")):
        if (name, "none") in stores:
            left.axhline(
                mean(stores[name, "none"]), color=colour, linestyle=":", label={WORDS: "words only", DENSE: "all vectors, no words"}[name]
            )
    left.set(xlabel="share of the items that may have a vector", ylabel="% of the best full store's nDCG@10, mean of the sets")
    figure.legend(*left.get_legend_handles_labels(), loc="lower center", ncols=4, fontsize="small", frameon=False)
    left.set_xlim(left=0)
    _tokens(right, stores)
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.tight_layout(rect=(0, 0.12, 1, 1))
    figure.savefig(path)
    plt.close(figure)


def _of(name: str, policy: str) -> bool:
    return name.startswith(f"{policy}-") if policy else name[0].isdigit()


def _share(name: str, policy: str) -> float:
    return float(name.removeprefix(f"{policy}-"))


def _tokens(axes: Any, stores: dict[tuple[str, str], list[dict[str, Any]]]) -> None:
    """Draw every budget of the product by the tokens it embedded."""
    for (name, feedback), some in stores.items():
        if (name[0].isdigit() or name.startswith(("bytes", "tokens"))) and feedback in _STYLES:
            point = mean(some, "tokens share"), mean(some)
            axes.plot(*point, "o" if feedback == "none" else "s", color="C0", fillstyle="none" if feedback == "none" else "full")
            axes.annotate(f"{name} {feedback}", point, xytext=(5, 3), textcoords="offset points", fontsize=7)
    axes.set(xlabel="share of the tokens embedded, mean of the sets")
    axes.margins(x=0.2)
    axes.set_xlim(left=0)
