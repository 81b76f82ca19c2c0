"""The indexes of every namespace, kept up with the ledger's change feed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import RLock

from .namespace import NamespaceIndex, Row


class Projection:
    """Every namespace's index, at one change sequence number. `lock` is held while it changes and while views are taken."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.seq = 0
        self.namespaces: dict[str, NamespaceIndex] = {}

    @property
    def nbytes(self) -> int:
        """Bytes held, estimated."""
        return sum(index.nbytes for index in self.namespaces.values())

    def clear(self) -> None:
        """Forget everything; the next catch-up starts from the beginning."""
        self.namespaces.clear()
        self.seq = 0

    def put(self, namespace: str, rows: Sequence[Row], dimensions: int | None) -> None:
        """Take in slots of a namespace as they are now; they ascend. Vectors have so many dimensions."""
        self.namespaces.setdefault(namespace, NamespaceIndex()).put(rows, dimensions)

    def remove(self, namespace: str, slots: Iterable[int]) -> None:
        """Forget slots of a namespace."""
        index = self.namespaces.get(namespace)
        if index is not None:
            index.remove(list(slots))
