"""A bar on stderr."""

from __future__ import annotations

import sys
import time
from typing import TextIO

_WIDTH = 30
_SECONDS = 0.2  # between two drawings


class Progress:
    """Tells how much of a known amount of work is done; where nobody watches, a line for each thing done is enough."""

    def __init__(self, total: int, out: TextIO = sys.stderr) -> None:
        self._total, self._done, self._out, self._what = max(1, total), 0, out, ""
        self._begun, self._drawn = time.perf_counter(), 0.0

    def begin(self, what: str) -> None:
        """Tell what is done now."""
        self._what = what
        if not self._out.isatty():
            self._out.write(f"  {self._done / self._total:4.0%}  {what}\n")
            self._out.flush()
        self._draw()

    def advance(self, count: int) -> None:
        """Count work as done."""
        self._done += count
        if time.perf_counter() - self._drawn > _SECONDS:
            self._draw()

    def end(self) -> None:
        """Leave the line."""
        if self._out.isatty():
            self._out.write("\r\x1b[K")
            self._out.flush()

    def _draw(self) -> None:
        if not self._out.isatty():
            return
        self._drawn = time.perf_counter()
        share = min(1.0, self._done / self._total)
        bar = "█" * round(share * _WIDTH)
        self._out.write(f"\r\x1b[K{bar:░<{_WIDTH}} {share:4.0%}  {self._drawn - self._begun:.0f} s  {self._what}")
        self._out.flush()
