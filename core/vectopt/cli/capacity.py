"""The commands that look after the capacity: plan, compact, archive, restore, alerts, doctor."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from vectopt import Budget, CapacityPlan, CapacityReport, DynamicCapacityManager, VectorManager

from . import show
from .filter import filter_of
from .store import open_existing

app = typer.Typer()

Store = Annotated[Path, typer.Option("--store", envvar="VECTOPT_STORE", help="The store's file.")]
Namespace = Annotated[str, typer.Option("--namespace", help="Where the texts are.")]
Archive = Annotated[str | None, typer.Option("--archive", envvar="VECTOPT_ARCHIVE", help="Where archived texts go: a folder, or a URL.")]
Policy = Annotated[str | None, typer.Option("--policy", help="What may leave: keep_text, archive or delete.")]
MaxItems = Annotated[int | None, typer.Option("--max-items", help="The most items the store may hold.")]
MaxBytes = Annotated[str | None, typer.Option("--max-bytes", help="The most bytes its file may have, as 800MB.")]
Given = Annotated[str | None, typer.Option("--filter", help='On the metadata, as JSON: {"source": "notes.md"}.')]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="The items' ids.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_HERE = Path("vectopt.db")
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


@app.command()
def plan(
    store: Store = _HERE,
    archive: Archive = None,
    max_items: MaxItems = None,
    max_bytes: MaxBytes = None,
    policy: Policy = None,
    as_json: AsJson = False,
) -> None:
    """Show what would be done to stay within a budget, and why. Nothing is changed."""
    with _opened(store, archive, max_items, max_bytes) as manager:
        found = DynamicCapacityManager(_config(policy), manager).plan()
    if as_json:
        show.out.print_json(data=asdict(found))
    else:
        show.out.print(_plan_table(found))


@app.command()
def compact(
    store: Store = _HERE,
    archive: Archive = None,
    max_items: MaxItems = None,
    max_bytes: MaxBytes = None,
    policy: Policy = None,
    as_json: AsJson = False,
) -> None:
    """Make a store as small as it can be without losing anything; with a budget, bring it within that first."""
    with _opened(store, archive, max_items, max_bytes) as manager:
        done = [manager.compact()]
        if max_items is not None or max_bytes is not None:
            done.insert(0, DynamicCapacityManager(_config(policy), manager).run_once())
    if as_json:
        show.out.print_json(data=[asdict(report) for report in done])
        return
    show.out.print(_report_table(done))
    for report in done:
        for problem in (*report.problems, report.held):
            if problem:
                show.note(problem)


@app.command()
def archive(
    ids: Ids = None,
    store: Store = _HERE,
    archive: Archive = None,
    filter: Given = None,
    namespace: Namespace = "default",
) -> None:
    """Move items into the archive. They can be read by id and restored, but are not searched."""
    with open_existing(store, archive=archive) as manager:
        count = manager.archive(ids or None, filter=filter_of(filter), namespace=namespace)
    show.out.print(f"archived {count:,} items", highlight=False)


@app.command()
def restore(
    ids: Ids = None,
    store: Store = _HERE,
    archive: Archive = None,
    filter: Given = None,
    namespace: Namespace = "default",
) -> None:
    """Bring items back from the archive."""
    with open_existing(store, archive=archive) as manager:
        report = manager.restore(ids or None, filter=filter_of(filter), namespace=namespace)
    show.out.print(f"restored {report.restored:,} items", highlight=False)
    for id in report.damaged:
        show.error(f"the archived record of {id!r} is damaged; it stays in the archive")
    if report.damaged:
        raise typer.Exit(1)


@app.command()
def alerts(
    store: Store = _HERE,
    most: Annotated[int, typer.Option("-n", help="How many, the newest.", min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """Show what was the matter with the capacity, and when."""
    with open_existing(store) as manager:
        found = manager.alerts(most)
    if as_json:
        show.out.print_json(data=[asdict(alert) for alert in found])
        return
    if not found:
        show.note("there were no alerts")
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for alert in found:
        when = datetime.fromtimestamp(alert.created_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        advice = ", ".join(alert.recommended_actions)
        table.add_row(
            Text(when, style="dim"), Text(alert.alert_type, style="yellow"), Text(show.printable(alert.message)), Text(advice, style="dim")
        )
    show.out.print(table)


@app.command()
def doctor(
    store: Store = _HERE,
    archive: Archive = None,
    repair: Annotated[bool, typer.Option("--repair", help="Put right what can be; nothing stored is ever removed.")] = False,
    scrub: Annotated[bool, typer.Option(help="Read every archived object whole.")] = True,
    as_json: AsJson = False,
) -> None:
    """Examine a store: its file, counters, indexes and archive. Exits with 1 where something is left that is wrong."""
    with open_existing(store, archive=archive) as manager:
        findings = manager.doctor(repair=repair, scrub=scrub)
    if as_json:
        show.out.print_json(data=[asdict(finding) for finding in findings])
    for finding in () if as_json else findings:
        mark = Text("repaired", style="green") if finding.repaired else Text("wrong", style="red")
        show.out.print(Text.assemble(mark, f"  {finding.what}: {show.printable(finding.detail)}"))
    if not findings and not as_json:
        show.out.print("all is well")
    if any(not finding.repaired for finding in findings):
        raise typer.Exit(1)


def _opened(store: Path, archive: str | None, max_items: int | None, max_bytes: str | None) -> VectorManager:
    budget = Budget(max_items=max_items, max_bytes=None if max_bytes is None else _bytes(max_bytes))
    return open_existing(store, budget=budget, archive=archive)


def _bytes(given: str) -> int:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)b?\s*", given.lower())
    if found is None:
        raise typer.BadParameter(f"{given!r} is no size; give it as 800MB or 800000000", param_hint="--max-bytes")
    return int(float(found[1]) * _UNITS[found[2]])


def _config(policy: str | None) -> dict[str, Any]:
    return {} if policy is None else {"policy": policy}


def _plan_table(found: CapacityPlan) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column()
    whose = "" if found.namespace is None else f" of namespace {show.printable(found.namespace)}"
    used = (
        f"{found.utilisation:.1%} of {found.limit}{whose} are used"
        if found.limit
        else "no budget is given: see --max-items and --max-bytes"
    )
    table.add_row(str(found.level), "", Text(used))
    for step in found.steps:
        freed = f" (about {show.size(step.bytes)})" if step.bytes and found.limit and "bytes" in found.limit else ""
        table.add_row(
            f"  {step.action}", f"{step.count:,}" if step.count else "", Text(step.reason.partition("; ")[2] + freed, style="dim")
        )
    if found.held:
        table.add_row("  nothing", "", Text(found.held))
    return table


def _report_table(reports: list[CapacityReport]) -> Table:
    names = ("expired", "promoted", "merged", "dropped", "archived", "deleted")
    rows: list[tuple[str, str] | None] = [("file before", show.size(next(one.bytes_before for one in reports if one.bytes_before)))]
    rows.append(("file after", show.size(reports[-1].bytes_after)))
    rows += [(name, f"{total:,}") for name in names if (total := sum(report[name] for report in reports))]
    return show.figures(rows)
