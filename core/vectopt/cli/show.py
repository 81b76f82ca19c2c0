"""What the commands show: tables on stdout, notes and errors on stderr."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from vectopt import Explanation, Hit, Stats, Tier

out = Console()
err = Console(stderr=True)

_TIER_STYLE = {"persistent": "green", "temp": "cyan", "queued": "yellow", "cached": "blue", "archived": "dim"}


def note(message: str) -> None:
    """Say something beside the result."""
    err.print(Text(f"note: {printable(message)}", style="yellow"), soft_wrap=True)


def error(message: str) -> None:
    """Say in one line what went wrong."""
    err.print(Text(f"error: {printable(message)}", style="red"), soft_wrap=True)


def printable(text: str) -> str:
    """Return a text on one line, without what would steer a terminal."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def snippet(content: str, query: str, width: int) -> str:
    """Return the part of a text that has the most of the query's words, on one line of up to `width` characters."""
    text = printable(content)
    if len(text) <= width:
        return text
    room = width - 4  # for two ellipses and their spaces
    words = {word.lower() for word in re.findall(r"\w{3,}", query)}
    starts = [0, *(found.start() for found in re.finditer(r"(?<=[.!?] )\w", text))]

    def merit(start: int) -> tuple[int, bool, int]:  # the most words; then the beginning, else the very sentence
        return len(words & set(re.findall(r"\w{3,}", text[start : start + room].lower()))), start == 0, start

    best = max(starts, key=merit)
    part = text[best : best + room]
    if best + room < len(text):
        part = f"{part[: part.rfind(' ')] if ' ' in part else part} …"
    return f"… {part}" if best else part


def hits_table(hits: Sequence[Hit], query: str, name_of: str = "source", lines: int = 2) -> Table:
    """Return hits as a table: how good, from where, what, and why.

    Args:
        hits: best first.
        query: what the snippets are chosen for.
        name_of: the metadata field that names a hit; the id does where it is missing.
        lines: how long a snippet may be.
    """
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("", justify="right", style="dim")
    table.add_column("score", justify="right")
    table.add_column("tier", min_width=max(map(len, Tier)))  # so that tables below each other align
    table.add_column("text and why")
    width = max(30, out.width - 26)  # what the other columns leave
    for number, hit in enumerate(hits, 1):
        name = printable(str(hit.metadata.get(name_of, hit.id)))
        shown = snippet(hit.content, query, width * lines - (lines - 1) * 10)  # lines are not filled to their ends
        text = Text.assemble((name, "bold"), "\n", shown, "\n", (" · ".join(hit.reasons), "dim"))
        table.add_row(str(number), f"{hit.score:.3f}", tier_text(hit.tier), text)
    return table


def tier_text(tier: Tier | str) -> Text:
    """Return a tier's name in its colour."""
    return Text(str(tier), style=_TIER_STYLE.get(str(tier), ""))


def figures(rows: Iterable[tuple[str, str] | None], title: str | None = None) -> Table:
    """Return names with right-aligned figures; None leaves a line free."""
    table = Table(box=None, show_header=False, pad_edge=False, title=title, title_justify="left", title_style="bold")
    table.add_column(style="dim")
    table.add_column(justify="right")
    for row in rows:
        if row is None:
            table.add_row()
        else:
            table.add_row(row[0], Text(row[1]))
    return table


def stats_table(stats: Stats) -> Table:
    """Return a store's figures, those that are zero left out where zero is the rule."""
    rows: list[tuple[str, str] | None] = [("items", f"{stats.items:,}")]
    rows += [(f"  {tier}", f"{count:,}") for tier, count in stats.items_per_tier.items() if count]
    rows += [
        ("distinct texts", f"{stats.texts:,}"),
        None,
        ("vectors", f"{stats.vectors:,}"),
        ("embeddings made", f"{stats.embeddings_made:,}"),
        ("embeddings avoided", f"{stats.embeddings_avoided:,}"),
        ("tokens embedded", f"{stats.tokens_embedded:,}"),
        ("tokens avoided", f"{stats.tokens_avoided:,}"),
    ]
    if stats.estimated_cost is not None and stats.cost_saved is not None:
        rows += [("cost, estimated", f"{stats.estimated_cost:,.4f}"), ("cost saved", f"{stats.cost_saved:,.4f}")]
    if stats.dead_letters:
        rows.append(("embedding failed for good", f"{stats.dead_letters:,}"))
    rows += [None, ("file", size(stats.file_bytes)), ("of it vectors", size(stats.vector_bytes))]
    if stats.sketches:
        rows.append((f"of it {stats.sketches:,} sketches", size(stats.sketch_bytes)))
    if stats.embedder is not None:
        rows.append(("embedder", f"{printable(stats.embedder)}, {stats.dimensions} dimensions"))
    rows.append(("namespaces", ", ".join(map(printable, stats.namespaces)) or "none"))
    return figures(rows)


def explanation_table(found: Explanation) -> Table:
    """Return why an item is where it is, and how it came there."""
    decision = found.decision
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    scores = f"importance {decision.importance_score:.2f}, novelty {decision.novelty_score:.2f}, utilisation {decision.utilisation:.0%}"
    table.add_row("id", Text(printable(found.id)))
    table.add_row("tier", tier_text(found.tier))
    table.add_row("decision", f"{decision.action}, priority {decision.priority}")
    table.add_row("scores", scores)
    table.add_row("patterns", Text(", ".join(found.patterns) or "none"))
    for place, reason in enumerate(decision.reasoning):
        table.add_row("" if place else "because", Text(reason))
    for place, move in enumerate(found.history):
        when = datetime.fromtimestamp(move.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        table.add_row("" if place else "history", Text(f"{when}  {move.source} -> {move.target}: {move.reason}"))
    if found.duplicate_of is not None:
        table.add_row("copy of", Text(printable(found.duplicate_of)))
    return table


def hit_as_json(hit: Hit) -> Mapping[str, Any]:
    """Return a hit's fields as JSON has them."""
    return {**{key: hit[key] for key in hit.keys()}, "tier": str(hit.tier), "reasons": list(hit.reasons)}  # noqa: SIM118 - a Hit is no dict


def size(count: int) -> str:
    """Return bytes for people."""
    if count < 1000:
        return f"{count} bytes"
    value, units = count / 1000, ["KB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.1f} {units[0]}"


def counting_bar() -> Progress:
    """Return a progress bar that counts."""
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=err)


def share_bar() -> Progress:
    """Return a progress bar that shows a share."""
    return Progress(TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), console=err)
