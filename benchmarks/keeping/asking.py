"""How long searches take, while nothing else is done or while something is, and what they find."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle

import numpy as np
from indexing.corpus import Floats

from vectopt import VectorManager

Question = tuple[int, str, Floats]  # the number of the text that should be found, words, vector
K = 10


class Asker:
    """Searches again and again, in a thread of its own, and keeps how long each search took."""

    def __init__(self, manager: VectorManager, questions: Sequence[Question]) -> None:
        self._manager = manager
        self._questions = questions
        self._stop = threading.Event()
        self.milliseconds: list[float] = []
        self.error: BaseException | None = None

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Search while the block is at work."""
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            for _, words, vector in cycle(self._questions):
                if self._stop.is_set():
                    return
                begun = time.perf_counter()
                self._manager.search(vector, K, text=words)
                self.milliseconds.append(1e3 * (time.perf_counter() - begun))
        except BaseException as error:
            self.error = error

    def percentile(self, percent: float) -> float:
        """Return the time that so many percent of the searches took at the most."""
        return float(np.percentile(self.milliseconds, percent))


def while_doing(manager: VectorManager, questions: Sequence[Question], work: Callable[[], object]) -> tuple[float, Asker]:
    """Search while something is done; return how long that took, and the searches."""
    asker = Asker(manager, questions)
    with asker.asking():
        begun = time.perf_counter()
        work()
        seconds = time.perf_counter() - begun
    return seconds, asker


def spin(seconds: float) -> None:
    """Keep the interpreter busy."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        sum(range(1000))


def recall(manager: VectorManager, questions: Sequence[Question]) -> float:
    """Return the share of the texts asked for that are the best hit."""
    answers = (manager.search(vector, K, text=words) for _, words, vector in questions)
    return float(np.mean([str(number) in [hit.id for hit in hits[:1]] for (number, _, _), hits in zip(questions, answers, strict=True)]))
