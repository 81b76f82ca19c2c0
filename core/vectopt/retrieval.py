"""The second flow: query -> indexes of every tier side by side -> fusion -> ledger (hydrate, filter, namespace) -> hits."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from .analysis import Features, Importance, read
from .echoes import Echoes
from .elsewhere import Elsewhere, Wanted
from .embedding.checked import checked_vector
from .errors import EmbedderMismatch, StoreError
from .filters import Compiled
from .findings import Findings
from .following import Follower, Look, Sight
from .index import View
from .ledger import Ledger, Transaction, items, outside, records
from .model import Event, Hit, Tier, Vector
from .protocols import Clock
from .quantization import Query
from .ranking import Ranking, by_both, by_cosine, by_words
from .settings import Settings
from .strategy import Weighing, maximal_marginal_relevance
from .turns import Turns
from .weighings import Weighings

Mode = Literal["hybrid", "dense", "lexical"]

_TOGETHER = 8  # searches that share a scan
_JOINED = 100  # texts looked up at a time
_WORTH_SAYING = 0.005  # of a reason with two decimals
_PASSED_OVER = 4  # times as many texts are ranked at first, where a function says which count


@dataclass(frozen=True, slots=True)
class Ask:
    """A search, checked. `text` is None for a search by vector, `vector` for a lexical one."""

    text: str | None
    vector: Vector | None
    k: int
    namespace: str
    mode: Mode
    passes: Compiled | None = None
    tiers: frozenset[Tier] | None = None
    collapse_duplicates: bool = True
    lexical_weight: float | None = None  # instead of the namespace's own
    exact: bool = False
    above: float | None = None  # only measured cosines greater than this
    ids: frozenset[str] | None = None  # look among these items only
    space: str | None = None  # the embedder that made the vector; None for a caller's own


class Retrieval:
    """Searches every tier at once and joins what it finds with the ledger: what is deleted never comes back."""

    def __init__(
        self,
        ledger: Ledger,
        settings: Settings,
        turns: Turns,
        echoes: Echoes,
        clock: Clock,
        tell: Callable[[Event], None],
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._elsewhere = elsewhere
        self._tell = tell
        self._clock = clock
        self._echoes = echoes
        self._ledger = ledger
        self._settings = settings
        self._weighings = Weighings(ledger, settings.search)
        self._follower = Follower(ledger, sidecar=settings.storage.sidecar)
        self._findings = Findings(ledger, clock)
        self._turns = turns

    @property
    def ram_bytes(self) -> int:
        """Bytes the indexes hold, estimated."""
        return self._follower.nbytes

    def indexed(self, db: sqlite3.Connection) -> dict[str, set[int]]:
        """Return the texts of each namespace that the indexes hold, as of a reading transaction that has not read anything yet."""
        return self._follower.indexed(db)

    def forget_index(self) -> None:
        """Make the indexes anew from the ledger at the next search."""
        self._follower.forget()

    def save_index(self) -> None:
        """Keep the indexes in the sidecar, where that pays; a failure is told, and hurts nothing."""
        try:
            if self._follower.save():
                self._tell(Event("index_saved", {"bytes": self._follower.nbytes}))
        except (OSError, StoreError) as error:
            self._tell(Event("index_not_saved", {"error": f"{type(error).__name__}: {error}"}))

    def search(self, ask: Ask) -> list[Hit]:
        """Return up to k hits, best first; k of them whenever k exist (in lexical mode: share a word with the query)."""
        return self.search_many([ask])[0]

    def search_many(self, asks: Sequence[Ask]) -> list[list[Hit]]:
        """Answer several searches from one moment's state."""
        results: list[list[Hit]] = []
        elsewhere = self._from_elsewhere(asks)
        with self._ledger.reading() as db, self._turns:
            sights = self._sights(db, asks, elsewhere)
            for start in range(0, len(asks), _TOGETHER):
                some = slice(start, start + _TOGETHER)
                part = [(ask, sight, self._query(db, ask)) for ask, sight in zip(asks[some], sights[some], strict=True)]
                _scan_together(part)
                results += [[hit for hit, _ in self._search(db, *one)] for one in part]
        for ask, hits in zip(asks, results, strict=True):
            self._note_returned(ask, hits)
        return results

    def passing(self, db: sqlite3.Connection, namespace: str, passes: Compiled) -> list[str] | None:
        """Return the ids of the items that pass, in the order of adding; None where the filter is a function, or lets most through.

        Must be what a reading transaction begins with.
        """
        if passes.node is None:
            return None
        with self._turns:
            sight = self._follower.sights(db, [Look(namespace, None, passes.node)])[0]
            if sight is None or sight.allowed is None:
                return None
            positions = np.flatnonzero(sight.allowed & sight.view.alive)
            if len(positions) * 2 > len(sight.view):
                return None
            slots = items.members(db, namespace, sight.view.slots[positions].tolist(), self._clock.now())
        found = [member for _, members in slots.values() for member in members if passes(member)]
        return [member.id for member in sorted(found, key=lambda member: member.item)]

    def _query(self, db: sqlite3.Connection, ask: Ask) -> Query | None:
        if ask.vector is None:
            return None
        dimensions = self._ledger.dimensions(db)
        if ask.space is not None and not _same_space(db, ask.space, len(ask.vector), dimensions):
            raise EmbedderMismatch("the store's vectors are another embedder's by now; open it anew with that one")
        return Query(checked_vector(ask.vector, dimensions, "the query vector"))

    def _sights(
        self, db: sqlite3.Connection, asks: Sequence[Ask], elsewhere: Sequence[Mapping[int, Vector]] | None = None
    ) -> list[Sight | None]:
        looks = [
            Look(ask.namespace, None if ask.mode == "dense" else ask.text, None if ask.passes is None else ask.passes.node) for ask in asks
        ]
        sights = self._follower.sights(db, looks)
        if self._elsewhere is None or elsewhere is None:
            return sights
        return [self._elsewhere.put(db, *pair) for pair in zip(sights, elsewhere, strict=True)]

    def _from_elsewhere(self, asks: Sequence[Ask]) -> list[Mapping[int, Vector]] | None:
        """Return, of each search, the vectors by copy that only the store outside has; asked for while no transaction is open."""
        if self._elsewhere is None or not self._elsewhere.open:
            return None
        with self._ledger.reading() as db, self._turns:
            sights = self._sights(db, asks)
            wanted = [self._wanted_elsewhere(db, *pair) for pair in zip(asks, sights, strict=True)]
        return self._elsewhere.found(wanted) if any(wanted) else None

    def _wanted_elsewhere(self, db: sqlite3.Connection, ask: Ask, sight: Sight | None) -> Wanted | None:
        query = self._query(db, ask) if ask.mode != "lexical" else None
        if self._elsewhere is None or sight is None or query is None or ask.vector is None or not outside.held(db, ask.namespace):
            return None
        deep = replace(ask, k=self._elsewhere.depth(ask.k))
        plain = ask.passes is None or ask.passes.node is not None
        ranking = self._ranking(db, ask, sight, query, deep.k if plain else _PASSED_OVER * deep.k)
        if plain:
            slots = sight.view.slots[ranking.positions].tolist()
        else:  # only the items themselves tell which of them count
            slots = [slot for _, slot in self._collect(db, deep, sight.view, ranking, self._clock.now())]
        return self._elsewhere.wanted(db, ask.namespace, ask.k, ask.vector, sight.view, slots)

    def _search(self, db: sqlite3.Connection, ask: Ask, sight: Sight | None, query: Query | None) -> list[tuple[Hit, int]]:
        if sight is None:
            return []
        count = ask.k if ask.passes is None or ask.passes.node is not None else _PASSED_OVER * ask.k
        while True:
            ranking = self._ranking(db, ask, sight, query, count)
            found = self._collect(db, ask, sight.view, ranking, self._clock.now())
            if len(found) == ask.k or ranking.complete or (ask.above is not None and len(ranking.positions) > len(found)):
                if ranking.contrast is not None:
                    self._weighings.contrasts.saw(db, ask.namespace, ranking.contrast)
                self._note_found(ask, found)
                return found
            count *= 8

    def _ranking(self, db: sqlite3.Connection, ask: Ask, sight: Sight, query: Query | None, count: int) -> Ranking:
        view, allowed = sight.view, sight.allowed
        if ask.tiers is not None:
            allowed = view.in_tiers(ask.tiers) if allowed is None else allowed & view.in_tiers(ask.tiers)
        if ask.ids is not None:
            theirs = np.isin(view.slots, items.slots_of(db, ask.namespace, sorted(ask.ids)))
            allowed = theirs if allowed is None else allowed & theirs
        if allowed is not None:
            allowed = allowed & view.alive
        if ask.mode == "dense" and query is not None:
            return by_cosine(view, query, count, allowed, exact=ask.exact)
        lexical = view.lexical.scores(sight.terms, None if view.whole else view.alive, len(view))
        if query is None or ask.mode == "lexical":
            return by_words(view, lexical, count, allowed, others=ask.mode != "lexical")
        weighing = self._weighings.of(db, ask.namespace) if ask.lexical_weight is None else Weighing(ask.lexical_weight)
        return by_both(view, query, lexical, count, allowed, weighing, self._settings.search.depth, exact=ask.exact)

    @staticmethod
    def _collect(db: sqlite3.Connection, ask: Ask, view: View, ranking: Ranking, now: float) -> list[tuple[Hit, int]]:
        """Join a ranking with the ledger: the texts' items that pass, up to k of them."""
        found: list[tuple[Hit, int]] = []
        slots = view.slots[ranking.positions].tolist()
        for start in range(0, len(slots), max(ask.k, _JOINED)):
            part = slots[start : start + max(ask.k, _JOINED)]
            by_slot = items.members(db, ask.namespace, part, now)
            for place, slot in enumerate(part, start):
                if ask.above is not None and (ranking.similarity is None or ranking.similarity[place] <= ask.above):
                    return found
                tier, members = by_slot.get(slot, (Tier.CACHED, []))
                passing = [
                    member for member in members if (ask.ids is None or member.id in ask.ids) and (ask.passes is None or ask.passes(member))
                ]
                for member in passing[:1] if ask.collapse_duplicates else passing:
                    found.append((_hit(member, tier, ranking, place, len(members)), slot))
                    if len(found) == ask.k:
                        return found
        return found

    def unembedded(self, asks: Sequence[Ask], most: int, among: int) -> list[list[int]]:
        """Return of each search, out of its `among` best, the first `most` slots whose cosine nothing but words tells."""
        with self._ledger.reading() as db, self._turns:
            found: list[list[int]] = []
            for ask, sight in zip(asks, self._sights(db, asks), strict=True):
                query = None if sight is None else self._query(db, ask)
                if sight is None or query is None:
                    found.append([])
                    continue
                ranking = self._ranking(db, ask, sight, query, among)
                bare = ranking.predicted & ~ranking.borrowed & ~ranking.sketched
                found.append(sight.view.slots[ranking.positions[bare][:most]].tolist())
            return found

    def max_marginal_relevance(self, ask: Ask, k: int, lambda_mult: float) -> list[Hit]:
        """Return k of the `ask.k` best hits, chosen so that they don't repeat each other; those without vectors come last."""
        elsewhere = self._from_elsewhere([ask])
        with self._ledger.reading() as db, self._turns:
            sight = self._sights(db, [ask], elsewhere)[0]
            found = self._search(db, ask, sight, self._query(db, ask))
        if not found or sight is None:
            return []
        places, vectors = sight.view.vectors([slot for _, slot in found])
        known = set(places)
        rest = [hit for place, (hit, _) in enumerate(found) if place not in known]
        relevance = np.array([found[place][0].similarity or 0.0 for place in places], np.float32)
        chosen = maximal_marginal_relevance(relevance, vectors, k, lambda_mult) if places else []
        hits = [*(found[places[i]][0] for i in chosen), *rest][:k]
        self._note_returned(ask, hits)
        return hits

    def feedback(self, ask: Ask, useful_ids: Sequence[str]) -> float:
        """Learn from which items a query should have found; return the namespace's lexical weight now in use.

        Learned are that weight, how length counts, and what texts are important: those called useful, rather than the others
        a search shows.
        """
        with self._ledger.reading() as db, self._turns:
            sight = self._sights(db, [ask])[0]
            slots = {slot for id in useful_ids if (slot := items.slot_of(db, ask.namespace, id)) is not None}
            query = self._query(db, ask)
            weighing = self._weighings.of(db, ask.namespace)
            if sight is None or not slots or query is None:
                return weighing.lexical
            # Importance learns from what is shown whatever its length, or it would learn nothing more of length.
            lessons = self._lessons(db, replace(ask, lexical_weight=weighing.lexical), sight, query, slots)
            space = records.space(db)
        fresh = self._weighings.gains(sight, query, slots, weighing)

        def learn(tx: Transaction) -> Weighing:
            importance = Importance.from_bytes(records.learned(tx.db, ask.namespace, "importance") or b"")
            for features, was_useful in lessons:
                importance.learn(features, was_useful)
            records.learn(tx, ask.namespace, "importance", importance.to_bytes())
            return self._weighings.learn(tx, ask.namespace, fresh, space)

        learned = self._ledger.write(learn)
        facts = {"namespace": ask.namespace, "useful": len(slots), "lexical_weight": learned.lexical, "length_slope": learned.length}
        self._tell(Event("feedback_learned", facts))
        return learned.lexical

    def _lessons(self, db: sqlite3.Connection, ask: Ask, sight: Sight, query: Query, useful: set[int]) -> list[tuple[Features, bool]]:
        """Return the texts called useful, and those that a search shows besides, as importance learns from them."""
        ranking = self._ranking(db, ask, sight, query, ask.k)
        shown = {slot for _, slot in self._collect(db, ask, sight.view, ranking, self._clock.now())}
        return [
            (read(text).features(novelty), slot in useful)
            for slot, text, novelty in records.judged(db, ask.namespace, sorted(useful | shown))
        ]

    def _note_returned(self, ask: Ask, hits: Sequence[Hit]) -> None:
        """Remember what is handed out, so that it is known when it comes back."""
        self._echoes.returned(ask.namespace, ((hit.id, hit.content) for hit in hits))

    def _note_found(self, ask: Ask, found: Sequence[tuple[Hit, int]]) -> None:
        """Remember who found what."""
        if found:
            query = ask.text.encode() if ask.text is not None else np.asarray(ask.vector, "<f4").tobytes()
            temp = [slot for hit, slot in found if hit.tier is Tier.TEMP]
            self._findings.note(query, temp, [slot for hit, slot in found if hit.tier is not Tier.TEMP])

    def save_found(self, *, all: bool = False) -> None:
        """Write to the ledger what searches told since, where it is worth a transaction, or all of it."""
        self._weighings.contrasts.save(all=all)
        self._findings.save()


