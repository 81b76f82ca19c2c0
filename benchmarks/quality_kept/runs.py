"""Run files: what was found for each query."""

from __future__ import annotations

from pathlib import Path

from .stream import Ranking


def write(folder: Path | None, set_name: str, name: str, rankings: dict[str, Ranking]) -> None:
    """Write lines of query, item, rank from 1 on, score."""
    if folder is None:
        return
    (folder / set_name).mkdir(parents=True, exist_ok=True)
    lines = (
        f"{query}\t{item}\t{rank}\t{score:.6g}\n" for query, ranking in rankings.items() for rank, (item, score) in enumerate(ranking, 1)
    )
    (folder / set_name / f"{name}.tsv").write_text("".join(lines), encoding="utf-8")
