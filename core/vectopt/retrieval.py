"""The second flow: query -> indexes of every tier side by side -> fusion -> ledger (hydrate, filter, namespace) -> hits."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from threading import Lock
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .analysis import words
from .embedding.checked import checked_vector
from .filters import Predicate
from .index import Projection
from .index.projection import NamespaceIndex, View
from .ledger import Ledger, Transaction, items, records, temp
from .model import Hit, Tier, Vector
from .settings import Settings
from .strategy import best_weight, fuse, gains, maximal_marginal_relevance

Mode = Literal["hybrid", "dense", "lexical"]

_SLACK = 8  # texts looked up beyond k, for those that another process deleted meanwhile
_SPARE = 2  # the same where more than a few would cost exact cosines
_MAX_FOUND = 10_000  # access counts held in memory at the most; what a crash loses are counts, never items


@dataclass(frozen=True, slots=True)
class Ask:
    """A search, checked. `text` is None for a search by vector, `vector` for a lexical one."""

    text: str | None
    vector: Vector | None
    k: int
    namespace: str
    mode: Mode
    passes: Predicate | None = None
    tiers: frozenset[Tier] | None = None
    collapse_duplicates: bool = True
    lexical_weight: float | None = None  # instead of the namespace's own
    exact: bool = False
    above: float | None = None  # only measured cosines greater than this

    @property
    def selective(self) -> bool:
        """Whether some texts may not be shown, so that more than k must be looked at."""
        return self.passes is not None or self.tiers is not None


@dataclass(frozen=True, slots=True)
class _Ranking:
    """Every text's place. Arrays have one entry a position, shape (n,); `order` -inf is out."""

    order: NDArray[np.float32]
    score: NDArray[np.float32]
    similarity: NDArray[np.float32] | None
    predicted: NDArray[np.bool_]
    borrowed: NDArray[np.bool_]
    lexical: NDArray[np.float32] | None


