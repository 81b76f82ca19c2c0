"""Embedding on demand: while tokens are short, what a query asks for is embedded before it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from .errors import EmbedderMismatch
from .ledger import Ledger, Transaction, queue
from .meter import Meter
from .protocols import Clock
from .retrieval import Ask, Retrieval
from .settings import Settings
from .vectorizer import Vectorizer

_LOOKED_AT = 3  # times as many texts as may be embedded are looked at


class Demand:
    """Has the best of a query's texts without a vector embedded, each once: what they leave answers later queries too."""

    def __init__(
        self, ledger: Ledger, retrieval: Retrieval, vectorizer: Vectorizer, meter: Meter, clock: Clock, settings: Settings
    ) -> None:
        self._ledger = ledger
        self._retrieval = retrieval
        self._vectorizer = vectorizer
        self._meter = meter
        self._clock = clock
        self._settings = settings

    def meet(self, asks: Sequence[Ask]) -> None:
        """Embed what these searches ask for, where the settings want it; a failing embedder leaves all as it was."""
        slots = self._wanted(asks)
        if slots:
            self._vectorizer.run(slots, on_demand=True)

    async def ameet(self, asks: Sequence[Ask]) -> None:
        """Do the same without blocking the event loop."""
        if self._settings.demand.texts and (slots := await asyncio.to_thread(self._wanted, asks)):
            await self._vectorizer.arun(slots, on_demand=True)

    def _wanted(self, asks: Sequence[Ask]) -> list[int]:
        """Return the slots to embed now, queued where they were not."""
        most = self._settings.demand.texts
        asks = [ask for ask in asks if most and ask.mode == "hybrid" and ask.text is not None and ask.vector is not None]
        asks = [ask for ask in asks if self._meter.tokens_a_day(ask.namespace) != float("inf")]
        if not asks or self._vectorizer.embedder is None:
            return []
        chosen: dict[int, str] = {}
        try:
            bare = self._retrieval.unembedded(asks, most, most * _LOOKED_AT)
        except EmbedderMismatch:  # another embedder took over: the search itself will see to it
            return []
        for ask, slots in zip(asks, bare, strict=True):
            chosen.update(dict.fromkeys(slots, ask.namespace))
        return self._ledger.write(lambda tx: self._take(tx, chosen, len(asks))) if chosen else []

    def _take(self, tx: Transaction, chosen: dict[int, str], asks: int) -> list[int]:
        """Return those that today's tokens still pay for, of each namespace no more than its share of what is left."""
        now = self._clock.now()
        taken: list[int] = []
        for namespace in dict.fromkeys(chosen.values()):
            left = self._meter.tokens_left(tx.db, namespace, now)
            spent, allowed = 0, self._settings.demand.left_share * left * asks
            for slot, tokens in queue.askable(tx.db, [slot for slot, owner in chosen.items() if owner == namespace], now):
                if (spent and spent + tokens > allowed) or spent + tokens > left:
                    break
                spent += tokens
                queue.requeue(tx, slot, namespace, self._settings.temp.ttl_seconds, now, "a query asked for it")
                taken.append(slot)
        return taken
