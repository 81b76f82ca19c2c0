"""When a request may go: what the headers of a server say, in every form, and what patience there is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectopt.embedding.pacing import Pacer, duration
from vectopt.embedding.packing import beginning, packed, pieces
from vectopt.errors import EmbedderBusy, EmbedderStopped


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def pacer(time: Time) -> Pacer:
    return Pacer(4, time.clock, time.sleep, 1)


def told(kind: str, limit: int, remaining: int, reset: str) -> dict[str, str]:
    return {f"x-ratelimit-limit-{kind}": str(limit), f"x-ratelimit-remaining-{kind}": str(remaining), f"x-ratelimit-reset-{kind}": reset}


def went(pacer: Pacer, time: Time, tokens: int = 1) -> float:
    """Return how long a request waited."""
    before = time.now
    with pacer.turn(tokens, time.now + 1000):
        pass
    return time.now - before


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("1s", 1),
        ("6m0s", 360),
        ("20ms", 0.02),
        ("1h2m3.5s", 3723.5),
        ("2d", 172800),
        ("", None),
        ("soon", None),
        ("1 s", None),
        (None, None),
    ],
)
def test_durations_as_headers_tell_them(said: str | None, seconds: float | None) -> None:
    assert duration(said) == seconds


def test_tokens_are_waited_for_at_the_pace_they_come_back(pacer: Pacer, time: Time) -> None:
    pacer.learn(told("tokens", 1000, 100, "9s"))  # 100 a second
    assert went(pacer, time, 100) == 0
    assert went(pacer, time, 300) == pytest.approx(3, abs=0.3)


def test_requests_too(pacer: Pacer, time: Time) -> None:
    pacer.learn(told("requests", 60, 2, "58s"))
    assert [went(pacer, time) for _ in range(3)] == [0, 0, pytest.approx(1, abs=0.3)]


def test_what_flies_is_not_counted_as_left(pacer: Pacer, time: Time) -> None:
    with pacer.turn(400, 1000):
        pacer.learn(told("tokens", 1000, 500, "5s"))
        assert went(pacer, time, 200) == pytest.approx(1, abs=0.3)


def test_a_request_larger_than_the_limit_waits_for_all_of_it(pacer: Pacer, time: Time) -> None:
    pacer.learn(told("tokens", 1000, 500, "5s"))
    assert pacer.most_tokens == 1000
    assert went(pacer, time, 5000) == pytest.approx(5, abs=0.3)


@pytest.mark.parametrize("headers", [{}, told("tokens", 0, 0, "0s"), told("tokens", 10, 0, "never"), {"x-ratelimit-limit-tokens": "nan"}])
def test_odd_headers_stop_nothing_for_ever(pacer: Pacer, time: Time, headers: dict[str, str]) -> None:
    pacer.learn(headers)
    assert went(pacer, time) < 61


def test_a_pause_is_everyones(pacer: Pacer, time: Time) -> None:
    pacer.limited(7.0)
    assert went(pacer, time) == pytest.approx(7, abs=0.3)
    pacer.limited(7.0)
    with pytest.raises(EmbedderBusy) as caught, pacer.turn(1, time.now + 5):
        pass
    assert caught.value.retry_after == pytest.approx(7)


def test_backoff_has_full_jitter_and_an_end(pacer: Pacer) -> None:
    for failures, most in ((1, 0.5), (4, 4), (20, 60), (10_000, 60)):
        waits = [pacer.backoff(failures) for _ in range(300)]
        assert 0 <= min(waits) < most / 10
        assert most * 0.9 < max(waits) <= most


def test_stopped_lets_one_look_a_minute(pacer: Pacer, time: Time) -> None:
    raise_it = pacer.stopped("no key")
    assert isinstance(raise_it, EmbedderStopped)
    with pytest.raises(EmbedderStopped, match="no key"), pacer.turn(1, 1e9):
        pass
    time.now += 61
    with pacer.turn(1, 1e9), pytest.raises(EmbedderStopped), pacer.turn(1, 1e9):
        pass
    pacer.succeeded()
    assert went(pacer, time) == 0


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 10), st.integers(50, 200))
def test_requests_keep_to_both_limits_and_to_the_order(tokens: list[int], most_texts: int, most_tokens: int) -> None:
    parts = packed(tokens, most_texts, most_tokens)
    assert [one for part in parts for one in tokens[part]] == tokens
    assert all(0 < len(tokens[part]) <= most_texts and sum(tokens[part]) <= most_tokens for part in parts)


@given(st.text(max_size=300), st.integers(1, 40))
def test_pieces_are_the_whole_text_and_none_is_too_long(text: str, most: int) -> None:
    def count(part: str) -> int:
        return len(part)

    parts = pieces(text, count, most)
    assert "".join(parts) == text
    assert all(count(part) <= most for part in parts)
    first = beginning(text, count, most)
    assert text.startswith(first)
    assert count(first) == min(most, len(text))
