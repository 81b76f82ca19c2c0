"""Holds what a store outside has against what the ledger says, and sets right what differs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from .ledger import Ledger, outside
from .model import ReconcileReport
from .outside import Outside
from .protocols import Clock


class Reconciler:
    """Compares by key, all of them: counts can agree where things don't.

    Args:
        ledger: the truth.
        beyond: the store.
        clock: tells the time.
    """

    def __init__(self, ledger: Ledger, beyond: Outside, clock: Clock) -> None:
        self._ledger = ledger
        self._beyond = beyond
        self._clock = clock

    def run(self, *, repair: bool) -> ReconcileReport:
        """Return what differs. With `repair`, what is missing is queued to be sent again, or embedded again where its vector was
        there alone; and what carries this file's sign without being one of its copies is removed. Whatever the store raises is raised.
        """
        with self._ledger.reading() as db:
            namespaces = outside.namespaces(db)
            failing = {self._beyond.key(copy): error for copy, error in outside.errors(db)}
        report = ReconcileReport(listed=self._beyond.store.capabilities.lists, failing=failing)
        for namespace in namespaces:
            report = _sum(report, self._one(namespace, repair=repair))
        return report

    def _one(self, namespace: str, *, repair: bool) -> ReconcileReport:
        can, store = self._beyond.store.capabilities, self._beyond.store
        # The store first: whatever it holds was written down before it was sent.
        listed = dict.fromkeys(store.keys(namespace, self._beyond.prefix)) if can.lists else {}
        with self._ledger.reading() as db:
            states = outside.states(db, namespace)
        known = self._beyond.copies(listed)
        orphans = [copy for copy in known if copy not in states]
        expected = [copy for copy, state in states.items() if state == "there" and copy not in known]
        found = set(known) | (self._found(namespace, expected) if can.fetches else set(expected))
        missing = [copy for copy in expected if copy not in found]
        repaired = 0
        if repair:
            now = self._clock.now()
            for part in _batches(missing, can.batch):
                repaired += self._ledger.write(lambda tx, part=part: sum(outside.lost(tx, copy, now) for copy in part))  # type: ignore[misc]  # bound at once
            for part in _batches(orphans, can.batch):
                store.delete(namespace, [self._beyond.key(copy) for copy in part])
                repaired += len(part)
        return ReconcileReport(
            there=sum(state == "there" for state in states.values()) - len(missing),
            pending=sum(state in ("pending", "sent") for state in states.values()),
            leaving=sum(state in ("leaving", "erased") for state in states.values()),
            missing=tuple(self._beyond.key(copy) for copy in missing),
            orphans=tuple(self._beyond.key(copy) for copy in orphans),
            listed=can.lists,
            repaired=repaired,
        )

    def _found(self, namespace: str, copies: list[int]) -> set[int]:
        """Return which copies are there: a list may lag behind what can be fetched."""
        found: set[int] = set()
        for part in _batches(copies, self._beyond.store.capabilities.batch):
            found.update(self._beyond.copies(self._beyond.store.fetch(namespace, [self._beyond.key(copy) for copy in part])))
        return found


def _batches(copies: list[int], size: int) -> Iterator[list[int]]:
    rest = iter(copies)
    while part := list(islice(rest, size)):
        yield part


def _sum(one: ReconcileReport, other: ReconcileReport) -> ReconcileReport:
    return ReconcileReport(
        there=one.there + other.there,
        pending=one.pending + other.pending,
        leaving=one.leaving + other.leaving,
        missing=one.missing + other.missing,
        orphans=one.orphans + other.orphans,
        listed=one.listed and other.listed,
        failing=one.failing,
        repaired=one.repaired + other.repaired,
    )
