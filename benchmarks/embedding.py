"""The OpenAI embedder against a double of the server in a process of its own: throughput, overhead, and how few requests it takes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from urllib.request import urlopen

sys.path.insert(0, str(Path(__file__).parent.parent))

import harness

harness.one_blas_thread()

import numpy as np

from tests.openai_double import vectors_of
from vectopt import Settings, VectorManager
from vectopt.embedding import OpenAIEmbedder
from vectopt.embedding.tokens import TokenCounter
from vectopt.settings import MergingSettings
from vectopt.testing import SilentObserver

MODEL, DIMENSIONS, BATCH, CONCURRENCY, LATENCY = "text-embedding-3-small", 256, 128, 8, 0.2
TEXTS = BATCH * CONCURRENCY * 20
ROUNDS = 5
_WORDS = [
    "the", "of", "a", "service", "note", "order", "late", "because", "when", "user", "asked", "for", "billing", "moved", "error", "port",
    "again", "week", "found", "by", "plan",
]  # fmt: skip


def texts_of(count: int, words: int, seed: int) -> list[str]:
    """Return distinct texts of so many words."""
    random = Random(seed)
    return [f"{number} " + " ".join(random.choices(_WORDS, k=words)) for number in range(count)]


@contextmanager
def double(**behaviour: Any) -> Iterator[str]:
    """Run a double in a process of its own, and give its address."""
    command = [sys.executable, "-m", "tests.openai_double"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(behaviour) + "\n")
        process.stdin.flush()
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.stdin.close()
        process.wait(10)


def seen(url: str) -> dict[str, Any]:
    """Return what a double saw."""
    with urlopen(url.replace("/v1", "/double")) as answer:
        found: dict[str, Any] = json.loads(answer.read())
    return found


def embedder_for(url: str, **options: Any) -> OpenAIEmbedder:
    return OpenAIEmbedder(api_key="sk-benchmark", base_url=url, dimensions=DIMENSIONS, **options)


def measured(name: str, texts: list[str], url: str, run: Any) -> dict[str, Any]:
    """Return what a run took, of the clock and of this process's processor time."""
    before, cpu, start = seen(url)["requests"], time.process_time(), time.perf_counter()
    run()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    most = CONCURRENCY * BATCH / LATENCY
    return {
        "run": name,
        "texts": len(texts),
        "requests": seen(url)["requests"] - before,
        "seconds": seconds,
        "texts_a_second": len(texts) / seconds,
        "share_of_most": len(texts) / seconds / most,
        "cpu_us_a_text": cpu / len(texts) * 1e6,
    }


def throughput() -> list[dict[str, Any]]:
    """Return what the embedder alone, and a store's drain with it, come to; by turns, each with new texts."""
    rows = []
    settings = Settings(observer=SilentObserver(), merging=MergingSettings(near_duplicates=False))
    with double(latency=LATENCY, counted=False) as url, embedder_for(url, batch_texts=BATCH, concurrency=CONCURRENCY) as embedder:
        embedder.embed(texts_of(BATCH * CONCURRENCY, 40, 0), "document")  # connections are made, modules loaded
        for number in range(ROUNDS):
            texts = texts_of(TEXTS, 40, 2 * number + 1)
            found: list[Any] = []
            rows.append(measured("embedder", texts, url, partial(_embed, embedder, texts, found)))
            np.testing.assert_allclose(found[0], vectors_of(texts, MODEL, DIMENSIONS), atol=1e-6)
            with VectorManager(settings=settings) as store:
                texts = texts_of(TEXTS, 40, 2 * number + 2)
                store.add(texts)
                store._vectorizer.embedder = embedder
                rows.append(measured("store's drain", texts, url, store.drain))
                assert store.stats().embeddings_made == TEXTS
    return rows


def _embed(embedder: OpenAIEmbedder, texts: list[str], found: list[Any]) -> None:
    found.append(embedder.embed(texts, "document"))


def summed_up(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the best and the median round of each kind."""
    result = []
    for name in dict.fromkeys(row["run"] for row in rows):
        rounds = sorted((row for row in rows if row["run"] == name), key=lambda row: -row["share_of_most"])
        for which, row in (("best", rounds[0]), ("median", rounds[len(rounds) // 2])):
            cpu = sorted(one["cpu_us_a_text"] for one in rounds)
            result.append({**row, "run": f"{name}, {which}", "cpu_us_a_text": cpu[0] if which == "best" else cpu[len(cpu) // 2]})
    return result


def requests() -> list[dict[str, Any]]:
    """Return how many requests texts of several lengths take, beside the fewest that the limits allow."""
    counter, rows = TokenCounter(), []
    for words, count in ((3, 20_000), (150, 10_000), (1_500, 1_000), (6_000, 300)):
        texts = texts_of(count, words, words)
        tokens = sum(map(counter.count, texts))
        fewest = max(-(-count // 2048), -(-tokens // 300_000))
        with double(counted=False) as url, embedder_for(url) as embedder:
            embedder.embed(texts, "document")
            came = seen(url)
        assert came["invalid"] == []
        rows.append({"words": words, "texts": count, "tokens": tokens, "requests": came["requests"], "fewest": fewest})
    return rows


def main() -> None:
    options = harness.parser(__doc__ or "").parse_args()
    rounds, packing = throughput(), requests()
    speed = summed_up(rounds)
    print(harness.table(packing), end="\n\n")
    alone, _, drained, _ = speed
    sent, fewest = sum(row["requests"] for row in packing), sum(row["fewest"] for row in packing)
    checks = [
        harness.check("share of concurrency x batch / latency, embedder, best round", alone["share_of_most"], 0.9),
        harness.check("share of concurrency x batch / latency, store's drain, best round", drained["share_of_most"], 0.9),
        harness.check("CPU microseconds a text, embedder, best round", alone["cpu_us_a_text"], 30, at_most=True),
        harness.check("requests over the fewest that the limits allow", sent / fewest, 1.05, at_most=True),
    ]
    facts = harness.meta(["openai", "tiktoken", "numpy"]) | {
        "latency": LATENCY,
        "batch": BATCH,
        "concurrency": CONCURRENCY,
        "dimensions": DIMENSIONS,
    }
    harness.report(
        facts, [*speed, *packing, *({**row, "run": f"{row['run']}, a round"} for row in rounds)], checks, options.json, shown=speed
    )


if __name__ == "__main__":
    main()
