"""Another embedder for a store whose vectors are held outside: nothing of the old space answers afterwards."""

from pathlib import Path

import numpy as np

from vectopt import VectorManager
from vectopt.testing import FakeStore, HashEmbedder


def test_the_copies_outside_are_made_anew(tmp_path: Path) -> None:
    store = FakeStore()
    texts = [f"{word} is a word" for word in ("apple", "pear", "plum", "fig", "quince")]
    with VectorManager(tmp_path / "s.db", embedder=HashEmbedder(dimensions=64), store=store) as m:
        ids = m.add(texts, wait=True)
        m.drain()
        assert m.stats().vectors_outside == 4  # one is a temp vector
        new = HashEmbedder(name="another", dimensions=96)
        assert m.reembed(new).finished
        m.drain()
        m.drain()
        assert (m.stats().vectors_outside, m.stats().vectors, m.stats().dimensions) == (4, 5, 96)
        for item, text in zip(m.get(ids, with_vectors=True), texts, strict=True):
            made = np.asarray(new.embed([text], "document"), np.float32)[0]
            assert item.vector is not None
            assert float(item.vector @ made) / float(np.linalg.norm(item.vector) * np.linalg.norm(made)) > 0.999
        assert m.search(texts[2], 1)[0].id == ids[2]
        assert m.doctor() == []
        report = m.reconcile()
        assert (report.there, report.missing, report.orphans) == (4, (), ())
