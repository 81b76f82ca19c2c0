"""A Pinecone index on loopback: its wire, its limits, its late reads, and the faults that a test commands."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

MOST_BYTES, MOST_VECTORS, MOST_METADATA, MOST_IDS, PAGE = 2 * 2**20, 1000, 40_960, 1000, 100


class Refused(Exception):
    """A request that the index answers with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Faults:
    """How often, 0..1, a request goes wrong: 429, 503, cut before or after it was done, an upsert done in part."""

    busy: float = 0.0
    down: float = 0.0
    cut: float = 0.0
    partial: float = 0.0


@dataclass
class Write:
    """What a record became, and when that is seen."""

    number: int
    seen_at: float
    record: dict[str, Any] | None


@dataclass
class Index:
    """The index behind the wire.

    A write is seen after a delay of its own, so that others may be seen before earlier ones; and every read may look at a replica
    that lags. `now` tells the time that delays are measured in.
    """

    dimension: int
    now: Callable[[], float]
    delay: float = 0.0
    faults: Faults = field(default_factory=Faults)
    rng: Random = field(default_factory=lambda: Random(1))
    writes: dict[str, dict[str, list[Write]]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    numbers: Iterator[int] = field(default_factory=count)

    def write(self, namespace: str, id: str, record: dict[str, Any] | None) -> None:
        seen_at = self.now() + self.rng.uniform(0, self.delay / 2)
        self.writes.setdefault(namespace, {}).setdefault(id, []).append(Write(next(self.numbers), seen_at, record))

    def read(self, namespace: str, *, latest: bool = False) -> dict[str, dict[str, Any]]:
        """Return what a read sees of a namespace; with `latest`, what is true."""
        at = float("inf") if latest else self.now() - self.rng.uniform(0, self.delay / 2)
        found = {}
        for id, writes in self.writes.get(namespace, {}).items():
            seen = [write for write in writes if write.seen_at <= at]
            last = max(seen, key=lambda write: write.number, default=None)
            if last is not None and last.record is not None:
                found[id] = last.record
        return found

    def true_ids(self) -> dict[str, set[str]]:
        """Return the ids that are there once all is seen, by namespace."""
        with self.lock:
            return {namespace: set(self.read(namespace, latest=True)) for namespace in self.writes}


def _id(value: Any) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 512 or not value.isascii() or "\0" in value:
        raise Refused(400, f"Vector ID must be ASCII of 1 to 512 characters, but got {value!r}")
    return value


def _vector(values: Any, dimension: int) -> list[float]:
    if not isinstance(values, list) or len(values) != dimension:
        raise Refused(400, f"Vector dimension {len(values or [])} does not match the dimension of the index {dimension}")
    return [float(np.float32(value)) for value in values]


def _metadata(given: Any) -> dict[str, Any]:
    for key, value in (given or {}).items():
        if not isinstance(value, (str, int, float)) and not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
            raise Refused(400, f"Metadata value must be a string, number, boolean or list of strings, got {value!r} for field {key!r}")
    if len(json.dumps(given or {}).encode()) > MOST_METADATA:
        raise Refused(400, f"metadata size exceeds the limit of {MOST_METADATA} bytes per vector")
    return {key: float(value) if isinstance(value, int) and not isinstance(value, bool) else value for key, value in (given or {}).items()}


def _known(index: Index, namespace: str) -> None:
    if namespace not in index.writes:
        raise Refused(404, "Namespace not found")


def _upsert(index: Index, body: dict[str, Any], _: dict[str, list[str]]) -> dict[str, Any]:
    vectors, namespace = body.get("vectors"), body.get("namespace", "")
    if not isinstance(vectors, list) or not 1 <= len(vectors) <= MOST_VECTORS:
        raise Refused(400, f"vectors must be 1 to {MOST_VECTORS}")
    records = []
    for one in vectors:  # all are checked before any is stored
        record = {"id": _id(one.get("id")), "values": _vector(one.get("values"), index.dimension)}
        records.append(record | ({"metadata": _metadata(one["metadata"])} if one.get("metadata") else {}))
    stored = records
    if index.rng.random() < index.faults.partial:
        stored = [record for record in records if index.rng.random() < 0.5]
    for record in stored:
        index.write(namespace, record["id"], record)
    if len(stored) < len(records) and index.rng.random() < 0.5:
        raise Refused(500, "some of it was stored")
    return {"upsertedCount": len(stored)}


def _query(index: Index, body: dict[str, Any], _: dict[str, list[str]]) -> dict[str, Any]:
    k, namespace = body.get("topK"), body.get("namespace", "")
    if not isinstance(k, int) or not 1 <= k <= 10_000:
        raise Refused(400, "topK must be 1 to 10000")
    vector = np.array(_vector(body.get("vector"), index.dimension))
    _known(index, namespace)
    matches = []
    for id, record in index.read(namespace).items():
        values = np.array(record["values"])
        score = float(values @ vector / (np.linalg.norm(values) * np.linalg.norm(vector) or 1))
        matches.append({"id": id, "score": score, "values": record["values"] if body.get("includeValues") else []})
    matches.sort(key=lambda match: -match["score"])
    return {"matches": matches[:k], "namespace": namespace, "usage": {"readUnits": 1}}


def _fetch(index: Index, _: dict[str, Any], query: dict[str, list[str]]) -> dict[str, Any]:
    ids, namespace = query.get("ids", []), query.get("namespace", [""])[0]
    if not 1 <= len(ids) <= MOST_IDS:
        raise Refused(400, f"ids must be 1 to {MOST_IDS}")
    _known(index, namespace)
    there = index.read(namespace)
    return {"vectors": {_id(id): there[id] for id in ids if id in there}, "namespace": namespace, "usage": {"readUnits": 1}}


def _delete(index: Index, body: dict[str, Any], _: dict[str, list[str]]) -> dict[str, Any]:
    if body.get("deleteAll") or body.get("filter"):
        raise AssertionError("nobody may ever ask for that")
    ids, namespace = body.get("ids"), body.get("namespace", "")
    if not isinstance(ids, list) or not 1 <= len(ids) <= MOST_IDS:
        raise Refused(400, f"ids must be 1 to {MOST_IDS}")
    _known(index, namespace)
    for id in ids:
        index.write(namespace, _id(id), None)
    return {}


def _list(index: Index, _: dict[str, Any], query: dict[str, list[str]]) -> dict[str, Any]:
    namespace, prefix = query.get("namespace", [""])[0], query.get("prefix", [""])[0]
    limit, token = int(query.get("limit", ["100"])[0]), query.get("paginationToken", [""])[0]
    if not 1 <= limit <= PAGE:
        raise Refused(400, f"limit must be 1 to {PAGE}")
    _known(index, namespace)
    ids = sorted(id for id in index.read(namespace) if id.startswith(prefix) and id > token)
    page: dict[str, Any] = {"vectors": [{"id": id} for id in ids[:limit]], "namespace": namespace, "usage": {"readUnits": 1}}
    return page | ({"pagination": {"next": ids[limit - 1]}} if len(ids) > limit else {})


def _stats(index: Index, _: dict[str, Any], __: dict[str, list[str]]) -> dict[str, Any]:
    counts = {namespace: len(index.read(namespace)) for namespace in index.writes}
    namespaces = {namespace: {"vectorCount": number} for namespace, number in counts.items() if number}
    total = sum(counts.values())
    return {"namespaces": namespaces, "dimension": index.dimension, "indexFullness": 0, "totalVectorCount": total, "metric": "cosine"}


ROUTES: dict[tuple[str, str], Callable[[Index, dict[str, Any], dict[str, list[str]]], dict[str, Any]]] = {
    ("POST", "/vectors/upsert"): _upsert,
    ("POST", "/query"): _query,
    ("GET", "/vectors/fetch"): _fetch,
    ("POST", "/vectors/delete"): _delete,
    ("GET", "/vectors/list"): _list,
    ("POST", "/describe_index_stats"): _stats,
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    @property
    def index(self) -> Index:
        return self.server.index

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._serve({})

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        raw = self.rfile.read(size)
        if size > MOST_BYTES:
            self._send(413, {"code": 11, "message": "request is too large", "details": []})
        else:
            self._serve(json.loads(raw or b"{}"))

    def _serve(self, body: dict[str, Any]) -> None:
        index, url = self.index, urlsplit(self.path)
        with index.lock:
            index.calls.append(url.path)
            chance, faults = index.rng.random(), index.faults
            for share, status in ((faults.busy, 429), (faults.down, 503)):
                if chance < share:
                    self._send(status, {"code": 8, "message": "told to fail", "details": []})
                    return
                chance -= share
            cut = chance < faults.cut
            if cut and index.rng.random() < 0.5:
                self._cut()
                return
            try:
                if not self.headers.get("X-Pinecone-Api-Version") or not self.headers.get("Api-Key"):
                    raise Refused(401, "the key or the version of the API is missing")
                answer = ROUTES[self.command, url.path](index, body, parse_qs(url.query, keep_blank_values=True))
                status = 200
            except Refused as error:
                status, answer = error.status, {"code": 3, "message": str(error), "details": []}
        if cut:
            self._cut()
        else:
            self._send(status, answer)

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    """Serves one index after the other, as it is told."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, index: Index) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.index = index

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # of connections that were cut


@contextmanager
def serving(index: Index) -> Iterator[Server]:
    """Serve an index while the block runs."""
    server = Server(index)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="pinecone-double", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
