"""The OpenAI embedder against a server: limits, order, costs, long texts, and what each failure comes to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import numpy as np
import pytest

from vectopt.embedding import OpenAIEmbedder
from vectopt.errors import EmbedderBusy, EmbedderFailed, EmbedderStopped, InvalidSettings, MissingExtra, TextsRefused
from vectopt.testing import EmbedderContract

from .openai_double import Double, Fault, vectors_of
from .openai_double.behaviour import tokens_of

SMALL = "text-embedding-3-small"
Make = Callable[..., OpenAIEmbedder]


class Time:
    """Passes when it is slept, and never otherwise."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds
            self.slept.append(seconds)


@pytest.fixture
def double() -> Iterator[Double]:
    with Double() as one:
        yield one


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def make(double: Double, time: Time) -> Iterator[Make]:
    made: list[OpenAIEmbedder] = []

    def make(**options: Any) -> OpenAIEmbedder:
        options = {
            "api_key": "sk-test",
            "base_url": double.url,
            "dimensions": 32,
            "clock": time.clock,
            "sleep": time.sleep,
            "seed": 1,
            **options,
        }
        made.append(OpenAIEmbedder(**options))
        return made[-1]

    yield make
    for embedder in made:
        embedder.close()


def expected(texts: list[str], model: str = SMALL, dimensions: int = 32) -> np.ndarray:
    return vectors_of(texts, model, dimensions)


def texts_of(count: int) -> list[str]:
    return [f"text number {number}" for number in range(count)]


class TestContract(EmbedderContract):
    @pytest.fixture(autouse=True)
    def _made(self, make: Make) -> None:
        self._make = make

    def make_embedder(self) -> OpenAIEmbedder:
        return self._make()


class TestAnswers:
    @pytest.mark.parametrize(("model", "size"), [(SMALL, 1536), ("text-embedding-3-large", 3072), ("text-embedding-ada-002", 1536)])
    def test_each_models_own_dimensions(self, make: Make, model: str, size: int) -> None:
        embedder = make(model=model, dimensions=None)
        assert (embedder.name, embedder.dimensions) == (f"openai/{model}", size)
        np.testing.assert_allclose(embedder.embed(["a"], "query"), expected(["a"], model, size), atol=1e-6)

    def test_another_servers_model_tells_its_dimensions_itself(self, make: Make) -> None:
        embedder = make(model="some-model", dimensions=None)
        assert embedder.dimensions is None
        embedder.embed(["a"], "document")
        assert embedder.dimensions == 64

    def test_lists_of_floats_are_understood_as_base64_is(self, make: Make, double: Double) -> None:
        take = double.behaviour._reply

        def as_floats(fault: Fault, request: dict[str, Any], *rest: Any) -> Any:
            return take(fault, {**request, "encoding_format": "float"}, *rest)

        double.behaviour._reply = as_floats  # type: ignore[method-assign]
        np.testing.assert_allclose(make().embed(["a", "b"], "document"), expected(["a", "b"]), atol=1e-6)

    @pytest.mark.parametrize("fault", [Fault.SHORT, Fault.NAN, Fault.SIZE, Fault.ZERO, Fault.SHUFFLED, Fault.TWICE, Fault.GARBLED])
    def test_a_bad_answer_is_never_believed(self, make: Make, double: Double, fault: Fault) -> None:
        double.behaviour.script = [fault]
        texts = texts_of(30)
        np.testing.assert_allclose(make().embed(texts, "document"), expected(texts), atol=1e-6)
        assert double.behaviour.requests == (1 if fault is Fault.SHUFFLED else 2)

    def test_blank_texts_have_zeros_and_are_not_sent(self, make: Make, double: Double) -> None:
        vectors = make().embed(["", "a", " \n"], "document")
        assert not vectors[0].any()
        assert not vectors[2].any()
        np.testing.assert_allclose(vectors[1:2], expected(["a"]), atol=1e-6)
        assert double.behaviour.paid_inputs == 1

    def test_no_texts_are_no_request(self, make: Make, double: Double) -> None:
        assert make().embed([], "document").shape == (0, 32)
        assert double.behaviour.requests == 0


