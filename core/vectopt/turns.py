"""First come, first served: as many threads at work as there are processors, the others asleep until it is their turn."""

from __future__ import annotations

from collections import deque
from threading import Lock, local
from time import monotonic, sleep
from types import TracebackType

_AT_WORK = 0.002  # seconds of work on the side after which it gives way
_GIVES_WAY = 0.02  # seconds, at the most: it must get done, too
_LOOKS = 0.0005  # seconds between two looks whether somebody is in


class Turns:
    """Lets a number of threads in at a time, in the order in which they came.

    Searches of many threads would otherwise pass the interpreter's lock to each other between any two of their short
    array operations: all of them together get less done than a few at a time, and the unlucky ones wait long. A thread
    that is in may enter again: a caller's filter may search.

    Args:
        places: how many threads may be in.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._free = places
        self._guard = Lock()
        self._waiting: deque[Lock] = deque()
        self._mine = local()

    def __enter__(self) -> None:
        depth = getattr(self._mine, "depth", 0)
        if not depth:
            self._wait()
        self._mine.depth = depth + 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._mine.depth -= 1
        if not self._mine.depth:
            self._leave()

    def give_way(self) -> None:
        """Let those who are in finish, for a while: to be called often by work on the side, which comes without a turn.

        A thread that computes keeps the interpreter's lock from a search between any two of its short array operations, for
        five milliseconds each time. So work on the side is done in pieces of two, when nobody is in.
        """
        now = monotonic()
        if now - getattr(self._mine, "gave_way", 0.0) < _AT_WORK:
            return
        while self._free < self._places and monotonic() - now < _GIVES_WAY:
            sleep(_LOOKS)
        self._mine.gave_way = monotonic()

    def _wait(self) -> None:
        turn = Lock()
        turn.acquire()
        queued = False
        try:
            with self._guard:
                self._waiting.append(turn)
                queued = True
                self._let_in()
            turn.acquire()
        except BaseException:  # interrupted
            with self._guard:
                if turn in self._waiting:
                    self._waiting.remove(turn)
                elif queued:  # its turn had come already
                    self._free += 1
                    self._let_in()
            raise

    def _leave(self) -> None:
        with self._guard:
            self._free += 1
            self._let_in()

    def _let_in(self) -> None:
        while self._free and self._waiting:
            self._free -= 1
            self._waiting.popleft().release()
