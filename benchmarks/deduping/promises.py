"""What is promised, held against the rows that were measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import harness

from . import worst
from .engines import DATASKETCH, INCREMENTAL, LOOP, OURS
from .growth import exponent
from .streams import Streams

SPEED, IDENTITY, WORST = "speed", "identity", "worst"
_10K, _100K, _1M = 10_000, 100_000, 1_000_000


class Rows:
    """The rows, by what they are called."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self._rows = {(row["section"], row["stream"], row["n"], row["engine"]): row for row in rows}

    def get(self, section: str, stream: str, n: int, engine: str = OURS, column: str = "us/text") -> float | None:
        """Return a figure; None where it was not measured."""
        return self._rows.get((section, stream, n, engine), {}).get(column)

    def identical(self, section: str, stream: str, engine: str) -> float | None:
        """Return the least share of labels that are as they should be, over all sizes; None where none was measured."""
        found = [row["identical"] for key, row in self._rows.items() if (key[0], key[1], key[3]) == (section, stream, engine)]
        return None if not found or None in found else min(found)

    def exponent(self, stream: str) -> float | None:
        """Return the power with which the time grows from 10k to 1M; None where these were not measured."""
        spent = {key[2]: row["CPU s"] for key, row in self._rows.items() if (key[0], key[1], key[3]) == (SPEED, stream, OURS)}
        within = {n: seconds for n, seconds in spent.items() if _10K <= n <= _1M and seconds is not None}
        return exponent(list(within), list(within.values())) if {_10K, _1M} <= within.keys() else None


def checks(measured: Sequence[dict[str, Any]], streams: Streams) -> list[dict[str, Any]]:
    """Return every promise, with None where this run did not measure it."""
    rows, check = Rows(measured), harness.check
    peer, own = (rows.get(SPEED, streams.main, _100K, name) for name in (DATASKETCH, OURS))
    tiny = rows.get(WORST, worst.TINY, worst.TINY_COUNT)
    return [
        *(check(f"{name} 100k, CPU us a text", rows.get(SPEED, name, _100K), 40, at_most=True) for name in streams),
        check(f"{streams.main} 100k, times faster than datasketch and verification", peer / own if peer and own else None, 10),
        *(check(f"{name}, exponent of CPU time, 10k to 1M", rows.exponent(name), 1.2, at_most=True) for name in streams.grown),
        check(f"{worst.TINY} {worst.TINY_COUNT // 1000}k, CPU us a text", tiny, 100, at_most=True),
        *(
            check(f"{name}, {engine}, labels as the {LOOP}'s", rows.identical(IDENTITY, name, engine), 1)
            for name in streams.judged
            for engine in (OURS, INCREMENTAL)
        ),
        *(check(f"{name}, incremental as in one call", rows.identical(SPEED, name, INCREMENTAL), 1) for name in streams),
        *(check(f"{name}, incremental as in one call", rows.identical(WORST, name, INCREMENTAL), 1) for name in worst.NAMES),
    ]
