"""Keys and contents are shown nowhere: not in logs, errors, representations or events, nor in what is written beside the store."""

from __future__ import annotations

import io
import logging
import pickle
import socket
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vectopt import Event, Settings, VectorManager
from vectopt.embedding import OpenAIEmbedder, Secret
from vectopt.embedding.wire import hush
from vectopt.errors import EmbedderFailed
from vectopt.settings import QueueSettings

from .openai_double import Behaviour, Double, Fault

KEY = "sk-proj-CANARYKEY0123456789"
CONTENT = "canarycontent"


class Ears:
    """Hears everything: every logger at its loudest, every event, every error with its causes and the values beside it."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._stream = io.StringIO()
        self.handler = logging.StreamHandler(self._stream)
        self.handler.setLevel(logging.DEBUG)

    def notify(self, event: Event) -> None:
        self.heard.append(repr(event))

    def error(self, error: BaseException) -> None:
        seen: set[int] = set()
        waiting: list[BaseException | None] = [error]
        while waiting:
            one = waiting.pop()
            if one is None or id(one) in seen:
                continue
            seen.add(id(one))
            self.heard += [repr(one), str(one), repr(vars(one)), "".join(traceback.format_exception_only(one))]
            waiting += [one.__cause__, one.__context__]

    def canaries(self) -> list[str]:
        """Return what was heard of the key or the contents."""
        said = [*self.heard, *self._stream.getvalue().splitlines()]
        return [line for line in said if "CANARYKEY" in line or CONTENT in line]


@pytest.fixture
def ears() -> Iterator[Ears]:
    ears = Ears()
    root = logging.getLogger()
    loggers = [root, *(logging.getLogger(name) for name in ("openai", "openai._base_client", "httpx", "httpx2", "httpcore", "vectopt"))]
    before = [logger.level for logger in loggers]
    root.addHandler(ears.handler)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield ears
    root.removeHandler(ears.handler)
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


def everything_goes_wrong(ears: Ears, folder: Path, double: Double, faults: Iterable[Fault] = Fault) -> None:
    """Use the embedder and a store through faults, and without a server, and hear what is said."""
    double.behaviour.key = KEY
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    for number, (fault, url) in enumerate([*((fault, double.url) for fault in faults), (Fault.NONE, nobody)]):
        quick = {"sleep": lambda seconds: None, "max_retries": 1, "cache": folder / "cache", "long_texts": "refuse"}
        with OpenAIEmbedder(api_key=KEY, base_url=url, dimensions=16, **quick) as embedder:  # type: ignore[arg-type]
            ears.heard += [repr(embedder), str(embedder), repr(embedder.spending), repr(vars(embedder))]
            double.behaviour.script = [fault] * 2
            for texts in (
                [f"{CONTENT} {number}"],
                [f"{CONTENT} poison {number}", f"{CONTENT} {number} b"],
                [f"{CONTENT} " * 4000],
                [f"{CONTENT}\ud800"],
            ):
                double.behaviour.poison = {"poison"}
                try:
                    ears.heard.append(repr(embedder.embed_accounted(texts, "document").refused))
                    embedder.embed(texts, "document")
                except Exception as error:
                    ears.error(error)
                embedder._pacer.succeeded()
                double.behaviour.script = [fault] * 2
            path = folder / f"store-{number}.db"
            settings = Settings(observer=ears, queue=QueueSettings(max_attempts=1, backoff_seconds=0.01))
            with VectorManager(path, embedder=embedder, settings=settings) as store:
                store.add([f"{CONTENT} of a store {number}", f"{CONTENT} poison of a store {number}"], wait=True)
                ears.heard += [repr(store.drain()), repr([(letter.attempts, letter.error) for letter in store.dead_letters()])]
                ears.heard += [repr(store.stats()), repr(store)]
                double.behaviour.script = [fault] * 9
                for mode in ("hybrid", "dense"):
                    try:
                        store.search(f"{CONTENT} sought", 1, mode=mode)  # type: ignore[arg-type]
                    except Exception as error:
                        ears.error(error)
                double.behaviour.script = []


def test_nothing_shows_a_key_or_a_content(ears: Ears, tmp_path: Path) -> None:
    with Double(Behaviour()) as double:
        everything_goes_wrong(ears, tmp_path, double)
        assert double.behaviour.faults.keys() >= set(Fault)
    assert len(ears.heard) > 200
    assert ears.canaries() == []
    for file in (tmp_path / "cache").iterdir():
        data = file.read_bytes()
        assert CONTENT.encode() not in data
        assert b"CANARYKEY" not in data


@pytest.mark.parametrize("leak", ["log", "error", "event", "repr", "cause"])
def test_a_leak_is_found_by_the_same_check(ears: Ears, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leak: str) -> None:
    from vectopt.embedding import openai, wire

    send = wire.send

    def leaking(client: Any, body: Any, dimensions: Any) -> Any:
        if leak == "log":
            logging.getLogger("vectopt").debug("sending %s", body)
        if leak == "error":
            raise wire.Failed(f"could not send {body}")
        return send(client, body, dimensions)

    monkeypatch.setattr(openai, "send", leaking)
    if leak == "cause":

        def failing(self: OpenAIEmbedder, texts: Any, role: Any) -> Any:
            raise EmbedderFailed("could not send") from ValueError(KEY)

        monkeypatch.setattr(OpenAIEmbedder, "embed_accounted", failing)
    if leak == "repr":
        monkeypatch.setattr(Secret, "__repr__", lambda self: self.reveal())
    if leak == "event":
        monkeypatch.setattr(VectorManager, "_tell", lambda self, event: self._observer.notify(Event(event.name, {"key": KEY})))
    with Double(Behaviour()) as double:
        everything_goes_wrong(ears, tmp_path, double, [Fault.NONE])
    assert ears.canaries() != []


def test_the_sdks_own_log_is_hushed_for_our_requests_alone(ears: Ears, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some versions of it log whole requests."""
    hush()
    log = logging.getLogger("openai._base_client")
    with Double() as double, OpenAIEmbedder(api_key=KEY, base_url=double.url, dimensions=8) as embedder:
        client = embedder._connected()
        post = client.embeddings._post

        def logged(*args: Any, **kwargs: Any) -> Any:
            log.debug("Request options: %s", kwargs)
            return post(*args, **kwargs)

        monkeypatch.setattr(client.embeddings, "_post", logged)
        embedder.embed([CONTENT], "document")
        assert ears.canaries() == []
        client.embeddings.create(model="m", input=[CONTENT])
        assert ears.canaries() != []


def test_a_secret_says_nothing_of_itself() -> None:
    secret = Secret(KEY)
    assert "CANARY" not in f"{secret!r} {secret} {[secret]}"
    assert secret.reveal() == KEY
    with pytest.raises(TypeError):
        pickle.dumps(secret)
