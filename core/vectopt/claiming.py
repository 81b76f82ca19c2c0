"""Which queued texts are embedded next: in their turn, within a call's limits, where the budget will hold what comes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .ledger import Transaction, queue, vectors
from .meter import Meter
from .model import Priority
from .protocols import Embedder
from .settings import QueueSettings, StrategySettings
from .strategy import admit, day_of

TextOf = Callable[[str, Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Texts claimed for one call of the embedder. `declined` were let go, since the budget holds better ones."""

    claims: tuple[queue.Claim, ...]
    sketched: frozenset[int]  # slots of which the budget will hold the sketch alone
    declined: int
    utilisation: float
    day: int  # whose tokens were charged

    @property
    def texts(self) -> list[str]:
        """The texts to embed."""
        return [claim.text for claim in self.claims]


class Todo:
    """Which slots a run is to embed, and which it has tried: each once a run, so that a run ends.

    Args:
        slots: these, or all that can be claimed.
        due_only: let texts that failed wait for their time.
        limit: how many at the most.
        on_demand: by a query, for which tokens are held back.
    """

    def __init__(
        self, slots: Sequence[int] | None = None, *, due_only: bool = False, limit: int | None = None, on_demand: bool = False
    ) -> None:
        self.slots = None if slots is None else list(slots)
        self.due_only = due_only
        self.on_demand = on_demand
        self._left = limit
        self.tried: set[int] = set()
        self.behind: set[int] = set()  # those of them that may be claimed again, by another run
        self.flying: Counter[str] = Counter()  # vectors to come, by namespace
        self.over = False  # nothing more is to be claimed

    @property
    def done(self) -> bool:
        """Whether there is nothing more to claim."""
        return self.over or self._left == 0 or (self.slots is not None and all(slot in self.tried for slot in self.slots))

    def next_slots(self, count: int) -> list[int] | None:
        """Return the next slots to try, None where any will do."""
        return None if self.slots is None else [slot for slot in self.slots if slot not in self.tried][:count]

    def batch(self, count: int) -> int:
        """Return how many more may be tried, `count` at the most."""
        return count if self._left is None else min(count, self._left)

    def took(self, batch: Batch) -> None:
        """Take note that a batch is tried."""
        self.tried.update(claim.slot for claim in batch.claims)
        if self._left is not None:
            self._left -= min(self._left, len(batch.claims))
        if batch.claims:
            self.flying[batch.claims[0].namespace] += len(batch.claims) - len(batch.sketched)

    def passed_over(self, claims: Iterable[queue.Claim]) -> None:
        """Take note of texts that stay where they are."""
        slots = {claim.slot for claim in claims}
        self.tried |= slots
        self.behind |= slots

    def again(self, claims: Iterable[queue.Claim]) -> None:
        """Let texts be tried once more in this run."""
        slots = {claim.slot for claim in claims}
        self.tried -= slots
        if self._left is not None:
            self._left += len(slots)

    def landed(self, batch: Batch) -> None:
        """Take note that a batch was settled."""
        if batch.claims:
            self.flying[batch.claims[0].namespace] -= len(batch.claims) - len(batch.sketched)


