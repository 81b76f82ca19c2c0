"""What searches returned lately, for intake to recognise when it comes back. In memory alone."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock

from .analysis import Echo, Reading

_MAX_NAMESPACES = 16  # those searched last


class Echoes:
    """Each namespace's `Echo`, filled by searches and asked by intake; any thread may.

    Args:
        on: whether anything is to be remembered at all.
    """

    def __init__(self, on: bool) -> None:
        self._on = on
        self._known: OrderedDict[str, Echo] = OrderedDict()
        self._lock = Lock()

    def returned(self, namespace: str, texts: Iterable[tuple[str, str]]) -> None:
        """Remember what a search of a namespace returned: ids and texts, best first."""
        if not self._on:
            return
        with self._lock:
            echo = self._known.setdefault(namespace, Echo())
            self._known.move_to_end(namespace)
            if len(self._known) > _MAX_NAMESPACES:
                self._known.popitem(last=False)
            echo.returned((_sign(id, text), text) for id, text in texts)

    def repeats(self, namespace: str, reading: Reading, texts: Callable[[Sequence[str]], Mapping[str, str]]) -> bool:
        """Tell whether a text is one that a search of the namespace returned, and that is still there.

        Args:
            namespace: where.
            reading: the text's.
            texts: tells the texts that some ids have now; asked only where a text looks like an echo.
        """
        echo = self._known.get(namespace)
        if echo is None:
            return False
        with self._lock:
            return echo.repeats(reading, lambda signs: _unchanged(signs, texts))


def _sign(id: str, text: str) -> str:
    """Return what stands for an item as long as it has this text."""
    return f"{hash(text)} {id}"


def _unchanged(signs: Sequence[str], texts: Callable[[Sequence[str]], Mapping[str, str]]) -> set[str]:
    """Return those of the signs whose items are there with the very text."""
    now = texts([sign.partition(" ")[2] for sign in signs])
    return set(signs) & {_sign(id, text) for id, text in now.items()}
