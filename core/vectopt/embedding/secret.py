"""A value that is never shown."""

from __future__ import annotations

from typing import NoReturn


class Secret:
    """Holds a key: its repr, its str and its format say nothing of it, and it can't be pickled."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the key."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(...)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret can't be pickled")
