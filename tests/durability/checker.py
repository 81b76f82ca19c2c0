"""What a store must hold, and what is wrong with what it holds."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from vectopt import VectorManager
from vectopt.ledger import records
from vectopt.protocols import Clock

DIMENSIONS = 16
NAMESPACES = ("default", "side")
AUDITED = ("items", "slots", "vectors", "vector_bytes", "sketches", "sketch_bytes", "outside", "dead")

# Each must be empty: what the rows of a whole file never show.
_IMPOSSIBLE = {
    "a slot's members are not its items": "SELECT slot FROM slot WHERE members <> (SELECT count(*) FROM item WHERE item.slot = slot.slot)",
    "a slot without items": "SELECT slot FROM slot WHERE slot NOT IN (SELECT slot FROM item)",
    "an item in another namespace than its slot": "SELECT item FROM item JOIN slot USING (slot) WHERE item.namespace <> slot.namespace",
    "a vector in a tier without vectors": "SELECT slot FROM vector JOIN slot USING (slot) WHERE tier NOT IN ('persistent', 'temp')",
    "a vector tier without a vector": (
        "SELECT slot FROM slot WHERE tier IN ('persistent', 'temp') AND slot NOT IN (SELECT slot FROM vector)"
    ),
    "a queue place out of the queue": "SELECT slot FROM queue JOIN slot USING (slot) WHERE tier <> 'queued'",
    "a queued slot without a place": "SELECT slot FROM slot WHERE tier = 'queued' AND slot NOT IN (SELECT slot FROM queue)",
    "a time to live out of the temp tier": "SELECT slot FROM temp JOIN slot USING (slot) WHERE tier <> 'temp'",
    "a temp slot without a time to live": "SELECT slot FROM slot WHERE tier = 'temp' AND slot NOT IN (SELECT slot FROM temp)",
}


def letters(number: int) -> str:
    """Write a number with letters alone: texts that differ in digits only would be near copies of each other."""
    text = ""
    while True:
        number, rest = divmod(number, 26)
        text = chr(97 + rest) + text
        if not number:
            return f"zq{text}x"


class Later(Clock):
    """The time in two minutes, when every lease of now is over."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time() + 120


@dataclass(frozen=True)
class Version:
    """An item as it was written. `word` is in no other text."""

    content: str
    metadata: dict[str, Any]
    word: str


@dataclass
class Model:
    """What is known of a store from the acknowledged calls alone."""

    live: dict[tuple[str, str], Version] = field(default_factory=dict)
    gone: set[tuple[str, str]] = field(default_factory=set)  # (namespace, id) deleted and not added again
    old_words: set[tuple[str, str]] = field(default_factory=set)  # (namespace, word) of deleted and replaced texts

    def put(self, namespace: str, id: str, version: Version) -> None:
        """Note that an item was written."""
        old = self.live.get((namespace, id))
        if old is not None and old.word != version.word:
            self.old_words.add((namespace, old.word))
        self.live[namespace, id] = version
        self.gone.discard((namespace, id))

    def drop(self, namespace: str, id: str) -> None:
        """Note that an item was deleted."""
        old = self.live.pop((namespace, id), None)
        if old is not None:
            self.gone.add((namespace, id))
            self.old_words.add((namespace, old.word))


def effect(op: dict[str, Any], model: Model) -> dict[tuple[str, str], Version | None]:
    """Return what a call makes of each item it touches; None for a deleted one."""
    namespace = op.get("namespace", "default")
    if op["call"] in ("add", "process"):
        return {(namespace, item["id"]): Version(item["content"], item["metadata"], item["metadata"]["word"]) for item in op["items"]}
    if op["call"] == "delete":
        return {(namespace, id): None for id in op["ids"]}
    if op["call"] == "delete_all":
        return {key: None for key in model.live if key[0] == namespace}
    return {}


def apply(op: dict[str, Any], model: Model) -> None:
    """Take an acknowledged call into the model."""
    for (namespace, id), version in effect(op, model).items():
        if version is None:
            model.drop(namespace, id)
        else:
            model.put(namespace, id, version)


def settle_in_flight(store: VectorManager, op: dict[str, Any], model: Model) -> list[str]:
    """Take the call that was cut short into the model if it happened, and say so if it happened in part."""
    after = effect(op, model)
    happened: set[bool] = set()
    for (namespace, id), version in after.items():
        before = model.live.get((namespace, id))
        if before == version:
            continue
        found = store.get([id], namespace=namespace)
        seen = (found[0].content, found[0].metadata) if found else None
        if seen == _shown(version):
            happened.add(True)
        elif seen == _shown(before):
            happened.add(False)
        else:
            return [f"torn: {namespace}/{id} is {seen}, neither as before nor as after the call that was cut short"]
    if len(happened) == 2:
        return [f"torn: a call of {len(after)} items happened in part: {op['call']}"]
    if True in happened:
        apply(op, model)
    return []


def _shown(version: Version | None) -> tuple[str, dict[str, Any]] | None:
    return None if version is None else (version.content, version.metadata)


def faults(store: VectorManager, model: Model, recent: Iterable[dict[str, Any]] | None, rng: Random) -> list[str]:
    """Return everything that is wrong with a store.

    Args:
        store: the store.
        model: what it must hold.
        recent: search for what these calls wrote and removed, and for a sample; None searches for everything.
        rng: draws the sample.
    """
    return [*_audit(store), *_held(store, model), *_found(store, model, recent, rng)]


