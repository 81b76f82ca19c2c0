"""Asks the store outside on behalf of searches, with patience but not for ever: a store that fails or is slow fails no search."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from .errors import OutsideUnavailable
from .model import Event, Vector
from .outside import Outside
from .patience import Call
from .settings import OutsideSettings

T = TypeVar("T")


class Outreach:
    """Reads vectors of a store outside.

    Args:
        beyond: the store.
        settings: how long to wait, and how long to rest after a failure.
        tell: is told when the store fails.
        monotonic: tells the time that passes.
    """

    def __init__(
        self, beyond: Outside, settings: OutsideSettings, tell: Callable[[Event], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._beyond = beyond
        self._settings = settings
        self._tell = tell
        self._monotonic = monotonic
        self._resting_until = float("-inf")

    @property
    def resting(self) -> bool:
        """Whether the store failed lately, and is left alone."""
        return self._monotonic() < self._resting_until

    def fetch(self, namespace: str, copies: Sequence[int]) -> dict[int, Vector]:
        """Return the vectors of copies; fewer where the store lacks some, none where it fails."""
        try:
            return self.fetched(namespace, copies)
        except OutsideUnavailable:
            return {}

    def fetched(self, namespace: str, copies: Sequence[int]) -> dict[int, Vector]:
        """Return the vectors of copies, as far as the store has them; raises OutsideUnavailable."""
        store = self._beyond.store
        found: dict[str, Vector | None] = {}
        for start in range(0, len(copies), store.capabilities.batch):
            keys = [self._beyond.key(copy) for copy in copies[start : start + store.capabilities.batch]]
            found.update(self._ask(lambda keys=keys: store.fetch(namespace, keys)))  # type: ignore[misc]  # bound at once
        return {copy: vector for copy, vector in self._beyond.copies(found).items() if vector is not None}

    def nearest(self, namespace: str, vector: Vector, k: int) -> dict[int, Vector]:
        """Return up to k of the copies nearest to a vector, with their vectors; none where the store fails or can't tell."""
        store = self._beyond.store
        if not store.capabilities.queries:
            return {}
        try:
            found = self._beyond.copies(self._ask(lambda: store.query(namespace, vector, k)))
        except OutsideUnavailable:
            return {}
        return {copy: one for copy, one in found.items() if one is not None}

    def _ask(self, call: Callable[[], T]) -> T:
        """Return what a call returns; raises OutsideUnavailable where it raises, or takes too long."""
        name = self._beyond.store.name
        if self.resting:
            raise OutsideUnavailable(f"{name} failed lately and is left alone for a while")
        answer = Call(call)
        if answer.done_within(self._settings.patience_seconds) and answer.error is None:
            return answer.value
        self._resting_until = self._monotonic() + self._settings.rest_seconds
        reason = "slow" if answer.error is None else type(answer.error).__name__
        self._tell(Event("outside_unavailable", {"store": name, "error": reason}))
        raise OutsideUnavailable(f"{name} can't be asked: {reason}") from answer.error
