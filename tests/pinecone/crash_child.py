"""What a child process does to a store whose vectors are in the double, until it kills itself at a named moment."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from random import Random
from typing import Any

from pinecone import Pinecone

from tests.durability.checker import letters
from vectopt import Budget, Item, OutsideSettings, QueueSettings, Settings, VectorManager, failpoints
from vectopt.stores.pinecone import PineconeStore
from vectopt.testing import HashEmbedder, SilentObserver

DIMENSIONS = 16
MAX_VECTORS = 40
FASTER = 1000  # seconds of the store's in one: a minute takes 60 ms


class Fast:
    """The time, running faster. The double's and all processes' are the same."""

    def now(self) -> float:
        return time.time() * FASTER


def open_manager(path: str, address: str) -> tuple[VectorManager, Any]:
    """Open the store; return it with its client."""
    settings = Settings(
        observer=SilentObserver(),
        queue=QueueSettings(upkeep_seconds=1e-6),
        outside=OutsideSettings(patience_seconds=20, rest_seconds=1e-6, lease_seconds=60, backoff_seconds=1),
    )
    client = Pinecone(api_key="pc-canary").Index(host=address)
    store = PineconeStore(client, name="the double")  # whose port is another in every run
    embedder, budget = HashEmbedder(DIMENSIONS), Budget(max_vectors=MAX_VECTORS)
    return VectorManager(path, embedder=embedder, budget=budget, clock=Fast(), settings=settings, store=store), client


def patch_retries() -> None:
    """Let the client's retries come at once, where it has them."""
    with contextlib.suppress(ImportError):  # older clients don't retry by themselves
        from pinecone._internal import http_client

        http_client._retry_sleep = lambda *_: None  # type: ignore[attr-defined]


class Planner:
    """Draws calls. No text comes twice."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.number = 0

    def plan(self, live: dict[str, str], count: int) -> list[dict[str, Any]]:
        """Return calls that make sense if every one before has happened."""
        ids, calls = sorted(live), []
        for _ in range(count):
            kind = self.rng.choices(("add", "again", "delete", "temp", "drain"), (25, 15, 20, 10, 30))[0]
            if kind in ("again", "delete") and not ids:
                kind = "add"
            if kind == "drain":
                calls.append({"call": "drain", "pause": self.rng.choice((0, 0.02, 0.07))})
            elif kind == "delete":
                calls.append({"call": "delete", "id": ids.pop(self.rng.randrange(len(ids)))})
            else:
                self.number += 1
                id = self.rng.choice(ids) if kind == "again" else f"id-{self.number}"
                if kind != "again":
                    ids.append(id)
                calls.append({"call": "temp" if kind == "temp" else "add", "id": id, "text": f"{letters(self.number)} text"})
        return calls


def run(path: str, address: str, calls: list[dict[str, Any]], acks: str, point: str, hits: int) -> None:
    """Make the calls, acknowledging each, and die when the moment comes for so many times."""
    patch_retries()
    left = [hits]

    def reached(name: str) -> None:
        if name == point:
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

    failpoints.when_reached(reached)
    manager, _ = open_manager(path, address)
    done = os.open(acks, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for call in calls:
        perform(manager, call)
        os.write(done, b".")
    os._exit(0)


def perform(manager: VectorManager, call: dict[str, Any]) -> None:
    """Make one call."""
    if call["call"] == "drain":
        time.sleep(call["pause"])
        manager.drain()
    elif call["call"] == "delete":
        manager.delete([call["id"]])
    elif call["call"] == "temp":
        manager.add([Item(call["text"], id=call["id"])], wait=True)
        manager.promote_temp_vector(call["id"])
    else:
        manager.add([Item(call["text"], id=call["id"], vector=HashEmbedder(DIMENSIONS).vector(call["text"]))], wait=True)


def effect(call: dict[str, Any], live: dict[str, str]) -> dict[str, str]:
    """Return what is live after a call."""
    if call["call"] == "drain":
        return live
    if call["call"] == "delete":
        return {id: text for id, text in live.items() if id != call["id"]}
    return {**live, call["id"]: call["text"]}


def main(encoded: str, target: Callable[..., None] = run) -> None:
    """Run what a parent encoded."""
    target(**json.loads(encoded))