class Claims:
    """Claims batches of queued texts. The budget is asked here, before the embedder is paid."""

    def __init__(
        self,
        meter: Meter,
        limits: QueueSettings,
        strategy: StrategySettings,
        text_of: TextOf | None = None,
    ) -> None:
        self._text_of = text_of
        self._meter = meter
        self._limits = limits
        self._strategy = strategy

    def limits_of(self, embedder: Embedder | None) -> tuple[int, int]:
        """Return how many texts and tokens go into a call at the most."""
        texts, tokens = (getattr(embedder, name, None) or getattr(self._limits, name) for name in ("batch_texts", "batch_tokens"))
        return int(texts), int(tokens)

    def text_of(self, embedder: Embedder | None) -> TextOf | None:
        """Return what says what of an item is embedded besides its text; None where that is the text."""
        return self._text_of or getattr(embedder, "text_of", None)

    def claim(self, tx: Transaction, todo: Todo, embedder: Embedder | None, now: float) -> Batch | None:
        """Claim the next batch; None when there is nothing more to do."""
        texts, tokens = self.limits_of(embedder)
        affordable: list[queue.Claim] = []
        declined = 0
        while not affordable:
            found = self._untried(tx, todo, now, todo.batch(texts), todo.next_slots(texts), self.text_of(embedder))
            if not found:
                return Batch((), frozenset(), declined, 0.0, day_of(now)) if declined else None
            namespace = found[0].namespace
            if found[0].attempts:
                found = found[:1]  # after a failure alone, so that one bad text fails by itself
            else:
                found = [claim for claim in found if claim.namespace == namespace and not claim.attempts]
            left = (self._meter.tokens_left if todo.on_demand else self._meter.tokens_to_write)(tx.db, namespace, now)
            affordable, too_dear = self.affordable(found, left, tokens)
            todo.passed_over(too_dear)
            for claim in too_dear:
                if claim.tokens > self._meter.tokens_a_day(namespace):
                    declined += _decline(tx, claim, "it takes more tokens than the budget has in a whole day; the text stays", now)
        welcome = self._welcome(tx, namespace, affordable, todo)
        others = [claim for claim in affordable if claim.slot not in welcome]
        room = min(len(others), self._meter.sketch_room(tx.db, namespace))
        sketched = frozenset(claim.slot for claim in others[: int(room)])
        for claim in others:
            if claim.slot not in sketched:
                declined += _decline(tx, claim, "the budget is full of vectors worth more; the text stays", now)
        claims = tuple(claim for claim in affordable if claim.slot in welcome or claim.slot in sketched)
        queue.lease(tx, claims, now + self._limits.lease_seconds)
        queue.charge(tx, claims, day_of(now))
        return Batch(claims, sketched, declined, self._meter.utilisation(tx.db, namespace, now), day_of(now))

    @staticmethod
    def _untried(tx: Transaction, todo: Todo, now: float, count: int, slots: list[int] | None, text_of: TextOf | None) -> list[queue.Claim]:
        """Return the next texts that this run has not tried. Those that failed may stand first in the queue again: look behind them."""
        found: list[queue.Claim] = []
        for more in (len(todo.behind), len(todo.tried)):  # the second look, where others queued again what was tried, is rarely needed
            given = queue.candidates(tx, now, count + more, slots=slots, due_only=todo.due_only, text_of=text_of)
            found = [claim for claim in given if claim.slot not in todo.tried][:count]
            if found or not given:
                break
        return found

    @staticmethod
    def affordable(found: Sequence[queue.Claim], left_today: float, batch_tokens: int) -> tuple[list[queue.Claim], list[queue.Claim]]:
        """Return the first claims that fit into one call, and those passed over since today's tokens don't suffice.

        A text too long for a call goes alone.
        """
        taken: list[queue.Claim] = []
        too_dear: list[queue.Claim] = []
        tokens = 0
        for claim in found:
            if tokens + claim.tokens > left_today:
                too_dear.append(claim)
            elif taken and tokens + claim.tokens > batch_tokens:
                break
            else:
                taken.append(claim)
                tokens += claim.tokens
        return taken, too_dear

    def _welcome(self, tx: Transaction, namespace: str, claims: Sequence[queue.Claim], todo: Todo) -> set[int]:
        """Return the slots whose vectors the budget will hold. The last of its room is not for the least pressing."""
        full = self._meter.fullest_of_vectors(tx.db, namespace) >= self._strategy.room_utilisation
        full = full and self._meter.sketch_room(tx.db, namespace) > 0
        welcome = {claim.slot for claim in claims if not (full and claim.rank == Priority.LOW.rank and not claim.attempts)}
        worths = [claim.worth for claim in claims]
        for scope, room in self._meter.vector_room(tx.db, namespace):
            # Vectors that are on their way have their places, and will displace the lowest where there are too few.
            coming = todo.flying.total() if scope is None else todo.flying[scope]
            short = max(0, coming - max(0, room))
            lowest = [worth for _, _, worth in vectors.lowest(tx.db, scope, len(claims) + short)][short:]
            verdicts = admit(worths, max(0, room - coming), lowest)
            welcome &= {claim.slot for claim, verdict in zip(claims, verdicts, strict=True) if verdict}
        bytes_for = max(0, self._meter.byte_room(tx.db) - todo.flying.total())
        if bytes_for < len(welcome):
            best = sorted((claim for claim in claims if claim.slot in welcome), key=lambda claim: -claim.worth)
            welcome = {claim.slot for claim in best[: int(bytes_for)]}
        return welcome


def _decline(tx: Transaction, claim: queue.Claim, reason: str, now: float) -> bool:
    queue.lease(tx, [claim], now)
    return queue.decline(tx, claim, reason, now)
