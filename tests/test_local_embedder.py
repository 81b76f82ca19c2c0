"""The local embedder: the same vectors whatever stands beside a text, no network, nothing loaded before it is needed."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from vectopt import Embedder
from vectopt.embedding import local
from vectopt.embedding.local import LocalEmbedder
from vectopt.errors import MissingExtra


@pytest.fixture(scope="module")
def embedder() -> LocalEmbedder:
    return LocalEmbedder()


def test_is_an_embedder_of_the_space_it_names(embedder):
    assert isinstance(embedder, Embedder)
    assert (embedder.name, embedder.dimensions) == ("wordllama/l2_supercat_256", 256)


def test_order_is_kept_and_neighbours_change_nothing(embedder):
    texts = [f"word{place} " * (1 + place * 37 % 90) + "and a sentence of its own" for place in range(150)]
    together = embedder.embed(texts, "document")
    assert together.shape == (150, 256)
    assert together.dtype == np.float32
    for place in (0, 1, 77, 149):
        alone = embedder.embed([texts[place]], "document")[0]
        np.testing.assert_allclose(together[place], alone, atol=1e-5)
    assert len({row.tobytes() for row in together}) == 150


def test_vectors_have_length_one(embedder):
    vectors = embedder.embed(["short", "a longer text, with more words in it", "日本語のテキスト"], "document")
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_texts_without_words_are_zeros_among_others(embedder):
    vectors = embedder.embed(["", "a real text", " \n\t "], "document")
    assert not vectors[0].any()
    assert not vectors[2].any()
    assert np.linalg.norm(vectors[1]) == pytest.approx(1, abs=1e-5)
    assert not embedder.embed([""], "query").any()


def test_likeness_follows_meaning(embedder):
    cat, kitten, tax = embedder.embed(["the cat sleeps", "a kitten is napping", "income tax is due in spring"], "document")
    assert cat @ kitten > cat @ tax + 0.1


def test_a_very_long_text_counts_up_to_its_limit(embedder):
    head = "an ordinary sentence about gardens. " * 1400
    assert len(head) > 50_000
    long, cut, short = embedder.embed([head + "quarks and leptons " * 20_000, head[:50_000], "quarks and leptons"], "document")
    np.testing.assert_allclose(long, cut, atol=1e-5)
    assert abs(float(long @ short)) < 0.9


def test_no_texts_need_no_model(monkeypatch):
    monkeypatch.setattr(local, "_load", lambda: pytest.fail("loaded for nothing"))
    assert LocalEmbedder().embed([], "document").shape == (0, 256)


def test_threads_load_the_model_once(monkeypatch):
    loads = []

    class Model:
        def embed(self, texts, norm, batch_size):
            return np.ones((len(texts), 256), np.float32)

    def load():
        loads.append(threading.get_ident())
        time.sleep(0.05)  # long enough for the others to come
        return Model()

    monkeypatch.setattr(local, "_load", load)
    embedder, start, shapes = LocalEmbedder(), threading.Barrier(8), []

    def work():
        start.wait()
        shapes.append(embedder.embed(["a", "b"], "query").shape)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1
    assert shapes == [(2, 256)] * 8


def test_a_missing_package_is_told_at_once(monkeypatch):
    monkeypatch.setitem(sys.modules, "wordllama", None)
    with pytest.raises(MissingExtra, match=r"pip install 'vectopt\[local\]'"):
        LocalEmbedder()


_ALONE = """
import logging, socket, sys

def refuse(*args, **kwargs):
    raise AssertionError("the network was asked")

socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from vectopt.embedding.local import LocalEmbedder
embedder = LocalEmbedder()
assert "wordllama" not in sys.modules, "loaded before it was needed"
assert embedder.embed(["a text"], "query").any()
assert "wordllama" in sys.modules
root = logging.getLogger()
assert root.handlers == [], root.handlers
assert root.level == logging.WARNING, root.level
"""


def test_a_fresh_process_loads_late_offline_and_leaves_logging_alone():
    done = subprocess.run([sys.executable, "-W", "error", "-c", _ALONE], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
