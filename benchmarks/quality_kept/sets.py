"""Sets of real items and questions with judgements, read from a folder that is given."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_OWN = ("id", "store", "text")  # what is not metadata


@dataclass(frozen=True)
class Entry:
    """An item or a query. `fields` are its other fields."""

    id: str
    store: str
    text: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class RealSet:
    """Items in the order in which they came, queries, and which items answer which query.

    Args:
        name: of its folder.
        items: all of them, of all stores.
        queries: those that have an answer among the items.
        grades: item id -> grade above 0, by query id.
        vectors: unit rows, one an item.
        query_vectors: unit rows, one a query.
        tokens: what an embedder counts, one figure an item.
    """

    name: str
    items: list[Entry]
    queries: list[Entry]
    grades: dict[str, dict[str, float]]
    vectors: Floats
    query_vectors: Floats
    tokens: NDArray[np.int64]

    @property
    def dimensions(self) -> int:
        """How many dimensions a vector has."""
        return int(self.vectors.shape[1])


def names(folder: Path) -> list[str]:
    """Return the names of the sets in a folder."""
    return sorted(path.parent.name for path in folder.glob("*/items.jsonl.gz"))


def load(path: Path) -> RealSet:
    """Read a set; its README says where it is from."""
    items, queries = _entries(path / "items.jsonl.gz"), _entries(path / "queries.jsonl.gz")
    grades: dict[str, dict[str, float]] = defaultdict(dict)
    stores = {item.id: item.store for item in items}
    asked = {query.id: query.store for query in queries}
    with gzip.open(path / "qrels.tsv.gz", "rt", encoding="utf-8", newline="\n") as lines:
        for line in lines:
            query, item, grade = line.rstrip("\n").split("\t")
            if float(grade) > 0 and item in stores and stores[item] == asked.get(query):
                grades[query][item] = float(grade)
    judged = [place for place, query in enumerate(queries) if query.id in grades]
    return RealSet(
        path.name,
        items,
        [queries[place] for place in judged],
        dict(grades),
        np.load(path / "emb_items.npy").astype(np.float32),
        np.load(path / "emb_queries.npy").astype(np.float32)[judged],
        np.load(path / "tokens.npy").astype(np.int64),
    )


def _entries(path: Path) -> list[Entry]:
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        records = [json.loads(line) for line in lines]
    return [
        Entry(record["id"], record["store"], record["text"], {key: value for key, value in record.items() if key not in _OWN})
        for record in records
    ]
