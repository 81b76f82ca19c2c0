"""What every embedder must keep to. Inherit the suite, give it yours, run it with pytest."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from vectopt import Embedder
from vectopt.archive import ArchiveTarget
from vectopt.errors import ArchiveUnavailable, InvalidInput

_ODD = ("京都で雨が降った", "مرحبا", "🗝️🦉", "!?#", "nul \0 inside", "x", "word " * 400, "line\nbreaks\tand tabs")
_NAME, _OTHER = "one.jsonl.zst", "two.jsonl.gz"
_TEXTS = ("a short text", "another one, somewhat longer than the first", "東京の天気", "a short text")


class EmbedderContract:
    """The contract of `vectopt.Embedder`.

    ```python
    class TestMine(EmbedderContract):
        def make_embedder(self):
            return MyEmbedder()
    ```
    """

    @abstractmethod
    def make_embedder(self) -> Embedder:
        """Return the embedder under test."""

    def _embedded(self, texts: tuple[str, ...], embedder: Embedder) -> NDArray[np.float32]:
        return np.asarray(embedder.embed(texts, "document"), np.float32)

    def test_it_is_an_embedder_with_a_name(self) -> None:
        """It has what vectopt asks for, and a name that says which space its vectors lie in."""
        embedder = self.make_embedder()
        assert isinstance(embedder, Embedder)
        assert isinstance(embedder.name, str)
        assert embedder.name

    def test_one_finite_vector_a_text(self) -> None:
        """As many vectors as texts, of the dimensions promised, all finite."""
        embedder = self.make_embedder()
        vectors = self._embedded(_TEXTS, embedder)
        assert vectors.ndim == 2
        assert len(vectors) == len(_TEXTS)
        assert embedder.dimensions in (None, vectors.shape[1])
        assert np.isfinite(vectors).all()

    def test_in_the_order_of_the_texts(self) -> None:
        """Each vector is its own text's: turned round, the same texts have the same vectors, turned round."""
        embedder = self.make_embedder()
        forward, backward = self._embedded(_TEXTS, embedder), self._embedded(_TEXTS[::-1], embedder)
        np.testing.assert_allclose(forward, backward[::-1], atol=1e-4)
        np.testing.assert_allclose(forward[0], forward[3], atol=1e-4)
        assert not np.allclose(forward[0], forward[1], atol=1e-3)

    def test_whatever_text_comes(self) -> None:
        """Any text gets a vector: of other scripts, of symbols, with a NUL, long, of one character."""
        embedder = self.make_embedder()
        assert np.isfinite(self._embedded(_ODD, embedder)).all()

    def test_one_by_one_or_together(self) -> None:
        """A text's vector doesn't depend on what it is embedded with."""
        embedder = self.make_embedder()
        together = self._embedded(_TEXTS, embedder)
        alone = np.concatenate([self._embedded((text,), embedder) for text in _TEXTS])
        np.testing.assert_allclose(together, alone, atol=1e-4)

    def test_the_texts_stay_the_callers(self) -> None:
        """What is handed in is not changed."""
        texts = list(_TEXTS)
        self.make_embedder().embed(texts, "document")
        assert texts == list(_TEXTS)

    def test_from_several_threads(self) -> None:
        """Threads may embed at the same time, and each gets its own texts' vectors."""
        embedder = self.make_embedder()
        expected = {text: self._embedded((text,), embedder) for text in _TEXTS}
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(lambda text: self._embedded((text,), embedder), _TEXTS * 4))
        for text, vectors in zip(_TEXTS * 4, found, strict=True):
            np.testing.assert_allclose(vectors, expected[text], atol=1e-4)

    def test_queries_lie_in_the_same_space(self) -> None:
        """A query has the dimensions of a document."""
        embedder = self.make_embedder()
        query = np.asarray(embedder.embed(("a short text",), "query"), np.float32)
        assert query.shape == (1, self._embedded(_TEXTS, embedder).shape[1])


class ArchiveTargetContract:
    """The contract of `vectopt.archive.ArchiveTarget`.

    ```python
    class TestMine(ArchiveTargetContract):
        def make_target(self):
            return MyTarget()  # empty
    ```
    """

    @abstractmethod
    def make_target(self) -> ArchiveTarget:
        """Return the target under test, with nothing in it."""

    def test_what_was_written_is_read(self) -> None:
        """All of it, and any range of it; behind the end there is nothing."""
        target = self.make_target()
        assert isinstance(target, ArchiveTarget)
        target.write(_NAME, bytes(range(256)) * 8)
        assert target.read(_NAME) == bytes(range(256)) * 8
        assert target.read(_NAME, 250, 10) == bytes(range(250, 256)) + bytes(range(4))
        assert target.read(_NAME, 2040) == bytes(range(248, 256))
        assert target.read(_NAME, 2040, 100) == bytes(range(248, 256))
        assert target.read(_NAME, 0, 0) == target.read(_NAME, 2048, 5) == target.read(_NAME, 9999) == b""

    def test_a_segment_is_never_changed(self) -> None:
        """Writing the same bytes again is no error; other bytes are refused."""
        target = self.make_target()
        target.write(_NAME, b"first")
        target.write(_NAME, b"first")
        with _raises(InvalidInput):
            target.write(_NAME, b"second")
        assert target.read(_NAME) == b"first"

    def test_what_is_not_there(self) -> None:
        """Can't be read, can be deleted."""
        target = self.make_target()
        assert target.names() == []
        with _raises(ArchiveUnavailable):
            target.read(_NAME)
        with _raises(ArchiveUnavailable):
            target.read(_NAME, 1, 2)
        target.delete(_NAME)
        target.write(_NAME, b"kept")
        target.write(_OTHER, b"gone")
        target.delete(_OTHER)
        target.delete(_OTHER)
        assert target.names() == [_NAME]
        with _raises(ArchiveUnavailable):
            target.read(_OTHER)

    def test_only_segments_names(self) -> None:
        """Whatever could leave the folder is refused before anything is done."""
        target = self.make_target()
        for name in ("../" + _NAME, "/" + _NAME, "a/" + _NAME, "", ".", "..", _NAME + "\0", _NAME.upper(), _NAME + "\n", "x"):
            for do in (target.read, target.delete, lambda name: target.write(name, b"")):
                with _raises(InvalidInput):
                    do(name)
        with _raises(InvalidInput):
            target.write(_NAME + ".tmp", b"")
        assert target.names() == []

    def test_it_says_where_it_is(self) -> None:
        """For messages."""
        assert self.make_target().describe()


@contextmanager
def _raises(kind: type[Exception]) -> Iterator[None]:
    """Expect an error, without pytest: the suite imports nothing that a user of vectopt hasn't."""
    try:
        yield
    except kind:
        return
    raise AssertionError(f"no {kind.__name__} was raised")
