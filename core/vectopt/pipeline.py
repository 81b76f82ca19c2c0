"""Batches through an embedder, as many at a time as it wants: claimed, embedded, settled. What is claimed is always given back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from threading import Thread
from typing import ParamSpec, Protocol, TypeVar

from .embedding.checked import checked_vectors
from .embedding.flight import Flight
from .protocols import Embedded, Embedder

Answer = Embedded | Exception

_AHEAD = 2  # times as many batches are claimed as calls are made at a time


class Batch(Protocol):
    """Texts for one call of the embedder."""

    @property
    def texts(self) -> list[str]:
        """The texts, in order."""
        ...


B = TypeVar("B", bound=Batch)
P = ParamSpec("P")
R = TypeVar("R")


class Desk(Protocol[B]):
    """Where batches come from and go to. Every batch that was claimed is settled or released, once."""

    @property
    def over(self) -> bool:
        """Whether what has not begun had better not."""
        ...

    def claim(self) -> B | None:
        """Return the next batch, None where there is none to do."""
        ...

    def settle(self, batch: B, answer: Answer) -> None:
        """Take in what the embedder answered, or what it raised."""
        ...

    def release(self, batch: B) -> None:
        """Take back a batch that came to nothing, at nobody's fault."""
        ...

    def renew(self, batches: Sequence[B]) -> None:
        """Hold on to batches that take their time."""
        ...


def width_of(embedder: Embedder) -> int:
    """Return how many calls an embedder wants at a time."""
    width = getattr(embedder, "concurrency", 1)
    return width if isinstance(width, int) and width > 0 else 1


def run(desk: Desk[B], embedder: Embedder, renew_seconds: float) -> None:
    """Work off a desk. One call at a time is made in this thread; several in threads, and as many batches again are claimed ahead, so
    that none of them waits while an answer is settled.
    """
    width = width_of(embedder)
    flight: Flight[B, Answer] = Flight(width)
    renewed = time.monotonic()
    try:
        while True:
            while len(flight.flying) < _AHEAD * width and (batch := desk.claim()) is not None:
                if width > 1 and batch.texts:
                    flight.start(batch, partial(answered, embedder, batch.texts))
                else:
                    _settle_alone(desk, embedder, batch)
            if not flight.flying:
                return
            landed = flight.land(renew_seconds)
            if landed is not None:
                desk.settle(*landed)
            if time.monotonic() - renewed >= renew_seconds:
                desk.renew(flight.flying)
                renewed = time.monotonic()
            for batch in flight.call_off() if desk.over else ():
                desk.release(batch)
    except BaseException:  # interrupted: nobody's fault, and others need not wait for the lease
        for batch in [*flight.call_off(), *flight.flying]:
            desk.release(batch)
        raise


def _settle_alone(desk: Desk[B], embedder: Embedder, batch: B) -> None:
    try:
        answer = answered(embedder, batch.texts)
    except BaseException:
        desk.release(batch)
        raise
    desk.settle(batch, answer)


async def arun(desk: Desk[B], embedder: Embedder, renew_seconds: float) -> None:
    """Do the same without blocking the event loop; an embedder that can be awaited is."""
    width = width_of(embedder)
    turns = asyncio.Semaphore(width)
    flying: dict[asyncio.Task[Answer | None], B] = {}
    renewed = time.monotonic()
    try:
        while True:
            while len(flying) < (_AHEAD * width if width > 1 else 1) and (batch := await _claimed(desk)) is not None:
                flying[asyncio.create_task(_in_turn(turns, desk, embedder, batch.texts))] = batch
            if not flying:
                return
            landed, _ = await asyncio.wait(flying, timeout=renew_seconds, return_when=asyncio.FIRST_COMPLETED)
            for call in landed:
                batch, answer = flying.pop(call), call.result()
                await (asyncio.to_thread(desk.release, batch) if answer is None else asyncio.to_thread(desk.settle, batch, answer))
            if time.monotonic() - renewed >= renew_seconds:
                await asyncio.to_thread(desk.renew, list(flying.values()))
                renewed = time.monotonic()
    except BaseException:  # cancelled: as above
        for call in flying:
            call.cancel()
        await asyncio.shield(asyncio.to_thread(_release_all, desk, list(flying.values())))
        raise


async def _in_turn(turns: asyncio.Semaphore, desk: Desk[B], embedder: Embedder, texts: Sequence[str]) -> Answer | None:
    """Return the answer, or None where it is better not to ask any more."""
    async with turns:
        return None if desk.over else await _aanswered(embedder, texts)


async def off_loop(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Return what `work` does in a thread, once it is done: cancelled, it is waited for all the same."""
    working = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        raise


async def _claimed(desk: Desk[B]) -> B | None:
    claiming = asyncio.ensure_future(asyncio.to_thread(desk.claim))
    try:
        return await asyncio.shield(claiming)
    except asyncio.CancelledError:
        batch = await claiming  # it goes on in its thread: what it claims must be given back
        if batch is not None:
            await asyncio.to_thread(desk.release, batch)
        raise


def _release_all(desk: Desk[B], batches: Sequence[B]) -> None:
    for batch in batches:
        desk.release(batch)


def answered(embedder: Embedder, texts: Sequence[str]) -> Answer:
    """Return what an embedder answers, checked, or what it raises."""
    try:
        if not texts:
            return _nothing()
        accounted = getattr(embedder, "embed_accounted", None)
        return _checked(embedder.embed(texts, "document") if accounted is None else accounted(texts, "document"), texts, embedder)
    except Exception as error:  # an embedder may raise anything; the texts stay queued
        return error


async def _aanswered(embedder: Embedder, texts: Sequence[str]) -> Answer:
    aembed = getattr(embedder, "aembed", None)
    if aembed is None:
        return await _in_thread(partial(answered, embedder, texts))
    try:
        return _checked(await aembed(texts, "document"), texts, embedder) if texts else _nothing()
    except Exception as error:  # as above
        return error


async def _in_thread(call: Callable[[], Answer]) -> Answer:
    """Await a call in a thread of its own: those of the loop are for what takes no time."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Answer] = loop.create_future()

    def tell(answer: Answer) -> None:
        if not future.done():
            future.set_result(answer)

    def work() -> None:
        answer = call()
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, answer)

    Thread(target=work, name="vectopt-embedding", daemon=True).start()
    return await future


def _nothing() -> Embedded:
    return Embedded([], 0)


def _checked(answer: object, texts: Sequence[str], embedder: Embedder) -> Embedded:
    """Return an answer with its vectors checked."""
    account = answer if isinstance(answer, Embedded) else Embedded(answer, None)
    return replace(account, vectors=checked_vectors(account.vectors, len(texts), embedder.dimensions))
