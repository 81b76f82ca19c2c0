"""A process to be killed: it adds its texts, drains until nothing waits, and says so."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from vectopt import Settings, VectorManager
from vectopt.embedding import OpenAIEmbedder
from vectopt.settings import MergingSettings, QueueSettings
from vectopt.testing import SilentObserver

SETTINGS = Settings(
    queue=QueueSettings(lease_seconds=1.5, backoff_seconds=0.05),
    merging=MergingSettings(near_duplicates=False),
    observer=SilentObserver(),
)


def text_of(number: int) -> str:
    """Return a text that no other number has."""
    return f"note {number} of {number * 7919 % 1009} people, written for the {number * 31 % 97}th time"


FASTER = 20  # times, that pauses go by


def embedder_of(order: dict) -> OpenAIEmbedder:
    return OpenAIEmbedder(
        api_key="sk-of-the-child", base_url=order["url"], dimensions=order["dimensions"], cache=order["cache"],
        batch_texts=order["batch"], concurrency=4,
        clock=lambda: time.monotonic() * FASTER, sleep=lambda seconds: time.sleep(seconds / FASTER), patience_seconds=120 * FASTER,
    )  # fmt: skip


def main() -> None:
    order = json.loads(sys.argv[1])
    with (
        embedder_of(order) as embedder,
        VectorManager(order["path"], embedder=None if order.get("reembed") else embedder, settings=SETTINGS) as store,
    ):
        if order.get("reembed"):
            while not store.reembed(embedder).finished:
                time.sleep(0.05)
        else:
            stored = store.stats().items
            for start in range(stored, order["texts"], 1000):  # a call is stored whole or not at all
                numbers = range(start, min(start + 1000, order["texts"]))
                store.add([{"id": str(number), "content": text_of(number)} for number in numbers])
            while store.drain().waiting:
                time.sleep(0.05)
        dead = len(store.dead_letters())
    Path(order["done"]).write_text(json.dumps({"dead": dead}))


if __name__ == "__main__":
    main()
