"""A bar on stderr."""

from __future__ import annotations

import sys
import time
from typing import TextIO

_WIDTH = 30
_SECONDS = 0.2  # between two drawings


class Progress:
    """Tells how much of a known amount of work is done; where nobody watches, by a line for each step."""

    def __init__(self, total: int, out: TextIO = sys.stderr) -> None:
        self._total, self._out, self._what = max(1, total), out, ""
        self._done, self._of_step = 0, 0
        self._begun, self._drawn = time.perf_counter(), 0.0

    def begin(self, what: str) -> None:
        """Tell what is done now."""
        self._what = what
        if self._out.isatty():
            self._draw()
        else:
            print(f"  {self._share:4.0%}  {what}", file=self._out, flush=True)

    def advance(self, count: int) -> None:
        """Count a piece of the step as done."""
        self._of_step += count
        if self._out.isatty() and time.perf_counter() - self._drawn > _SECONDS:
            self._draw()

    def end_step(self, size: int) -> None:
        """Count the step as done, whatever it told of its pieces."""
        self._done, self._of_step = self._done + size, 0

    def end(self) -> None:
        """Leave the line."""
        if self._out.isatty():
            self._out.write("\r\x1b[K")
            self._out.flush()

    @property
    def _share(self) -> float:
        return min(1.0, (self._done + self._of_step) / self._total)

    def _draw(self) -> None:
        self._drawn = time.perf_counter()
        bar = "█" * round(self._share * _WIDTH)
        self._out.write(f"\r\x1b[K{bar:░<{_WIDTH}} {self._share:4.0%}  {self._drawn - self._begun:.0f} s  {self._what}")
        self._out.flush()
