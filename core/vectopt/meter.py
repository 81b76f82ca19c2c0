"""What is used and what is left, read from the ledger's counters."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import replace

from .ledger import Ledger, records
from .ledger.draft import Draft
from .model import Tier
from .settings import Budget
from .strategy import Usage, day_of, part_of_day, sketch_limit, tokens_a_day, tokens_left, utilisation, vector_room

_FOR_VECTORS = 0.95  # of the file's bytes: vectors don't take the last of them
_ROW = 128  # bytes that a vector takes besides its own: its row, and what its page wastes
_SKETCHES_LEFT = 0.9  # of their limit, once sketches have to go


class Meter:
    """Holds the budgets of the store and of its namespaces against what is in use.

    Args:
        ledger: where the counters are.
        budget: of the whole store.
        namespace_budgets: of single namespaces, besides the store's.
        price_per_million_tokens: for budgets in money.
        ram_bytes: tells what the indexes hold.
        held_back: how much of a day's tokens is for queries, at the day's begin.
    """

    def __init__(
        self,
        ledger: Ledger,
        budget: Budget,
        namespace_budgets: Mapping[str, Budget],
        price_per_million_tokens: float | None,
        ram_bytes: Callable[[], int],
        held_back: float = 0.0,
    ) -> None:
        self._ledger = ledger
        self._budget = budget
        self._namespace_budgets = namespace_budgets
        self.price = price_per_million_tokens
        self._ram_bytes = ram_bytes
        self._held_back = held_back

    def scopes(self, namespace: str | None) -> list[tuple[str | None, Budget]]:
        """Return the budgets a namespace is under: the store's (None) and its own; for None the store's alone."""
        own = None if namespace is None else self._namespace_budgets.get(namespace)
        return [(None, self._budget), *([(namespace, own)] if own else [])]

    def budgets(self) -> list[tuple[str | None, Budget]]:
        """Return every budget that sets a limit: the store's (None), and those of namespaces."""
        return [(name, budget) for name, budget in ((None, self._budget), *self._namespace_budgets.items()) if not budget.empty]

    @property
    def max_bytes(self) -> int | None:
        """The limit on the file, if there is one."""
        return self._budget.max_bytes

    def unlimited(self, namespace: str) -> bool:
        """Whether nothing limits what the namespace may embed and keep."""
        return all(budget.unlimited for _, budget in self.scopes(namespace))

    def usage(self, db: sqlite3.Connection, scope: str | None, now: float) -> Usage:
        """Return what a namespace, or for None the whole store, uses. Bytes of file and RAM are the store's."""
        counts = records.counters(db, scope)
        return Usage(
            items=counts.get("items", 0),
            vectors=counts.get("vectors", 0),
            vector_bytes=counts.get("vector_bytes", 0) + counts.get("sketch_bytes", 0),
            file_bytes=self._ledger.file_bytes(db) if self._budget.max_bytes else 0,
            ram_bytes=self._ram_bytes() if self._budget.max_ram_bytes else 0,
            tokens_today=counts.get(f"tokens@{day_of(now)}", 0),
        )

    def utilisation(self, db: sqlite3.Connection, namespace: str | None, now: float, *, but_vectors: bool = False) -> float:
        """Return how full the fullest of the namespace's budgets is, or for None the store's; 0..1 and above."""
        scopes = [(scope, budget) for scope, budget in self.scopes(namespace) if not budget.empty]
        if but_vectors:
            scopes = [(scope, replace(budget, max_vectors=None, max_vector_bytes=None)) for scope, budget in scopes]
        return max((utilisation(self.usage(db, scope, now), budget) for scope, budget in scopes), default=0.0)

    def tokens_left(self, db: sqlite3.Connection, namespace: str, now: float) -> float:
        """Return how many tokens may still be embedded today; infinity without a limit."""
        scopes = [(scope, budget) for scope, budget in self.scopes(namespace) if not budget.empty]
        return min((tokens_left(self.usage(db, scope, now), budget, self.price) for scope, budget in scopes), default=float("inf"))

    def tokens_to_write(self, db: sqlite3.Connection, namespace: str, now: float) -> float:
        """Return how many tokens may still be embedded today of texts as they come: what is held back for queries is not theirs."""
        left = self.tokens_left(db, namespace, now)
        if math.isinf(left) or not self._held_back:
            return left
        return max(0.0, left - self._held_back * (1 - part_of_day(now)) * self.tokens_a_day(namespace))

    def tokens_a_day(self, namespace: str) -> float:
        """Return how many tokens a whole day allows; infinity without a limit."""
        return min(tokens_a_day(budget, self.price) for _, budget in self.scopes(namespace))

    def vector_room(self, db: sqlite3.Connection, namespace: str) -> list[tuple[str | None, int]]:
        """Return the free places for vectors in each limited scope; negative where it is over its budget."""
        rooms = []
        for scope, budget in self.scopes(namespace):
            if budget.max_vectors is None and budget.max_vector_bytes is None:
                continue
            counts = records.counters(db, scope)
            held = (counts.get(name, 0) for name in ("vectors", "vector_bytes", "sketch_bytes", "outside"))
            room = vector_room(budget, self._ledger.vector_bytes(db), *held)
            if room is not None:
                rooms.append((scope, room))
        return rooms

    def only_bytes_short(self, db: sqlite3.Connection, scope: str | None, budget: Budget) -> bool:
        """Tell whether it is for their bytes alone that vectors have to go: then those held outside may stay."""
        return budget.max_vectors is None or records.counters(db, scope).get("vectors", 0) <= budget.max_vectors

    def bytes_over(self, db: sqlite3.Connection) -> int:
        """Return by how many bytes the file is over its budget; 0 or less where it is not."""
        return 0 if self._budget.max_bytes is None else self._ledger.file_bytes(db) - self._budget.max_bytes

    def byte_room(self, db: sqlite3.Connection) -> float:
        """Return for how many more vectors the file's budget has room, with some left for texts; infinity without a limit."""
        each = self._ledger.vector_bytes(db)
        if self._budget.max_bytes is None or not each:
            return math.inf
        return max(0, int(_FOR_VECTORS * self._budget.max_bytes) - self._ledger.file_bytes(db)) // (each + _ROW)

    def fullest_of_vectors(self, db: sqlite3.Connection, namespace: str) -> float:
        """Return how full the fullest of the namespace's limits on vectors is; 0 without any."""
        shares = [0.0]
        for scope, room in self.vector_room(db, namespace):
            held = records.counters(db, scope).get("vectors", 0)
            shares.append(held / (held + room) if held + room > 0 else 1.0)
        return max(shares)

    def sketch_room(self, db: sqlite3.Connection, namespace: str) -> float:
        """Return how many more sketches the namespace's budgets hold; infinity without a limit on bytes, 0 where none are kept."""
        each = self._ledger.sketch_bytes(db)
        room = 0.0 if each == 0 else math.inf
        for scope, budget in self.scopes(namespace):
            if budget.max_vector_bytes is not None and each:
                held = records.counters(db, scope).get("sketch_bytes", 0)
                room = min(room, max(0, sketch_limit(budget.max_vector_bytes) - held) // each)
        return room

    def exceeded(self, db: sqlite3.Connection, namespace: str) -> bool:
        """Tell whether the namespace's vectors or sketches, or the store's, take more than a budget allows."""
        over = any(room < 0 for _, room in self.vector_room(db, namespace))
        return over or any(self.sketch_excess(db, scope, budget) for scope, budget in self.scopes(namespace))

    def sketch_excess(self, db: sqlite3.Connection, scope: str | None, budget: Budget) -> int:
        """Return how many sketches a scope holds beyond what its budget in bytes has room for."""
        if budget.max_vector_bytes is None:
            return 0
        counts = records.counters(db, scope)
        held = counts.get("sketch_bytes", 0)
        limit = sketch_limit(budget.max_vector_bytes)
        if held <= limit:
            return 0
        # A tenth more than must go, so that the least worthy are not looked for at every turn.
        return math.ceil((held - _SKETCHES_LEFT * limit) / (held / max(1, counts.get("sketches", 0))))

    def has_room(self, db: sqlite3.Connection, namespace: str, tokens: int, now: float, below: float) -> bool:
        """Tell whether one more text may be queued: tokens are left today, and the budget is filled below a share, with all
        that is queued counted in.
        """
        if self.tokens_left(db, namespace, now) < tokens or self.utilisation(db, namespace, now) >= below:
            return False
        for scope, room in self.vector_room(db, namespace):
            counts = records.counters(db, scope)
            held = counts.get("vectors", 0)
            if held + counts.get("slots.queued", 0) >= below * (held + room):
                return False
        return True


class Plan:
    """The utilisation as it will be once the call's earlier items have their vectors."""

    def __init__(self, meter: Meter, db: sqlite3.Connection, namespace: str, now: float, *, counts_queue: bool) -> None:
        self.tokens_left = meter.tokens_to_write(db, namespace, now)
        self._sketches = meter.sketch_room(db, namespace)
        self._other = meter.utilisation(db, namespace, now, but_vectors=True)
        self._base = meter.utilisation(db, namespace, now)
        self._limits = []
        for scope, room in meter.vector_room(db, namespace):
            counts = records.counters(db, scope)
            waiting = counts.get("slots.queued", 0) if counts_queue else 0
            held = counts.get("vectors", 0)
            self._limits.append((held + waiting, held + room))
        self._planned = 0

    @property
    def utilisation(self) -> float:
        """The fullest limit; what is only planned fills none beyond 1."""
        shares = [min(1.0, (held + self._planned) / limit) if limit > 0 else 1.0 for held, limit in self._limits]
        return max([self._base, *shares])

    def takes_sketches(self, below: float) -> bool:
        """Tell whether a text may be embedded for its sketch: the budget has room for it, and none but vectors fill it."""
        return self._sketches > self._planned and self._other < below

    def add(self, draft: Draft) -> None:
        """Count a draft's vector and tokens in."""
        if draft.tier is not Tier.CACHED:
            self._planned += 1
            self.tokens_left -= draft.tokens if draft.vector is None else 0
