"""When a request may go: as many at a time as allowed, within the limits the server tells, and no one while it asks to wait."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from threading import Lock

from ..errors import EmbedderBusy, EmbedderStopped

_LONGEST = 60.0  # seconds of a backoff
_FIRST = 0.5
_LEAST = 0.01  # more each time: a server that says "at once" may go on saying so
_LOOK = 0.25  # seconds between looks: what others learn meanwhile may shorten a wait
_PARTS = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(slots=True)
class Allowance:
    """What is left of a limit, refilled as time goes by; unlimited until the server tells."""

    limit: float = math.inf
    left: float = math.inf
    rate: float = 0.0  # a second
    at: float = 0.0
    flying: float = 0.0  # taken by requests that are not answered yet

    def now(self, now: float) -> float:
        """Return how much is left."""
        return min(self.limit, self.left + self.rate * (now - self.at))

    def wait(self, amount: float, now: float) -> float:
        """Return for how many seconds to wait until so much is left; a request larger than the limit waits for all of it."""
        short = min(amount, self.limit) - self.now(now)
        if short <= 0 or math.isinf(self.limit):
            return 0.0
        return short / self.rate if self.rate > 0 else _LOOK

    def take(self, amount: float, now: float) -> None:
        """Count a request in."""
        self.left, self.at = self.now(now) - amount, now
        self.flying += amount

    def learn(self, limit: float | None, remaining: float | None, reset: float | None, now: float) -> None:
        """Believe what an answer says. What flies may be in its figures or not: on the safe side, it isn't."""
        if limit is None or remaining is None or limit <= 0:
            return
        self.limit, self.at = limit, now
        self.left = max(0.0, remaining - self.flying)
        if reset is not None and reset > 0 and remaining < limit:
            self.rate = (limit - remaining) / reset
        elif self.rate <= 0:
            self.rate = limit / 60


class Pacer:
    """Shared by all threads that send requests of one embedder.

    Args:
        concurrency: how many requests at a time.
        clock: seconds that only ever grow.
        sleep: waits so many seconds.
        seed: of the jitter.
    """

    def __init__(self, concurrency: int, clock: Callable[[], float], sleep: Callable[[float], None], seed: int | None) -> None:
        self._places = concurrency
        self._clock = clock
        self._sleep = sleep
        self._random = Random(seed)  # noqa: S311 - jitter
        self._lock = Lock()
        self._requests = Allowance()
        self._tokens = Allowance()
        self._flying = 0
        self._paused_until = 0.0
        self._limited = 0  # 429s in a row
        self._broken: tuple[str, float] | None = None  # why it is stopped, and when to look again
        self.successes = 0
        self.pauses = 0

    def now(self) -> float:
        """Return the time that deadlines are told in."""
        return self._clock()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._sleep(seconds)

    @property
    def most_tokens(self) -> float:
        """The most tokens a request may have, as far as is known."""
        return self._tokens.limit

    @contextmanager
    def turn(self, tokens: int, deadline: float) -> Iterator[None]:
        """Wait until a request may go, and hold its place while it flies.

        Raises:
            EmbedderBusy: that would be after the deadline.
            EmbedderStopped: nothing goes until it is time to look again; then one request does.
        """
        while (wait := self._take(tokens, deadline)) > 0:
            self._sleep(min(wait, _LOOK))
        try:
            yield
        finally:
            with self._lock:
                self._flying -= 1
                self._requests.flying -= 1
                self._tokens.flying -= tokens

    def _take(self, tokens: int, deadline: float) -> float:
        """Take a place and return 0, or return how long to wait."""
        with self._lock:
            now = self._clock()
            if self._broken is not None:
                why, until = self._broken
                if now < until:
                    raise EmbedderStopped(why, retry_after=until - now)
                self._broken = why, now + _LONGEST  # this one looks; the others wait for what it finds
            wait = max(self._paused_until - now, self._requests.wait(1, now), self._tokens.wait(tokens, now))
            if wait > 0 and now + wait > deadline:
                raise EmbedderBusy("the embedder's limits are reached; the texts wait", retry_after=wait)
            if wait <= 0 and self._flying >= self._places:
                wait = 0.002  # others will be done soon; they may wait for the same reason, so no deadline
            if wait <= 0:
                self._flying += 1
                self._requests.take(1, now)
                self._tokens.take(tokens, now)
            return wait

    def succeeded(self) -> None:
        """Take note that the server did what it was asked."""
        with self._lock:
            self.successes += 1
            self._limited = 0
            self._broken = None

    def learn(self, headers: Mapping[str, str]) -> None:
        """Take in what an answer says of the limits."""
        with self._lock:
            now = self._clock()
            for name, allowance in (("requests", self._requests), ("tokens", self._tokens)):
                limit, remaining = (_number(headers.get(f"x-ratelimit-{what}-{name}")) for what in ("limit", "remaining"))
                allowance.learn(limit, remaining, duration(headers.get(f"x-ratelimit-reset-{name}")), now)

    def limited(self, retry_after: float | None) -> float:
        """Have everyone wait, as long as the server asks, or else longer each time; return how long."""
        with self._lock:
            self._limited += 1
            self.pauses += 1
            wait = self._backoff(self._limited) if retry_after is None else max(retry_after, min(1.0, _LEAST * self._limited))
            self._paused_until = max(self._paused_until, self._clock() + wait)
            return wait

    def stopped(self, why: str) -> EmbedderStopped:
        """Let nothing go for a minute, and return the error that says so."""
        with self._lock:
            self._broken = why, self._clock() + _LONGEST
        return EmbedderStopped(why, retry_after=_LONGEST)

    def backoff(self, failures: int) -> float:
        """Return how long to wait after so many failures in a row: full jitter, doubled each time."""
        with self._lock:
            return self._backoff(failures)

    def _backoff(self, failures: int) -> float:
        return self._random.uniform(0, min(_LONGEST, _FIRST * 2 ** (min(failures, 16) - 1)))


def duration(told: str | None) -> float | None:
    """Return the seconds of a duration as headers tell it ("1s", "6m0s", "20ms"); None where it is none."""
    if told is None:
        return None
    parts = _PARTS.findall(told)
    if "".join(f"{number}{unit}" for number, unit in parts) != told.strip() or not parts:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _number(told: str | None) -> float | None:
    try:
        number = float(told) if told is not None else None
    except ValueError:
        return None
    return number if number is not None and math.isfinite(number) else None
