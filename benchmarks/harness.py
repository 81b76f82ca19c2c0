"""What benchmarks share: the machine's facts, checks, a table, the JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import sys
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1")


def one_blas_thread() -> None:
    """Hold BLAS to one thread; call before numpy is imported."""
    os.environ.update(ONE_THREAD)


def parser(about: str) -> argparse.ArgumentParser:
    """Return an argument parser with the option every benchmark has."""
    result = argparse.ArgumentParser(description=about)
    result.add_argument("--json", type=Path, help="write the results here")
    return result


def meta(packages: Sequence[str]) -> dict[str, Any]:
    """Return what the figures depend on."""
    versions = {}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return {
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "load": os.getloadavg()[0],
        "versions": versions,
    }


def check(name: str, value: float | None, limit: float, *, at_most: bool = False) -> dict[str, Any]:
    """Return one promise: met where the value is at least the limit, or at most; not met where there is no value."""
    met = value is not None and (value <= limit if at_most else value >= limit)
    return {"name": name, "value": value, "limit": limit, "bound": "at most" if at_most else "at least", "ok": met}


def told(text: str) -> None:
    """Tell how far the run is."""
    print(f"  {time.strftime('%H:%M:%S')}  {text}", flush=True)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows as aligned text; None is a dash."""
    if not rows:
        return ""
    names = list(rows[0])
    lines = [names, *([_text(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(names))]
    return "\n".join(
        "  ".join(cell.rjust(width) if i else cell.ljust(width) for i, (cell, width) in enumerate(zip(line, widths, strict=True)))
        for line in lines
    )


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) and abs(value) < 1000 else f"{value:.0f}" if isinstance(value, float) else str(value)


def report(
    facts: dict[str, Any],
    rows: Sequence[dict[str, Any]],
    checks: Sequence[dict[str, Any]],
    path: Path | None,
    *,
    shown: Sequence[dict[str, Any]] | None = None,
) -> None:
    """Print the table, of `shown` where not all rows are, and the checks, and write the JSON."""
    print(table(rows if shown is None else shown))
    print()
    for one in checks:
        value = "not measured" if one["value"] is None else f"{one['value']:.4g}"
        print(f"{'ok  ' if one['ok'] else 'MISS'}  {one['name']}: {value} ({one['bound']} {one['limit']:g})")
    if path is not None:
        path.write_text(json.dumps({"meta": facts, "rows": list(rows), "checks": list(checks)}, indent=1) + "\n")
