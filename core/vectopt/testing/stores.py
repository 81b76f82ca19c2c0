"""A store outside in memory, whose faults a test commands."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vectopt import Capabilities, Record, Vector


class FakeStore:
    """Keeps records in a dictionary, and calls itself durable: the object stands for a server that outlives managers.

    Attributes:
        rows: the records, by namespace and key.
        calls: the names of the calls so far.
        failing: while true, every call raises.
        refusing: keys that an upsert leaves out, and says so.
        swallowing: keys that an upsert leaves out in silence.
        before: called with a call's name before it is answered.
    """

    def __init__(self, name: str = "fake", **capabilities: Any) -> None:
        self.name = name
        self.capabilities = replace(Capabilities(durable=True, batch=20), **capabilities)
        self.rows: dict[tuple[str, str], Record] = {}
        self.calls: list[str] = []
        self.failing = False
        self.refusing: Callable[[str], bool] = lambda _: False
        self.swallowing: Callable[[str], bool] = lambda _: False
        self.before: Callable[[str], object] = lambda _: None

    def _called(self, name: str) -> None:
        self.calls.append(name)
        self.before(name)
        if self.failing:
            raise ConnectionError("the store is down")

    def upsert(self, namespace: str, records: Sequence[Record]) -> Collection[str]:
        """Store records, but for those it was told to refuse or to swallow."""
        self._called("upsert")
        refused = [record.key for record in records if self.refusing(record.key)]
        for record in records:
            if record.key not in refused and not self.swallowing(record.key):
                self.rows[namespace, record.key] = record
        return refused

    def delete(self, namespace: str, keys: Sequence[str]) -> None:
        """Remove records."""
        self._called("delete")
        for key in keys:
            self.rows.pop((namespace, key), None)

    def fetch(self, namespace: str, keys: Sequence[str]) -> Mapping[str, Vector | None]:
        """Return what is there."""
        self._called("fetch")
        return {key: self._given(namespace, key) for key in keys if (namespace, key) in self.rows}

    def query(self, namespace: str, vector: Vector, k: int) -> Mapping[str, Vector | None]:
        """Return the nearest by cosine."""
        self._called("query")
        here = [(key, record.vector) for (home, key), record in self.rows.items() if home == namespace]
        here.sort(key=lambda pair: -float(pair[1] @ vector / (np.linalg.norm(pair[1]) * np.linalg.norm(vector) or 1)))
        return {key: self._given(namespace, key) for key, _ in here[:k]}

    def _given(self, namespace: str, key: str) -> Vector | None:
        return self.rows[namespace, key].vector if self.capabilities.hands_back else None

    def keys(self, namespace: str, prefix: str) -> Iterator[str]:
        """Yield the keys that begin so."""
        self._called("keys")
        yield from [key for home, key in list(self.rows) if home == namespace and key.startswith(prefix)]
