"""Requests until there is an answer: one layer of retries, shared pauses, and bad texts found out by halving."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import EmbedderBusy, EmbedderFailed
from .pacing import Pacer
from .wire import Denied, Failed, Limited, Rejected, Reply, Trouble

_OUTAGE = 30.0  # seconds until it is worth another try
_PROBE = "ping"


@dataclass(slots=True)
class Tally:
    """What was sent and paid. Counts only ever grow."""

    requests: int = 0
    inputs: int = 0
    tokens: int = 0
    retries: int = 0


@dataclass(slots=True)
class Parcel:
    """Texts that go together, what each costs, and the vectors and refusals that come of it."""

    texts: Sequence[str]
    tokens: Sequence[int]
    vectors: list[NDArray[np.float32] | None] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    paid: int = 0

    def __post_init__(self) -> None:
        self.vectors = [None] * len(self.texts)


class Sender:
    """Sends parcels, from any thread.

    Args:
        post: sends one request and returns the answer with its headers, or raises a `Trouble`.
        pacer: says when a request may go.
        most_retries: of a request that failed; being asked to wait is no failure.
        count: is told what each request did.
    """

    def __init__(
        self, post: Callable[[Sequence[str]], tuple[Reply, Any]], pacer: Pacer, most_retries: int, count: Callable[[Tally], None]
    ) -> None:
        self._post = post
        self._pacer = pacer
        self._most = most_retries
        self._count = count

    def send(self, parcel: Parcel, deadline: float) -> None:
        """Fill in a parcel's vectors and refusals.

        Raises:
            EmbedderBusy: there was no answer by the deadline, or there is an outage.
            EmbedderStopped: the key, the quota or the settings are refused.
            EmbedderFailed: the server keeps failing at these very texts.
        """
        try:
            self._send(parcel, 0, len(parcel.texts), deadline)
        except EmbedderFailed as error:
            error.tokens += parcel.paid
            raise

    def _send(self, parcel: Parcel, start: int, end: int, deadline: float) -> None:
        tokens = sum(parcel.tokens[start:end])
        alone = end - start == 1
        if alone or tokens <= self._pacer.most_tokens:
            reply = self._answered(parcel, start, end, tokens, deadline)
            if isinstance(reply, Reply):
                parcel.vectors[start:end] = list(reply.vectors)
                return
            if alone:
                parcel.refused[start] = reply
                return
        middle = (start + end) // 2
        self._send(parcel, start, middle, deadline)
        self._send(parcel, middle, end, deadline)

    def _answered(self, parcel: Parcel, start: int, end: int, tokens: int, deadline: float) -> Reply | str:
        """Return the answer to a request, or why the server refuses it as it is."""
        failures, good_before = 0, self._pacer.successes
        while True:
            trouble: Trouble
            try:
                with self._pacer.turn(tokens, deadline):
                    return self._once(parcel.texts[start:end], tokens, parcel)
            except Trouble as caught:
                trouble = caught
            if isinstance(trouble, Denied):
                raise self._pacer.stopped(str(trouble))
            if isinstance(trouble, Rejected):
                if not self._pacer.successes:  # nothing ever succeeded: is it the texts, or all that we ask for?
                    self._probe(parcel, deadline, str(trouble))
                return str(trouble)
            if isinstance(trouble, Limited):
                self._pacer.learn(trouble.headers)
                if end - start > 1 and tokens > self._pacer.most_tokens:
                    return str(trouble)  # it would never go as it is
                self._pacer.limited(trouble.retry_after)
                continue
            failures += 1
            if failures > self._most:
                raise self._given_up(trouble, parcel, deadline, others_do=self._pacer.successes > good_before)
            self._count(Tally(retries=1))
            wait = self._pacer.backoff(failures)
            if isinstance(trouble, Failed) and trouble.retry_after is not None:
                wait = trouble.retry_after
            if self._pacer.now() + wait > deadline:
                raise EmbedderBusy(str(trouble), retry_after=wait)
            self._pacer.sleep(wait)

    def _once(self, texts: Sequence[str], tokens: int, parcel: Parcel) -> Reply:
        paid = 0
        try:
            reply, headers = self._post(texts)
            paid = tokens if reply.tokens is None else reply.tokens
        except Trouble as trouble:
            paid = tokens if trouble.paid else 0
            headers = trouble.headers
            raise
        finally:
            parcel.paid += paid
            self._count(Tally(requests=1, inputs=len(texts) if paid else 0, tokens=paid))
        self._pacer.learn(headers)
        self._pacer.succeeded()
        return reply

    def _given_up(self, trouble: Trouble, parcel: Parcel, deadline: float, *, others_do: bool) -> EmbedderFailed:
        """Return what it means that all tries failed: it is these texts' doing where the server does what others ask of it."""
        if not others_do:
            try:
                with self._pacer.turn(1, deadline):
                    self._once([_PROBE], 1, parcel)
            except Trouble:
                return EmbedderBusy(str(trouble), retry_after=_OUTAGE)
        return EmbedderFailed(str(trouble))

    def _probe(self, parcel: Parcel, deadline: float, why: str) -> None:
        """Ask for something harmless; raises EmbedderStopped where that is refused, too."""
        refused = False
        try:
            with self._pacer.turn(1, deadline):
                self._once([_PROBE], 1, parcel)
        except (Rejected, Denied):
            refused = True
        except Trouble:
            pass  # nothing is learned of it
        if refused:
            raise self._pacer.stopped(f"every request is refused: {why}")