def _held(store: VectorManager, model: Model) -> list[str]:
    wrong = []
    for namespace in NAMESPACES:
        wanted = {id: version for (name, id), version in model.live.items() if name == namespace}
        got = {item.id: item for item in store.get(list(wanted), namespace=namespace)}
        for id, version in wanted.items():
            item = got.get(id)
            if item is None:
                wrong.append(f"lost: {namespace}/{id}")
            elif (item.content, item.metadata) != (version.content, version.metadata):
                wrong.append(f"changed: {namespace}/{id} is {item.content!r} {item.metadata}, not {version}")
        gone = store.get([id for name, id in model.gone if name == namespace], namespace=namespace)
        wrong += [f"came back: {namespace}/{item.id}" for item in gone]
        scanned = Counter(item.id for item in store.scan(namespace=namespace))
        wrong += [f"twice: {namespace}/{id}" for id, count in scanned.items() if count > 1]
        wrong += [f"unasked for: {namespace}/{id}" for id in scanned.keys() - wanted.keys()]
    return wrong


def _found(store: VectorManager, model: Model, recent: Iterable[dict[str, Any]] | None, rng: Random) -> list[str]:
    present, absent = list(model.live.items()), list(model.old_words)
    if recent is not None:
        touched = {key for op in recent for key in effect(op, model)}
        present = [pair for pair in present if pair[0] in touched] + rng.sample(present, min(30, len(present)))
        absent = rng.sample(sorted(absent), min(60, len(absent)))
    wrong = []
    for (namespace, id), version in present:
        hits = store.search(version.word, 3, namespace=namespace, mode="lexical")
        if [(hit.id, hit.content, hit.metadata) for hit in hits] != [(id, version.content, version.metadata)]:
            wrong.append(f"not found: {namespace}/{id} by {version.word!r}; found {[hit.id for hit in hits]}")
        other = NAMESPACES[1 - NAMESPACES.index(namespace)]
        if store.search(version.word, 1, namespace=other, mode="lexical"):
            wrong.append(f"leaked: {namespace}/{id} into {other}")
    for namespace, word in absent:
        if hits := store.search(word, 1, namespace=namespace, mode="lexical"):
            wrong.append(f"came back: {namespace}/{hits[0].id} by {word!r}")
    return wrong


def _audit(store: VectorManager) -> list[str]:
    with store._ledger.reading() as db:
        wrong = [f"integrity: {row[0]}" for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
        wrong += [f"foreign key: {row}" for row in db.execute("PRAGMA foreign_key_check")]
        wrong += [f"audit: {what}: {rows[:3]}" for what, query in _IMPOSSIBLE.items() if (rows := db.execute(query).fetchall())]
        return wrong + counter_faults(db)


def counter_faults(db: Any) -> list[str]:
    """Return where the counters of use differ from a recount; zero and absent are equal."""
    counted = records.recount(db)
    kept = {(namespace, name): value for namespace, name, value in db.execute("SELECT namespace, name, value FROM counter")}
    kept = {key: value for key, value in kept.items() if key[1] in AUDITED or key[1].startswith(("items.", "slots."))}
    return [
        f"counter: {namespace}/{name} is {kept.get((namespace, name), 0)}, recounted {counted.get((namespace, name), 0)}"
        for namespace, name in sorted(counted.keys() | kept.keys())
        if counted.get((namespace, name), 0) != kept.get((namespace, name), 0)
    ]


class Planner:
    """Draws the calls that a child is to make. Words are never used twice."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._next = 0

    def plan(self, model: Model, count: int) -> list[dict[str, Any]]:
        """Return `count` calls, as they make sense if every one before has happened."""
        ids = {namespace: [id for name, id in model.live if name == namespace] for namespace in NAMESPACES}
        return [self._one(ids) for _ in range(count)]

    def _one(self, ids: dict[str, list[str]]) -> dict[str, Any]:
        rng = self._rng
        namespace = rng.choices(NAMESPACES, (5, 1))[0]
        known = ids[namespace]
        kind = rng.choices(("add", "batch", "again", "delete", "process", "drain", "delete_all"), (30, 20, 15, 15, 8, 10, 1))[0]
        if kind == "drain":
            return {"call": "drain", "limit": rng.choice((None, 1, 8))}
        if kind == "delete" and known:
            gone = [known.pop(rng.randrange(len(known))) for _ in range(min(len(known), rng.choice((1, 1, 4))))]
            return {"call": "delete", "namespace": namespace, "ids": [*gone, "never there"]}
        if kind == "delete_all" and namespace == "side":
            known.clear()
            return {"call": "delete_all", "namespace": namespace}
        if kind == "again" and known:
            chosen = rng.sample(known, min(len(known), rng.choice((1, 1, 5))))
            return {"call": "add", "namespace": namespace, "items": [self._item(id) for id in chosen], "wait": rng.random() < 0.2}
        size = rng.randint(2, 20) if kind == "batch" else 1
        items = [self._item() for _ in range(size)]
        known.extend(item["id"] for item in items)
        call = "process" if kind == "process" else "add"
        return {"call": call, "namespace": namespace, "items": items, "wait": rng.random() < 0.2}

    def _item(self, id: str | None = None) -> dict[str, Any]:
        rng = self._rng
        self._next += 1
        word = letters(self._next)
        filler = " ".join(rng.choices(("error", "login", "we", "decided", "prefer", "the", "blue", "engine", "überall", "東京"), k=6))
        return {
            "id": id or f"id-{self._next}",
            "content": f"{word} {filler}" + ("\n" + "long text " * 200 if rng.random() < 0.05 else ""),
            "metadata": {"word": word, "n": self._next, "nested": {"list": [1.5, None, True, "ü"]}},
            "vector": [rng.gauss(0, 1) for _ in range(DIMENSIONS)] if rng.random() < 0.3 else None,
            "ttl_seconds": 0.005 if rng.random() < 0.2 else None,
        }
