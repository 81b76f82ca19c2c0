"""Real texts and embeddings, from a folder that is given; nothing of it is kept."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vectopt.embedding.local import LocalEmbedder

from .corpus import Corpus, Floats, unit
from .synthetic import QUERIES

_SUFFIXES = (".jsonl", ".jsonl.gz", ".json")
_FIELDS = ("text", "content")
_HELD_OUT = 20  # one text in so many is a query, where the folder brings no queries

Found = dict[str, Floats | None]  # distinct texts; the embedding that lies beside the file, where there is one


def corpora(folder: Path) -> Iterator[Corpus]:
    """Yield the folder's texts as the local embedder sees them, and once more with the embeddings that lie beside them.

    Files are .jsonl, .jsonl.gz or .json, at any depth: texts, or objects with a `text` or `content`. Those whose name begins
    with "queries" hold queries. `emb_NAME.npy` beside NAME.jsonl has a row a line.
    """
    paths = sorted(path for path in folder.rglob("*") if path.name.endswith(_SUFFIXES))
    items = _found(path for path in paths if not path.name.startswith("queries"))
    queries = {
        text: given for text, given in _found(path for path in paths if path.name.startswith("queries")).items() if text not in items
    }
    if not queries:
        queries = {text: items.pop(text) for text in list(items)[::_HELD_OUT]}
    embedder = LocalEmbedder()
    embedded = [dict(zip(texts, embedder.embed(list(texts), "document"), strict=True)) for texts in (items, queries)]
    for kind, found, asked in (("real texts", *embedded), ("real embeddings", items, queries)):
        corpus = _corpus(kind, _usable(found), _usable(asked))
        if corpus is not None:
            yield corpus


def _found(paths: Iterable[Path]) -> Found:
    result: Found = {}
    for path in paths:
        records = _records(path)
        beside = path.with_name(f"emb_{path.name.partition('.')[0]}.npy")
        vectors = np.load(beside).astype(np.float32) if beside.exists() else None
        if vectors is not None and len(vectors) != len(records):
            vectors = None
        for place, record in enumerate(records):
            text = _text(record)
            if text and text not in result:
                result[text] = None if vectors is None else vectors[place]
    return result


def _records(path: Path) -> list[Any]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if path.suffix == ".json":
        given = json.loads(content)
        return given if isinstance(given, list) else []
    return [json.loads(line) for line in content.decode().split("\n") if line.strip()]


def _text(record: Any) -> str:
    if isinstance(record, dict):
        record = next((record[field] for field in _FIELDS if isinstance(record.get(field), str)), "")
    return record.strip() if isinstance(record, str) else ""


def _usable(found: Found) -> dict[str, Floats]:
    """Return what has a vector that points somewhere; a blank text's is all zeros."""
    return {text: vector for text, vector in found.items() if vector is not None and vector.any()}


def _corpus(kind: str, items: dict[str, Floats], queries: dict[str, Floats]) -> Corpus | None:
    if not items or not queries:
        return None
    asked = list(queries)[:: max(1, len(queries) // QUERIES)][:QUERIES]
    return Corpus(kind, unit(np.stack(list(items.values()))), list(items), unit(np.stack([queries[text] for text in asked])), asked)
