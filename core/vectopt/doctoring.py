"""An examination: the ledger in itself, the indexes against it, the archive and a store outside against it."""

from __future__ import annotations

from collections.abc import Iterator

from .archiving import Archivist
from .capacity import Keeper
from .errors import ArchiveUnavailable, NoArchive
from .ledger import Ledger, audit, records
from .model import Finding
from .reconciling import Reconciler
from .retrieval import Retrieval


class Doctor:
    """Finds what is not as it should be, and puts right what it may."""

    def __init__(self, ledger: Ledger, archivist: Archivist, retrieval: Retrieval, keeper: Keeper, reconciler: Reconciler | None) -> None:
        self._reconciler = reconciler
        self._ledger = ledger
        self._archivist = archivist
        self._retrieval = retrieval
        self._keeper = keeper

    def examine(self, *, repair: bool, scrub: bool) -> list[Finding]:
        """Return what is wrong; with `repair`, put right what can be."""
        findings = list(self._ledgers(repair))
        findings += self._indexes(repair)
        findings += self._archives(repair, scrub)
        findings += self._outside(repair)
        return findings

    def _ledgers(self, repair: bool) -> Iterator[Finding]:
        with self._ledger.reading() as db:
            for what, detail in audit.faults(db):
                yield Finding(what, detail)
            wrong = audit.counters(db)
        if wrong and repair:
            self._ledger.write(records.correct)
        for detail in wrong:
            yield Finding("counter", detail, repaired=repair)

    def _indexes(self, repair: bool) -> Iterator[Finding]:
        with self._ledger.reading() as db:
            seen = self._retrieval.indexed(db)
            held = audit.slots(db)
        for namespace in sorted(seen.keys() | held.keys()):
            there, wanted = seen.get(namespace, set()), held.get(namespace, set())
            if there != wanted:
                if repair:
                    self._retrieval.forget_index()
                yield Finding(
                    "index",
                    f"namespace {namespace!r}: {len(wanted - there)} texts missing, {len(there - wanted)} too many",
                    repaired=repair,
                )

    def _outside(self, repair: bool) -> Iterator[Finding]:
        if self._reconciler is None:
            with self._ledger.reading() as db:
                held = records.counters(db).get("outside", 0)
            if held:
                yield Finding("outside_unknown", f"{held} vectors are in a store outside, and the store was opened without it")
            return
        try:
            report = self._reconciler.run(repair=repair)
        except Exception as error:  # a store outside may raise anything
            yield Finding("outside_unavailable", f"{type(error).__name__}: {error}")
            return
        for key in report.missing:
            yield Finding("outside_missing", f"{key} should be in the store outside, and is not", repaired=repair)
        for key in report.orphans:
            yield Finding("outside_orphan", f"{key} is of this file, but no text has it", repaired=repair)
        for key, reason in report.failing.items():
            yield Finding("outside_refused", f"{key}: {reason}")

    def _archives(self, repair: bool, scrub: bool) -> Iterator[Finding]:
        try:
            target = self._archivist.needed()
        except NoArchive:
            with self._ledger.reading() as db:
                held = records.counters(db).get("items.archived", 0)
            if held:
                yield Finding("archive_unknown", f"{held} items are archived, and the store was opened without its archive")
            return
        try:
            if repair:
                with self._keeper.acting():
                    self._archivist.clean()
            ours = self._archivist.orphans(target.names())
            for name in ours:
                spare = self._archivist.spare(name)
                if spare and repair:
                    target.delete(name)
                why = "but nothing needs it" if spare else "which doesn't know it, and holds what is nowhere else: it stays"
                yield Finding("archive_orphan", f"{name} is of this store, {why}", repaired=spare and repair)
            if scrub:
                yield from self._archivist.scrub()
        except ArchiveUnavailable as error:
            yield Finding("archive_unavailable", str(error))
