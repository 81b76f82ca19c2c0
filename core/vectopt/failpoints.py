"""Where a crash can be tried: a named point after every commit and every effect outside the ledger.

A point does nothing, but where a test has set what is to be done when one is reached.
"""

from __future__ import annotations

from collections.abc import Callable

_names: list[str] = []
_reached: Callable[[str], object] | None = None


class Failpoint:
    """A place in the code, by name; called whenever it is passed."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        if name in _names:
            raise ValueError(f"there is a fail-point {name!r} already")
        _names.append(name)
        self.name = name

    def __call__(self) -> None:
        if _reached is not None:
            _reached(self.name)


def names() -> tuple[str, ...]:
    """Return the points of all modules that are imported, in the order of their making."""
    return tuple(_names)


def when_reached(do: Callable[[str], object] | None) -> None:
    """Have something done, given the name, when a point is reached; None to have nothing done."""
    global _reached  # noqa: PLW0603 - one process, one trial
    _reached = do