class Retrieval:
    """Searches every tier at once and joins what it finds with the ledger: what is deleted never comes back."""

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        self._ledger = ledger
        self._settings = settings
        self._projection = Projection()
        self._found: Counter[tuple[int, bytes]] = Counter()
        self._found_lock = Lock()

    @property
    def ram_bytes(self) -> int:
        """Bytes the indexes hold, estimated."""
        return self._projection.nbytes

    def search(self, ask: Ask) -> list[Hit]:
        """Return up to k hits, best first; k of them whenever k exist (in lexical mode: share a word with the query)."""
        with self._ledger.reading() as db:
            return [hit for hit, _ in self._search(db, ask)]

    def _search(self, db: sqlite3.Connection, ask: Ask) -> list[tuple[Hit, int]]:
        with self._projection.lock:
            self._catch_up(db)
            index = self._projection.namespace(ask.namespace)
            if index is None:
                return []
            view = index.view()
            lexical = self._lexical(db, ask, index, view)
        if not view.alive.any():
            return []
        found = self._nearest(db, ask, view)
        if found is None:
            ranking = self._rank(db, ask, view, lexical)
            found = self._collect(db, ask, view, ranking, _best_first(ranking.order, ask.k * 4 if ask.selective else ask.k + _SLACK))
        self._note_found(ask, found)
        return found

    def _nearest(self, db: sqlite3.Connection, ask: Ask, view: View) -> list[tuple[Hit, int]] | None:
        """Answer a plain dense search from the codes; None where only a full ranking can tell."""
        if ask.mode != "dense" or ask.vector is None or ask.selective or ask.exact:
            return None
        checked_vector(ask.vector, self._ledger.dimensions(db), "the query vector")
        nearest = view.nearest(ask.vector, ask.k + _SPARE)
        if nearest is None:
            return None
        positions, cosines = nearest
        order = np.full(len(view.slots), -np.inf, np.float32)
        order[positions] = cosines
        nowhere = np.zeros(len(order), np.bool_)
        found = self._collect(
            db, ask, view, _Ranking(order, ((1 + order) / 2).astype(np.float32), order, nowhere, nowhere, None), iter([positions.tolist()])
        )
        return found if len(found) == ask.k else None

    def _catch_up(self, db: sqlite3.Connection) -> None:
        """Take in what was written since, by whomever."""
        changes = records.changes(db, self._projection.seq)
        if changes is None:
            return
        if changes.reload or self._projection.stale:
            self._projection.clear()
            changes = records.changes(db, 0)
            assert changes is not None
        self._projection.apply(changes.seq, changes.slots, changes.gone)

    @staticmethod
    def _lexical(db: sqlite3.Connection, ask: Ask, index: NamespaceIndex, view: View) -> NDArray[np.float32] | None:
        if ask.text is None or ask.mode == "dense":
            return None
        for slot, text in records.texts(db, ask.namespace, index.worded_to):
            index.add_words(slot, words(text))
        return index.lexical.scan(words(ask.text), len(view.slots))

    def _rank(self, db: sqlite3.Connection, ask: Ask, view: View, lexical: NDArray[np.float32] | None) -> _Ranking:
        nowhere = np.zeros(len(view.slots), np.bool_)
        if ask.vector is None:
            lexical = lexical if lexical is not None else np.zeros(len(view.slots), np.float32)
            top = float(lexical.max(initial=0)) or 1.0
            shown = view.alive & (lexical > 0) if ask.mode == "lexical" else view.alive
            order = np.where(shown, lexical, -np.inf).astype(np.float32)
            return _Ranking(order, lexical / top, None, nowhere, nowhere, lexical)
        checked_vector(ask.vector, self._ledger.dimensions(db), "the query vector")
        dense, borrowed = view.dense(ask.vector)
        if lexical is None:
            return _dense_ranking(view, dense, borrowed)
        weight = self.weight(db, ask.namespace) if ask.lexical_weight is None else ask.lexical_weight
        depth = self._settings.search.depth
        if view.alive.all():
            fused = fuse(lexical, dense, weight, depth)
            return _Ranking(fused.score, fused.score, fused.similarity, fused.predicted | borrowed, borrowed, lexical)
        alive = np.flatnonzero(view.alive)
        fused = fuse(lexical[alive], dense[alive], weight, depth)
        order = np.full(len(view.slots), -np.inf, np.float32)
        order[alive] = fused.score
        dense[alive] = fused.similarity
        guess = borrowed.copy()
        guess[alive] |= fused.predicted
        return _Ranking(order, order, dense, guess, borrowed, lexical)

    def weight(self, db: sqlite3.Connection, namespace: str) -> float:
        """Return the namespace's lexical weight: the default, moved by feedback."""
        default = self._settings.search.lexical_weight
        learned = records.learned(db, namespace, "gains")
        return default if learned is None else best_weight(np.frombuffer(learned, "<f8").tolist(), default)

    @staticmethod
    def _collect(db: sqlite3.Connection, ask: Ask, view: View, ranking: _Ranking, chunks: Iterator[list[int]]) -> list[tuple[Hit, int]]:
        found: list[tuple[Hit, int]] = []
        ceiling = 1.0
        for positions in chunks:
            by_slot = items.members(db, ask.namespace, [int(view.slots[position]) for position in positions])
            for position in positions:
                if ask.above is not None and ranking.order[position] <= ask.above:
                    return found
                slot = int(view.slots[position])
                tier, members = by_slot.get(slot, (Tier.CACHED, []))
                if ask.tiers is not None and tier not in ask.tiers:
                    continue
                passing = [member for member in members if ask.passes is None or ask.passes(member)]
                for member in passing[:1] if ask.collapse_duplicates else passing:
                    ceiling = min(ceiling, float(ranking.score[position]))
                    found.append((_hit(member, tier, ranking, position, ceiling), slot))
                    if len(found) == ask.k:
                        return found
        return found

    def max_marginal_relevance(self, ask: Ask, k: int, lambda_mult: float) -> list[Hit]:
        """Return k of the `ask.k` best hits, chosen so that they don't repeat each other; those without vectors come last."""
        with self._ledger.reading() as db:
            found = self._search(db, ask)
            by_slot = self._units(ask.namespace, [slot for _, slot in found])
        with_vector = [(hit, by_slot[slot]) for hit, slot in found if slot in by_slot]
        rest = [hit for hit, slot in found if slot not in by_slot]
        if not with_vector:
            return rest[:k]
        relevance = np.array([hit.similarity or 0.0 for hit, _ in with_vector], np.float32)
        chosen = maximal_marginal_relevance(relevance, np.stack([unit for _, unit in with_vector]), k, lambda_mult)
        return [*(with_vector[i][0] for i in chosen), *rest][:k]

    def _units(self, namespace: str, slots: Sequence[int]) -> dict[int, Vector]:
        with self._projection.lock:
            index = self._projection.namespace(namespace)
            return {} if index is None else index.units(slots)

    def feedback(self, ask: Ask, useful_ids: Sequence[str]) -> float:
        """Learn the namespace's lexical weight from which items a query should have found; return the weight now in use."""
        with self._ledger.reading() as db:
            slots = {items.slot_of(db, ask.namespace, id) for id in useful_ids} - {None}
            with self._projection.lock:
                self._catch_up(db)
                index = self._projection.namespace(ask.namespace)
                if index is None or not slots or ask.vector is None:
                    return self.weight(db, ask.namespace)
                view = index.view()
                lexical = self._lexical(db, ask, index, view)
                useful = np.zeros(len(view.slots), np.bool_)
                useful[index.positions(slot for slot in slots if slot is not None)] = True
            assert lexical is not None
            alive = view.alive
            checked_vector(ask.vector, self._ledger.dimensions(db), "the query vector")
            dense, _ = view.dense(ask.vector)
        fresh = np.array(gains(lexical[alive], dense[alive], useful[alive], self._settings.search.depth), "<f8")

        def learn(tx: Transaction) -> float:
            old = records.learned(tx.db, ask.namespace, "gains")
            total = fresh if old is None else np.frombuffer(old, "<f8") + fresh
            records.learn(tx, ask.namespace, "gains", total.tobytes())
            return self.weight(tx.db, ask.namespace)

        return self._ledger.write(learn)

    def _note_found(self, ask: Ask, found: Sequence[tuple[Hit, int]]) -> None:
        """Remember who found temp vectors: distinct queries, so that asking again earns nothing."""
        slots = [slot for hit, slot in found if hit.tier is Tier.TEMP]
        if not slots:
            return
        asked = ask.text.encode() if ask.text is not None else np.asarray(ask.vector, "<f4").tobytes()
        digest = blake2b(asked, digest_size=16).digest()
        with self._found_lock:
            if len(self._found) < _MAX_FOUND:
                self._found.update((slot, digest) for slot in slots)

    def flush_found(self) -> None:
        """Write the access counts to the ledger."""
        with self._found_lock:
            found, self._found = self._found, Counter()
        if found:
            self._ledger.write(lambda tx: temp.note_found(tx, [(slot, query, times) for (slot, query), times in found.items()]))


