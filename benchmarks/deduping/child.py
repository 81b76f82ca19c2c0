"""One clustering in a process of its own: its CPU time, its memory, its labels; or why there are none."""

from __future__ import annotations

import multiprocessing as mp
import re
import resource
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from vectopt.compression import Tokenizer

from .agreement import Labels
from .engines import ENGINES
from .streams import read

_STATUS = Path("/proc/self/status")  # not ru_maxrss: a child process starts with its parent's
_CLEAR = Path("/proc/self/clear_refs")
_CLEAR_PEAK = "5"
_PATIENCE = 10  # times the limit of CPU time, after which a process is taken for hung


@dataclass(frozen=True)
class Clustering:
    """What an engine did: CPU seconds of all its threads, and the most MB it held above its texts."""

    seconds: float
    mb: float
    labels: Labels


def clustering(name: str, path: Path, tokenizer: Tokenizer, cap: float) -> Clustering | str:
    """Let an engine cluster the stream that is written at the path.

    Args:
        name: the engine's.
        path: of the stream.
        tokenizer: what takes texts apart.
        cap: CPU seconds it may take.

    Returns:
        What it did, or why it did not.
    """
    if find_spec(ENGINES[name].package) is None:
        return "not installed"
    context = mp.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(name, path, tokenizer, cap, there), daemon=True)
    process.start()
    there.close()
    try:
        answer: Clustering | str = here.recv() if here.poll(cap * _PATIENCE) else f"silent for {cap * _PATIENCE:g} s"
    except EOFError:
        process.join()
        answer = f"over limit: {cap:g} s of CPU" if process.exitcode == -signal.SIGXCPU else f"ended with {process.exitcode}"
    process.kill()
    process.join()
    return answer


def _serve(name: str, path: Path, tokenizer: Tokenizer, cap: float, pipe: Any) -> None:
    try:
        texts, cluster = read(path), ENGINES[name].prepared()
        _limit(cap)
        before, begun = _settled_mb(), time.process_time()
        labels = cluster(texts, tokenizer)
        seconds = time.process_time() - begun
        pipe.send(Clustering(seconds, _peak_mb() - before, np.array(labels, np.int64)))
    except Exception as error:  # a peer may raise anything; its row says what
        pipe.send(f"failed: {type(error).__name__}: {error}"[:200])


def _limit(seconds: float) -> None:
    """Let the system end this process when it has taken so many more seconds of CPU."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    until = int(time.process_time() + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (until, until + 1))


def _settled_mb() -> float:
    """Return the memory this process holds, and let it count its peak from here; where the system can't, the peak so far."""
    with suppress(OSError):
        _CLEAR.write_text(_CLEAR_PEAK)
    return _peak_mb()


def _peak_mb() -> float:
    """Return the most memory this process ever held."""
    if _STATUS.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())):
        return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
