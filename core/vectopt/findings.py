"""Which query found which text: counted in memory, and written to the ledger now and then."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from threading import Lock

from .ledger import Ledger, Transaction, asked, evicting, temp
from .protocols import Clock

_MOST = 10_000  # counts held in memory at the most; what a crash loses are counts, never items


class Findings:
    """Counts distinct queries, so that asking again earns nothing."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._temp: dict[tuple[int, bytes], tuple[int, float]] = {}  # how often, and when first
        self._others: set[tuple[int, bytes]] = set()
        self._lock = Lock()

    def note(self, query: bytes, temp_slots: Iterable[int], other_slots: Iterable[int]) -> None:
        """Remember what a query found: texts with a temp vector, and others."""
        digest = blake2b(query, digest_size=16).digest()
        now = self._clock.now()
        with self._lock:
            if len(self._temp) < _MOST:
                for slot in temp_slots:
                    times, first = self._temp.get((slot, digest), (0, now))
                    self._temp[slot, digest] = times + 1, first
            if len(self._others) < _MOST:
                self._others.update((slot, digest) for slot in other_slots)

    def save(self) -> None:
        """Write to the ledger what was found since, as far as it counts."""
        with self._lock:
            found, self._temp = self._temp, {}
            others, self._others = self._others, set()
        if not found and not others:
            return
        now = self._clock.now()
        with self._ledger.reading() as db:
            counted = asked.fresh(db, sorted(others))
            used = evicting.stale(db, {slot for slot, _ in (*others, *found)}, now)
        if not found and not counted and not used:
            return

        def work(tx: Transaction) -> None:
            temp.note_found(tx, [(*key, *facts) for key, facts in found.items()])
            asked.note(tx, counted)
            evicting.note_used(tx, used, now)

        self._ledger.write(work)
