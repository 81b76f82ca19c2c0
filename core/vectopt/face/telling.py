"""Telling why: of an item, of a text, of the whole store."""

from __future__ import annotations

import sqlite3

from ..errors import NotFound
from ..intake import COUNTER
from ..ledger import archived, items, records
from ..model import Explanation, Stats, StoredItem, Tier, WhyNot
from ..strategy import day_of
from ..validation import checked_ids, checked_query
from .async_twin import off_loop
from .parts import Parts


class Telling(Parts):
    """What the store says of itself."""

    def explain(self, id: str, *, namespace: str | None = None) -> Explanation:
        """Return why an item is where it is; raises NotFound."""
        name, ids = self._own(namespace), checked_ids([id], "id")

        def look(db: sqlite3.Connection) -> tuple[tuple[list[StoredItem], records.History | None], list[archived.Spot]]:
            history = records.history(db, name, id) if ids else None
            return (items.get(db, name, ids, self._clock.now()), history), archived.spots(db, name, ids)

        (stored, history), there = self._archivist.seen(look)
        if there:
            return _explained(there[0][1], id)
        if history is None:
            raise NotFound(f"namespace {name!r} has no item {id!r}")
        item = stored[0]
        return Explanation(
            id=id,
            namespace=name,
            tier=item.tier,
            decision=history.decision,
            patterns=tuple(item.facts["patterns"]),
            history=history.moves,
            facts={**item.facts, **history.facts},
            duplicate_of=None if history.first == id else history.first,
        )

    def why_not(self, text: str, *, namespace: str | None = None) -> WhyNot:
        """Return what the rules would decide of a text now, and what it would meet. Nothing is stored."""
        asked, name = checked_query(text), self._own(namespace)
        self._upkeep.delete_expired()
        return self._intake.why_not(asked, name)

    def stats(self, *, namespace: str | None = None) -> Stats:
        """Return the figures of one namespace, or for None of the whole store."""
        name = None if namespace is None else self._own(namespace)
        now = self._clock.now()
        with self._ledger.reading() as db:
            counts = records.counters(db, name)
            file_bytes = self._ledger.file_bytes(db)
            known = records.namespaces(db)
            space = records.meta(db, "embedder"), records.meta(db, "dimensions")
            full = self._meter.utilisation(db, name, now)
        return Stats(
            **{
                key: counts.get(key, 0)
                for key in (
                    "total_processed",
                    "vectors",
                    "vector_bytes",
                    "sketches",
                    "sketch_bytes",
                    "embeddings_made",
                    "embeddings_avoided",
                    "tokens_avoided",
                )
            },
            **{key: counts.get(key, 0) for key in COUNTER.values()},
            items=counts.get("items", 0) + counts.get(f"items.{Tier.ARCHIVED}", 0),
            items_per_tier={tier.value: counts.get(f"items.{tier}", 0) for tier in Tier},
            vectors_outside=counts.get("outside", 0),
            texts=counts.get("slots", 0),
            file_bytes=file_bytes,
            ram_bytes=self._retrieval.ram_bytes,
            tokens_embedded=counts.get("tokens", 0),
            tokens_today=counts.get(f"tokens@{day_of(now)}", 0),
            dead_letters=counts.get("dead", 0),
            utilisation=full,
            namespaces=known,
            estimated_cost=self._cost(counts.get("tokens", 0)),
            cost_saved=self._cost(counts.get("tokens_avoided", 0)),
            embedder=space[0],
            dimensions=space[1],
        )

    def _cost(self, tokens: int) -> float | None:
        price = self._meter.price
        return None if price is None else tokens * price / 1_000_000

    aexplain = off_loop(explain)
    awhy_not = off_loop(why_not)
    astats = off_loop(stats)


def _explained(record: archived.Record, id: str) -> Explanation:
    """Tell of an archived item what its record tells."""
    item = archived.stored(record, id)
    decision = records.decision_from_json(archived.item_of(record, id)["decision"])
    return Explanation(id, item.namespace, item.tier, decision, tuple(item.facts["patterns"]), archived.moves_of(record), item.facts)