def _dense_ranking(view: View, dense: NDArray[np.float32], borrowed: NDArray[np.bool_]) -> _Ranking:
    """Rank by cosine: measured ones first, then borrowed ones, then the rest at the mean of the measured."""
    unknown = np.isnan(dense)
    guess = borrowed | unknown
    similarity, order = dense, dense
    if guess.any():
        mean = float(dense[~unknown].mean()) if not unknown.all() else 0.0
        similarity = np.where(unknown, np.float32(mean), dense)
        order = np.where(unknown, np.float32(-20.0), np.where(borrowed, dense - 10, dense)).astype(np.float32)
    if not view.alive.all():
        order = np.where(view.alive, order, -np.inf).astype(np.float32)
    return _Ranking(order, ((1 + similarity) / 2).astype(np.float32), similarity, guess, borrowed, None)


def _best_first(order: NDArray[np.float32], first: int) -> Iterator[list[int]]:
    """Yield positions best first, in chunks that double; equal ones in the order of adding; -inf never."""
    total = len(order)
    if first < total:
        top = np.argpartition(-order, first - 1)[:first]
        # All that tie with the last of the first chunk wait for the full sort, so that ties keep their order.
        last = order[top].min()
        chunk = np.sort(top[order[top] > last])
        chunk = chunk[np.argsort(-order[chunk], kind="stable")]
        if len(chunk):
            yield chunk.tolist()
    else:
        chunk = np.empty(0, np.int64)
    start, size = len(chunk), max(first, 1)
    ranked = np.argsort(-order, kind="stable")
    ranked = ranked[order[ranked] > -np.inf]
    while start < len(ranked):
        yield ranked[start : start + size].tolist()
        start += size
        size *= 2


def _hit(member: items.Member, tier: Tier, ranking: _Ranking, position: int, score: float) -> Hit:
    reasons = []
    similarity = None if ranking.similarity is None else float(ranking.similarity[position])
    predicted = bool(ranking.predicted[position])
    if similarity is not None:
        if ranking.borrowed[position]:
            reasons.append(f"cosine {similarity:.3f} of a text equal but for digits")
        elif predicted:
            reasons.append(f"cosine {similarity:.3f} predicted: no vector")
        else:
            reasons.append(f"cosine {similarity:.3f}")
    if ranking.lexical is not None:
        reasons.append(f"BM25 {float(ranking.lexical[position]):.2f}")
    return Hit(member.id, member.content, member.metadata, score, similarity, tier, tuple(reasons), predicted)
