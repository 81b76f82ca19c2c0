"""The folder that remembers embeddings: across processes, kills and damage; never a wrong vector, never a text."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest

from vectopt.embedding import OpenAIEmbedder
from vectopt.embedding.cache import FolderCache, MemoryCache
from vectopt.errors import StorePathError

from .openai_double import Double, vectors_of

SIZE = 8


def key(name: object) -> bytes:
    return blake2b(str(name).encode(), digest_size=16).digest()


def some(*names: object) -> dict[bytes, np.ndarray]:
    return {key(name): vectors_of([str(name)], "m", SIZE)[0] for name in names}


def holds(cache: FolderCache, *names: object) -> int:
    """Return how many are known; each with its own vector."""
    found = cache.get([key(name) for name in names])
    for digest, vector in some(*names).items():
        if digest in found:
            np.testing.assert_array_equal(found[digest], vector)
    return len(found)


def opened(folder: Path, most_bytes: int = 2**20) -> FolderCache:
    return FolderCache(folder, "m", SIZE, most_bytes)


def test_what_is_remembered_outlives_the_process_and_is_seen_by_others(tmp_path: Path) -> None:
    one, other = opened(tmp_path), opened(tmp_path)
    one.put(some("a", "b"))
    assert holds(other, "a", "b", "c") == 2
    other.put(some("c"))
    assert holds(one, "a", "b", "c") == 3
    one.close()
    other.close()
    last = opened(tmp_path)
    assert holds(last, "a", "b", "c") == 3
    last.close()


def test_models_and_dimensions_are_apart_and_files_are_the_owners(tmp_path: Path) -> None:
    caches = [FolderCache(tmp_path / "new", model, size, 2**20) for model, size in (("m", 8), ("m", 16), ("org/../m", 8))]
    caches[0].put(some("a"))
    assert [len(cache.get([key("a")])) for cache in caches] == [1, 0, 0]
    assert {file.parent for file in (tmp_path / "new").iterdir()} == {tmp_path / "new"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "new").iterdir()} == {0o600}
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    for cache in caches:
        cache.close()


@pytest.mark.parametrize("which", ["digests", "vectors"])
def test_no_damage_gives_a_wrong_vector(tmp_path: Path, which: str) -> None:
    cache = opened(tmp_path)
    cache.put(some(*range(20)))
    cache.close()
    file = tmp_path / f"m-{SIZE}.{which}"
    whole = file.read_bytes()
    for damaged in (whole[:-1], whole[: len(whole) // 2 + 3], b"", whole[:50] + bytes([whole[50] ^ 1]) + whole[51:], whole[7:]):
        file.write_bytes(damaged)
        cache = opened(tmp_path)
        assert holds(cache, *range(20)) < 20
        cache.put(some("later"))
        assert holds(cache, "later") == 1
        cache.close()
        for one in tmp_path.iterdir():
            one.unlink()
        cache = opened(tmp_path)
        cache.put(some(*range(20)))
        cache.close()


def test_it_begins_anew_before_it_outgrows_its_bytes(tmp_path: Path) -> None:
    cache, other = opened(tmp_path, 10 * SIZE * 4), opened(tmp_path, 10 * SIZE * 4)
    for number in range(50):
        (cache if number % 3 else other).put(some(number))
        assert (tmp_path / f"m-{SIZE}.vectors").stat().st_size <= 10 * SIZE * 4
        assert holds(cache, number) == holds(other, number) == 1
        assert holds(other, *range(50)) <= 10
    cache.close()
    other.close()


def test_threads_may_share_it(tmp_path: Path) -> None:
    cache = opened(tmp_path)

    def work(who: int) -> None:
        for number in range(40):
            cache.put(some(f"{who}-{number}"))

    threads = [threading.Thread(target=work, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert holds(cache, *(f"{who}-{number}" for who in range(4) for number in range(40))) == 160
    cache.close()


def test_a_kill_while_it_writes_costs_no_more_than_what_was_written(tmp_path: Path) -> None:
    program = """
import os, sys
from tests.test_embedding_cache import *
cache = opened(Path(sys.argv[1]))
for number in range(int(sys.argv[2]), 10**9):
    cache.put(some(number))
    os.write(1, b"%d\\n" % number)
"""
    last = 0
    for _ in range(2):
        child = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path), str(last)], stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent
        )
        assert child.stdout is not None
        for _ in range(30):
            child.stdout.readline()
        os.kill(child.pid, signal.SIGKILL)
        said = child.stdout.read().split(b"\n")
        child.wait()
        child.stdout.close()
        last = max(last + 29, int(said[-2]) if len(said) > 1 else 0)
        cache = opened(tmp_path)
        assert holds(cache, *range(last)) == last
        cache.close()


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorePathError, match="file"):
        opened(tmp_path / "file")


def test_memory_forgets_the_oldest() -> None:
    cache = MemoryCache(2)
    cache.put(some("a", "b"))
    cache.put(some("c"))
    assert set(cache.get([key("a"), key("b"), key("c")])) == {key("b"), key("c")}


def test_an_embedder_with_a_folder_pays_once_for_ever(tmp_path: Path) -> None:
    with Double() as double:
        for _ in range(2):
            with OpenAIEmbedder(api_key="sk", base_url=double.url, dimensions=SIZE, cache=tmp_path) as embedder:
                embedder.embed(["a", "b"], "document")
                assert embedder.embed_accounted(["b", "a"], "query").tokens == 0
        with OpenAIEmbedder("some-model", api_key="sk", base_url=double.url, cache=tmp_path) as unknown:
            unknown.embed(["a"], "document")
        with OpenAIEmbedder("some-model", api_key="sk", base_url=double.url, cache=tmp_path) as unknown:
            unknown.embed(["b"], "document")  # now its dimensions are known
            unknown.embed(["a"], "document")
        assert double.behaviour.paid_inputs == 4


def test_a_disk_that_fails_costs_nothing_but_what_it_would_have_saved(tmp_path: Path) -> None:
    with Double() as double, OpenAIEmbedder(api_key="sk", base_url=double.url, dimensions=SIZE, cache=tmp_path) as embedder:
        cache = embedder._cache
        assert isinstance(cache, FolderCache)
        readable, cache._digests = cache._digests, (tmp_path / "other").open("wb", buffering=0)  # it can't be read
        np.testing.assert_allclose(embedder.embed(["a"], "document"), vectors_of(["a"], embedder.model, SIZE), atol=1e-6)
        cache._digests.close()
        cache._digests = readable
        embedder.close()
        assert embedder.embed(["a"], "document").shape == (1, SIZE)  # after a close it begins anew, without the folder