class TestLimits:
    def test_as_few_requests_as_the_limits_allow(self, make: Make, double: Double) -> None:
        many = texts_of(5000)
        np.testing.assert_allclose(make(dimensions=8).embed(many, "document"), expected(many, dimensions=8), atol=1e-6)
        assert sorted(double.behaviour.sizes) == [904, 2048, 2048]
        long = [f"{number} " + "word " * 3000 for number in range(150)]
        tokens = sum(map(tokens_of, long))
        double.behaviour.sizes.clear()
        make(dimensions=8).embed(long, "document")
        assert len(double.behaviour.sizes) == -(-tokens // 300_000)
        assert double.behaviour.invalid == []

    def test_without_tiktokens_file_bytes_are_the_bound(self, make: Make, double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
        texts = [f"{number} " + "word " * 600 for number in range(150)]
        with monkeypatch.context() as patch:
            patch.setattr("vectopt.embedding.tokens.encoding_at_hand", lambda name: None)
            embedder = make()
            assert embedder.count_tokens("né") == 3
            embedder.embed(texts, "document")
        assert len(double.behaviour.sizes) == 2
        assert double.behaviour.invalid == []

    def test_equal_texts_go_once_in_a_call_and_across_calls(self, make: Make, double: Double) -> None:
        embedder = make()
        first = embedder.embed(["same", "other", "same"], "document")
        np.testing.assert_array_equal(first[0], first[2])
        embedder.embed(["other", "same"], "document")
        assert double.behaviour.paid_inputs == 2
        assert embedder.spending.remembered == 2

    def test_special_tokens_are_text(self, make: Make) -> None:
        assert make().count_tokens("<|endoftext|>") > 1

    def test_as_many_requests_at_a_time_as_allowed_and_no_more(self, make: Make, double: Double) -> None:
        double.behaviour.latency = 0.05
        make(batch_texts=1, concurrency=3, dimensions=8).embed(texts_of(9), "document")
        at = double.behaviour.at
        assert all(later - earlier >= 0.045 for earlier, later in zip(at, at[3:], strict=False))


class TestLongTexts:
    def test_pooled_from_all_their_parts(self, make: Make, double: Double) -> None:
        text = " ".join(f"word{number}" for number in range(9000))
        answer = make().embed_accounted(["short", text], "document")
        assert double.behaviour.invalid == []
        assert double.behaviour.paid_inputs == 1 + int(answer.notes[1].split()[-2])
        assert np.linalg.norm(answer.vectors[1]) == pytest.approx(1, abs=1e-5)
        assert answer.notes.keys() == {1}

    @pytest.mark.parametrize("text", ["漢字" * 9000, "x" * 100_000, "🦊" * 6000, "<|endoftext|>" * 3000])
    def test_of_any_script_without_spaces(self, make: Make, double: Double, text: str) -> None:
        for policy in ("pool", "truncate"):
            assert np.isfinite(make(long_texts=policy).embed([text], "document")).all()
        assert double.behaviour.invalid == []

    def test_truncated_with_a_note(self, make: Make, double: Double) -> None:
        text = " ".join(f"word{number}" for number in range(9000))
        answer = make(long_texts="truncate").embed_accounted([text], "document")
        assert "first 8,192 tokens" in answer.notes[0]
        assert 8100 < double.behaviour.paid_tokens <= 8192

    def test_refused_alone(self, make: Make, double: Double) -> None:
        with pytest.raises(TextsRefused, match="tokens") as caught:
            make(long_texts="refuse").embed(["a", "word " * 9000], "document")
        assert caught.value.refused.keys() == {1}
        assert double.behaviour.paid_inputs == 1


class TestFailures:
    def test_a_bad_text_is_found_out_and_the_others_are_embedded_once(self, make: Make, double: Double) -> None:
        double.behaviour.poison = {"number 37 "}
        texts = [f"{text} it was" for text in texts_of(100)]
        embedder = make()
        answer = embedder.embed_accounted(texts, "document")
        assert answer.refused.keys() == {37}
        others = [number for number in range(100) if number != 37]
        np.testing.assert_allclose(answer.vectors[others], expected(texts)[others], atol=1e-6)
        assert max(double.behaviour.paid.values()) == 1
        assert double.behaviour.paid_inputs <= 100  # and one to learn that the settings are good

    def test_settings_that_are_refused_are_no_texts_fault(self, make: Make, double: Double) -> None:
        double.behaviour.refuse_all = "dimensions"
        with pytest.raises(EmbedderStopped, match="settings"):
            make().embed(texts_of(50), "document")
        assert double.behaviour.requests == 1

    def test_where_all_is_refused_no_text_is(self, make: Make, double: Double) -> None:
        double.behaviour.refuse_all = "input"
        with pytest.raises(EmbedderStopped, match="every request"):
            make().embed(texts_of(50), "document")
        assert double.behaviour.requests == 2

    @pytest.mark.parametrize("fault", [Fault.DENIED, Fault.FORBIDDEN, Fault.QUOTA])
    def test_a_refused_key_stops_everything_until_it_is_time_to_look_again(
        self, make: Make, double: Double, time: Time, fault: Fault
    ) -> None:
        double.behaviour.script = [fault] * 2
        embedder = make()
        for _ in range(3):
            with pytest.raises(EmbedderStopped, match="HTTP 4"):
                embedder.embed(["a"], "document")
        assert double.behaviour.requests == 1
        time.now += 61
        with pytest.raises(EmbedderStopped, match="HTTP 4"):
            embedder.embed(["a"], "document")
        time.now += 61
        assert embedder.embed(["a", "b"], "document").shape == (2, 32)
        assert double.behaviour.requests == 3

    def test_a_pause_that_is_asked_for_is_kept_and_is_no_failure(self, make: Make, double: Double, time: Time) -> None:
        double.behaviour.script = [Fault.LIMITED] * 20
        double.behaviour.retry_after = 2.0
        embedder = make(max_retries=1, patience_seconds=10_000)
        start = time.now
        embedder.embed(["a"], "document")
        assert double.behaviour.requests == 21
        assert time.now - start >= 20  # ten of them name the seconds
        assert (embedder.spending.pauses, embedder.spending.retries) == (20, 0)

    def test_a_pause_beyond_all_patience_is_handed_on(self, make: Make, double: Double) -> None:
        double.behaviour.script = [Fault.LIMITED]
        double.behaviour.retry_after = 500.0
        with pytest.raises(EmbedderBusy) as caught:
            make().embed(["a"], "document")
        assert caught.value.retry_after == pytest.approx(500)

    def test_a_query_waits_no_longer_than_somebody_would(self, make: Make, double: Double) -> None:
        double.behaviour.script = [Fault.LIMITED]
        double.behaviour.retry_after = 15.0
        embedder = make()
        with pytest.raises(EmbedderBusy):
            embedder.embed(["a"], "query")
        assert embedder.embed(["a"], "document").shape == (1, 32)

    def test_texts_that_break_the_server_are_charged_and_an_outage_is_not(self, make: Make, double: Double) -> None:
        double.behaviour.rude = {"rude"}
        with pytest.raises(EmbedderFailed, match="HTTP 50") as caught:
            make(max_retries=1).embed(["a rude text"], "document")
        assert not isinstance(caught.value, EmbedderBusy)
        double.behaviour.rude = {"text", "ping"}
        with pytest.raises(EmbedderBusy):
            make(max_retries=1).embed(["a text"], "document")

    def test_a_server_that_never_answers_as_asked_is_no_texts_fault(self, make: Make, double: Double) -> None:
        double.behaviour.script = [Fault.SIZE] * 50
        with pytest.raises(EmbedderBusy, match="dimensions") as caught:
            make(max_retries=2).embed(["a"], "document")
        assert caught.value.tokens == double.behaviour.paid_tokens

    def test_no_server_is_an_outage(self, make: Make) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            nobody = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        with pytest.raises(EmbedderBusy, match="no connection"):
            make(base_url=nobody, max_retries=1).embed(["a"], "document")

    def test_a_slow_answer_is_none(self, make: Make, double: Double) -> None:
        double.behaviour.latency = 0.4
        with pytest.raises(EmbedderBusy, match="in time"):
            make(timeout_seconds=0.05, max_retries=0).embed(["a"], "document")

    def test_what_was_answered_is_kept_though_the_rest_came_to_nothing(self, make: Make, double: Double) -> None:
        double.behaviour.script = [Fault.NONE, Fault.QUOTA]
        embedder = make(batch_texts=5, concurrency=1)
        with pytest.raises(EmbedderStopped) as caught:
            embedder.embed(texts_of(10), "document")
        assert caught.value.tokens == double.behaviour.paid_tokens > 0
        embedder._pacer.succeeded()
        embedder.embed(texts_of(10), "document")
        assert double.behaviour.paid_inputs == 10


class TestSpending:
    def test_it_is_what_the_server_counted(self, make: Make, double: Double) -> None:
        embedder = make(dimensions=None)
        answer = embedder.embed_accounted(["how many tokens has this text?", "東京の天気"], "document")
        spending = embedder.spending
        assert answer.tokens == spending.tokens == double.behaviour.paid_tokens
        assert spending.cost == pytest.approx(spending.tokens * 0.02 / 1e6)
        assert (spending.requests, spending.inputs) == (1, 2)
        assert embedder.count_tokens("東京の天気") == tokens_of("東京の天気")

    def test_limits_that_are_told_are_kept_without_being_refused(self, make: Make, double: Double) -> None:
        double.behaviour.requests_a_minute = 600
        embedder = OpenAIEmbedder(api_key="sk-test", base_url=double.url, dimensions=8, batch_texts=1, concurrency=4)
        double.behaviour._buckets["requests"] = (3.0, monotonic())
        with embedder:
            embedder.embed(["first"], "document")
            embedder.embed(texts_of(8), "document")
        assert embedder.spending.pauses == 0
        assert double.behaviour.paid_inputs == 9

    def test_a_request_larger_than_the_limit_a_minute_is_halved(self, double: Double) -> None:
        double.behaviour.tokens_a_minute = 60_000  # more than one of the texts has, less than all of them
        texts = [f"{number} " + "word " * 4000 for number in range(16)]
        with (
            OpenAIEmbedder(api_key="sk-test", base_url=double.url, dimensions=8, patience_seconds=0.1) as embedder,
            pytest.raises(EmbedderBusy),  # the minute's tokens are used up
        ):
            embedder.embed(texts, "document")
        assert double.behaviour.sizes[0] == 16
        assert double.behaviour.paid_inputs == 8

    def test_a_text_that_ends_connections_is_charged(self, make: Make, double: Double) -> None:
        embedder = make(max_retries=1)
        double.behaviour.script = [Fault.CUT_BEFORE, Fault.CUT_AFTER, Fault.NONE]
        with pytest.raises(EmbedderFailed, match="no connection") as caught:
            embedder.embed(["a"], "document")
        assert not isinstance(caught.value, EmbedderBusy)


class TestArguments:
    @pytest.mark.parametrize(
        ("options", "named"),
        [
            ({"model": ""}, "model"),
            ({"dimensions": 0}, "dimensions"),
            ({"model": "text-embedding-ada-002", "dimensions": 256}, "dimensions"),
            ({"batch_texts": 2049}, "batch_texts"),
            ({"batch_tokens": 300_001}, "batch_tokens"),
            ({"concurrency": True}, "concurrency"),
            ({"long_texts": "drop"}, "long_texts"),
            ({"timeout_seconds": 0}, "timeout_seconds"),
            ({"patience_seconds": float("inf")}, "patience_seconds"),
            ({"price_per_million_tokens": -1}, "price_per_million_tokens"),
            ({"max_retries": -1}, "max_retries"),
        ],
    )
    def test_what_cannot_be_is_refused_by_name(self, make: Make, options: dict[str, Any], named: str) -> None:
        with pytest.raises(InvalidSettings, match=named):
            make(**options)

    def test_without_a_key_it_says_where_one_goes(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        with pytest.raises(InvalidSettings, match="OPENAI_API_KEY"):
            make(api_key=None)

    def test_key_and_address_come_from_the_environment(self, double: Double, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        double.behaviour.key = "sk-from-the-environment"
        monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
        monkeypatch.setenv("OPENAI_BASE_URL", double.url)
        assert make(api_key=None, base_url=None).embed(["a"], "document").shape == (1, 32)

    def test_a_client_of_ones_own_is_used_without_its_retries(self, double: Double, make: Make) -> None:
        import openai

        with openai.OpenAI(api_key="sk-own", base_url=double.url, max_retries=7) as client:
            double.behaviour.script = [Fault.SERVER]
            embedder = make(api_key=None, base_url=None, client=client)
            embedder.embed(["a"], "document")
            assert embedder.spending.retries == 1
            assert double.behaviour.requests == 2

    def test_a_missing_package_is_named(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(MissingExtra, match=r"vectopt\[openai\]"):
            make()
