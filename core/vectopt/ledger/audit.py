"""Whether the file agrees with itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from ..model import Tier
from . import records

# What no row may be like: (what it is called, how such rows are found).
_NEVER = {
    "a text without items": "SELECT slot FROM slot WHERE members = 0",
    "a text that counts its items wrongly": (
        "SELECT slot FROM slot WHERE members <> (SELECT count(*) FROM item WHERE item.slot = slot.slot)"
    ),
    "a tier with vectors, without one": (
        "SELECT slot FROM slot WHERE tier IN ('persistent', 'temp') AND slot NOT IN (SELECT slot FROM vector)"
    ),
    "a vector in a tier without": "SELECT slot FROM vector JOIN slot USING (slot) WHERE tier NOT IN ('persistent', 'temp')",
    "a text that waits, without a place in the queue": (
        "SELECT slot FROM slot WHERE tier = 'queued' AND slot NOT IN (SELECT slot FROM queue)"
    ),
    "a place in the queue of a text that doesn't wait": "SELECT slot FROM queue JOIN slot USING (slot) WHERE tier <> 'queued'",
    "a temp vector without a time to live": "SELECT slot FROM slot WHERE tier = 'temp' AND slot NOT IN (SELECT slot FROM temp)",
    "a vector and a sketch of one text": "SELECT vector.slot FROM vector JOIN sketch USING (slot) WHERE length(vector.data) > 0",
    "a vector that is nowhere": (
        "SELECT slot FROM vector WHERE length(data) = 0"
        " AND slot NOT IN (SELECT slot FROM outside WHERE state = 'there' AND slot IS NOT NULL)"
    ),
    "a copy outside of no text": "SELECT copy FROM outside WHERE slot IS NOT NULL AND slot NOT IN (SELECT slot FROM vector)",
    "an item that is archived and is not": "SELECT item FROM item JOIN archived USING (namespace, id)",
    "an archived item in an object that is none": (
        "SELECT id FROM archived LEFT JOIN segment USING (segment) WHERE state IS NULL OR state <> 'sealed'"
    ),
    "an object that counts its items wrongly": (
        "SELECT segment FROM segment WHERE live <> (SELECT count(*) FROM archived WHERE archived.segment = segment.segment)"
    ),
}


def faults(db: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Yield (what, detail) of all that is wrong with the file, and with its rows."""
    for (line,) in db.execute("PRAGMA quick_check(20)"):
        if line != "ok":
            yield "file", str(line)
    broken = db.execute("PRAGMA foreign_key_check").fetchall()
    if broken:
        yield "rows", f"{len(broken)} rows belong to rows that are gone, such as in {broken[0][0]}"
    for what, query in _NEVER.items():
        found = db.execute(query).fetchall()
        if found:
            yield "rows", f"{what}: {len(found)} times, such as {found[0][0]}"


def counters(db: sqlite3.Connection) -> list[str]:
    """Return which counters of use differ from a recount, and by how much."""
    totals = records.recount(db)
    rows = db.execute("SELECT namespace, name, value FROM counter").fetchall()
    held = {(namespace, name): value for namespace, name, value in rows if records.is_of_use(name)}
    wrong = sorted(key for key in held.keys() | totals.keys() if held.get(key, 0) != totals.get(key, 0))
    return [f"{name} of {where!r} says {held.get((where, name), 0)}, and is {totals.get((where, name), 0)}" for where, name in wrong]


def slots(db: sqlite3.Connection) -> dict[str, set[int]]:
    """Return the texts of each namespace that can be searched."""
    found: dict[str, set[int]] = {}
    for namespace, slot in db.execute("SELECT namespace, slot FROM slot WHERE tier <> ?", (Tier.ARCHIVED,)):
        found.setdefault(namespace, set()).add(slot)
    return found