def _same_space(db: sqlite3.Connection, name: str, size: int, dimensions: int | None) -> bool:
    """Tell whether an embedder's vectors are the store's, as far as both are known."""
    return records.meta(db, "embedder") in (None, name) and dimensions in (None, size)


def _scan_together(searches: Sequence[tuple[Ask, Sight | None, Query | None]]) -> None:
    """Let searches of one namespace that nothing narrows share their scan."""
    by_view: dict[int, tuple[View, list[Query]]] = {}
    for ask, sight, query in searches:
        whole = ask.passes is None and ask.tiers is None and ask.ids is None
        if sight is not None and query is not None and not ask.exact and whole:
            by_view.setdefault(id(sight.view), (sight.view, []))[1].append(query)
    for view, several in by_view.values():
        if len(several) > 1:
            view.scan_together(several)


def _hit(member: items.Member, tier: Tier, ranking: Ranking, place: int, members: int) -> Hit:
    reasons = []
    similarity = None if ranking.similarity is None else float(ranking.similarity[place])
    predicted = bool(ranking.predicted[place])
    if similarity is not None:
        if ranking.borrowed[place]:
            how = " of a text equal but for digits"
        elif ranking.sketched[place]:
            how = " by its sketch"
        else:
            how = " predicted: no vector" if predicted else ""
        reasons.append(f"cosine {similarity:.3f}{how}")
    if ranking.lexical is not None:
        reasons.append(f"BM25 {float(ranking.lexical[place]):.2f}")
    if ranking.besides is not None and abs(besides := float(ranking.besides[place])) >= _WORTH_SAYING:
        reasons.append(f"length {besides:+.2f}")
    if members > 1:
        reasons.append(f"one of {members} that say the same")
    return Hit(member.id, member.content, member.metadata, float(ranking.score[place]), similarity, tier, tuple(reasons), predicted)
