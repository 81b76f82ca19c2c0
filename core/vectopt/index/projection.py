"""The indexes of every namespace, kept up with the ledger's change feed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import RLock
from typing import Any

from .namespace import NamespaceIndex, SlotRow


class Projection:
    """Every namespace's index, at one change sequence number. `lock` is held while it changes and while views are taken."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.seq = 0
        self.namespaces: dict[str, NamespaceIndex] = {}

    @property
    def nbytes(self) -> int:
        """Bytes held, estimated."""
        return sum(index.nbytes for index in list(self.namespaces.values()))

    @property
    def coded(self) -> int:
        """How many vectors have codes."""
        return sum(index.coded for index in self.namespaces.values())

    def clear(self) -> None:
        """Forget everything; the next catch-up starts from the beginning."""
        self.namespaces.clear()
        self.seq = 0

    def __len__(self) -> int:
        return sum(map(len, self.namespaces.values()))

    def saved(self) -> dict[str, Any]:
        """Return what `restore` takes; later changes don't touch it."""
        return {"seq": self.seq, "namespaces": [[name, index.saved()] for name, index in self.namespaces.items()]}

    def restore(self, saved: dict[str, Any]) -> None:
        """Become what was saved."""
        self.namespaces = {name: NamespaceIndex.restored(index) for name, index in saved["namespaces"]}
        self.seq = saved["seq"]

    def put(self, namespace: str, rows: Sequence[SlotRow], dimensions: int | None) -> None:
        """Take in slots of a namespace as they are now; they ascend. Vectors have so many dimensions."""
        self.namespaces.setdefault(namespace, NamespaceIndex()).put(rows, dimensions)

    def remove(self, namespace: str, slots: Iterable[int]) -> None:
        """Forget slots of a namespace."""
        index = self.namespaces.get(namespace)
        if index is not None:
            index.remove(list(slots))
            if not len(index):
                del self.namespaces[namespace]
