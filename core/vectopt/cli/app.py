"""The commands. Each reads its arguments, calls the noun that does the work, and shows what came of it."""

from __future__ import annotations

import time
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from vectopt import Budget, Stats, VectoptError, VectorManager, __version__

from . import capacity, show
from . import ingest as ingesting
from .demo import demo as run_demo
from .filter import filter_of
from .store import Notes, embedder_named, embedder_of, open_existing, open_for_search, settings
from .texts import find_files, size_of


class _Group(TyperGroup):
    """Shows our errors as a line, not as a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except VectoptError as error:
            show.error(str(error))
            raise typer.Exit(1) from None


class Mode(StrEnum):
    """How to search."""

    HYBRID = "hybrid"
    DENSE = "dense"
    LEXICAL = "lexical"


app = typer.Typer(cls=_Group, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

Store = Annotated[Path, typer.Option("--store", envvar="VECTOPT_STORE", help="The store's file.")]
Namespace = Annotated[str, typer.Option("--namespace", help="Where the texts are.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
EmbedderName = Annotated[
    str | None, typer.Option("--embedder", envvar="VECTOPT_EMBEDDER", help="local, openai or openai/MODEL@DIMENSIONS; else the store's.")
]
_HERE = Path("vectopt.db")


def _show_version(wanted: bool) -> None:
    if wanted:
        show.out.print(__version__, highlight=False)
        raise typer.Exit


@app.callback()
def _vectopt(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """A vector store that keeps itself small, and everything in it findable."""


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Files, and folders to search for .txt, .md, .log and .jsonl.")],
    store: Store = _HERE,
    namespace: Namespace = "default",
    max_vectors: Annotated[int | None, typer.Option(help="The most vectors the store may hold, in this run.")] = None,
    embedder: EmbedderName = None,
) -> None:
    """Bring a store up to date with files.

    Only what is new is embedded, and what a file no longer holds is removed; a file that is gone keeps its texts. A file is
    known by its path as given: name it the same way each time.
    A run that was interrupted goes on where it stopped.
    """
    started = time.perf_counter()
    files = find_files(paths)
    chosen = embedder_of(store) if embedder is None else embedder_named(embedder)
    notes = Notes()
    budget = Budget(max_vectors=max_vectors)
    with VectorManager(store, embedder=chosen, budget=budget, settings=settings(notes=notes)) as manager:
        before = manager.stats()
        try:
            with show.share_bar() as bar:
                task = bar.add_task("Reading", total=sum(map(size_of, files)))
                left = bar.add_task("Embedding", total=None, visible=False)
                notes.on_embedded = lambda texts: bar.update(left, advance=texts)
                report = ingesting.ingest(
                    manager,
                    files,
                    namespace,
                    lambda source, more: bar.update(task, advance=more, description=_short(source)),
                    lambda waiting: bar.update(left, completed=0, total=waiting, visible=waiting > 0),
                )
                bar.update(task, description="Done")
        except KeyboardInterrupt:
            show.note("interrupted; what was added is kept. Run it again to go on")
            raise typer.Exit(130) from None
        after = manager.stats()
    for line in report.notes:
        show.note(line)
    if report.waiting:
        show.note(f"{report.waiting:,} texts wait for their embedding, found by their words meanwhile; run it again in a minute")
    show.out.print(_summary(report, before, after, max_vectors, time.perf_counter() - started))


def _short(source: str, width: int = 32) -> str:
    name = show.printable(source)
    return name if len(name) <= width else f"…{name[1 - width :]}"


def _summary(report: ingesting.Report, before: Stats, after: Stats, room: int | None, seconds: float) -> object:
    rows: list[tuple[str, str] | None] = [
        ("files read", f"{report.files:,}"),
        ("texts read", f"{report.texts:,}"),
        ("  added", f"{report.added:,}"),
        ("  unchanged", f"{report.unchanged:,}"),
    ]
    if report.updated:
        rows.append(("  metadata updated", f"{report.updated:,}"))
    rows += [
        ("removed", f"{report.removed:,}"),
        ("embeddings made", f"{after.embeddings_made - before.embeddings_made:,}"),
        ("embeddings avoided", f"{after.embeddings_avoided - before.embeddings_avoided:,}"),
        *_paid(before, after),
        ("vectors in the store", f"{after.vectors:,}" if room is None else f"{after.vectors:,} of {room:,}"),
        ("time", f"{seconds:.1f} s"),
    ]
    return show.figures(rows)


def _paid(before: Stats, after: Stats) -> list[tuple[str, str]]:
    """Return what the run cost, where that is known."""
    if before.estimated_cost is None or after.estimated_cost is None:
        return []
    tokens = after.tokens_embedded - before.tokens_embedded
    return [("tokens embedded", f"{tokens:,}"), ("cost, estimated", f"{after.estimated_cost - before.estimated_cost:,.4f}")]


@app.command()
def reembed(
    embedder: Annotated[str, typer.Option("--embedder", help="local, openai or openai/MODEL@DIMENSIONS.")],
    store: Store = _HERE,
) -> None:
    """Give every vector of a store another embedder's. Until all are made the old ones answer; run it again to go on."""
    chosen, notes = embedder_named(embedder), Notes()
    with open_existing(store, notes=notes) as manager, show.counting_bar() as bar:
        found = manager.stats()
        task = bar.add_task("Embedding", total=found.vectors + found.sketches)
        notes.on_embedded = lambda texts: bar.update(task, advance=texts)
        report = manager.reembed(chosen)
    if report.error is not None:
        show.note(report.error)
    if not report.finished:
        show.note(f"{report.waiting:,} texts wait; the store answers by its old vectors until they are done. Run it again to go on")
        raise typer.Exit(1)
    show.out.print(show.figures([("embedded", f"{report.embedded:,}"), ("given up", f"{report.dead:,}")]))


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    k: Annotated[int, typer.Option("-k", help="How many hits.")] = 5,
    store: Store = _HERE,
    namespace: Namespace = "default",
    mode: Annotated[Mode, typer.Option(help="By words and vectors, by vectors, or by words.")] = Mode.HYBRID,
    filter: Annotated[str | None, typer.Option("--filter", help='On the metadata, as JSON: {"source": "notes.md"}.')] = None,
    as_json: AsJson = False,
) -> None:
    """Find texts."""
    wanted = filter_of(filter)
    manager, how = open_for_search(store, mode.value)
    with manager:
        in_mode: Any = how
        hits = manager.search(query, k, namespace=namespace, filter=wanted, mode=in_mode)
        known = manager.stats().namespaces
    if as_json:
        show.out.print_json(data=[show.hit_as_json(hit) for hit in hits])
    elif hits:
        show.out.print(show.hits_table(hits, query))
    if not hits:
        there = ", ".join(known) or "none"
        show.note("nothing found" if namespace in known else f"there is no namespace {namespace!r}; the store has: {there}")


@app.command()
def stats(
    store: Store = _HERE,
    namespace: Annotated[str | None, typer.Option("--namespace", help="Of one namespace; else of the whole store.")] = None,
    price: Annotated[float | None, typer.Option("--price", help="Of a million tokens: shows what embedding cost and saved.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a store's figures."""
    with open_existing(store, price) as manager:
        found = manager.stats(namespace=namespace)
    if as_json:
        show.out.print_json(data=asdict(found))
    else:
        show.out.print(show.stats_table(found))


@app.command()
def explain(
    id: Annotated[str, typer.Argument(help="The item's id, as `search --json` gives it.")],
    store: Store = _HERE,
    namespace: Namespace = "default",
) -> None:
    """Tell why an item is where it is."""
    with open_existing(store) as manager:
        show.out.print(show.explanation_table(manager.explain(id, namespace=namespace)))


@app.command()
def demo(
    store: Annotated[Path | None, typer.Option("--store", help="Keep the store here; the file must be new.")] = None,
    limit: Annotated[int | None, typer.Option(hidden=True, min=1)] = None,
) -> None:
    """Index Python's own documentation with a quarter of the vectors, and ask it three questions."""
    run_demo(store, limit)


app.add_typer(capacity.app)
