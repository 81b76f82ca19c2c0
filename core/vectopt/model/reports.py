"""What was done: by a drain, a re-embedding, a compression; and what could not be done."""

from __future__ import annotations

from dataclasses import dataclass

from .values import Keyed


@dataclass(frozen=True, slots=True)
class DrainReport(Keyed):
    """What one `drain` did, in items' distinct texts."""

    embedded: int = 0
    promoted: int = 0
    expired: int = 0
    declined: int = 0  # left without a vector, since the budget holds better ones
    failed: int = 0
    dead: int = 0
    deleted: int = 0  # items whose own time was over
    shipped: int = 0  # vectors that are in the store outside now, and known to be
    waiting: int = 0  # still queued: no embedder, or no tokens left today
    error: str | None = None

    def __add__(self, other: DrainReport) -> DrainReport:
        """Return the two reports as one; what still waits is the later one's."""
        return DrainReport(
            embedded=self.embedded + other.embedded,
            promoted=self.promoted + other.promoted,
            expired=self.expired + other.expired,
            declined=self.declined + other.declined,
            failed=self.failed + other.failed,
            dead=self.dead + other.dead,
            deleted=self.deleted + other.deleted,
            shipped=self.shipped + other.shipped,
            waiting=other.waiting,
            error=other.error or self.error,
        )


@dataclass(frozen=True, slots=True)
class ReembedReport(Keyed):
    """What one `reembed` did, in texts. Until it is `finished` the store answers by its old vectors; call it again to go on."""

    embedded: int = 0
    dead: int = 0  # given up: they lose their vectors and stay findable by their words
    waiting: int = 0
    finished: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class CompressionReport(Keyed):
    """What one `compress_similar` did: how many texts now share another's vector and place in results."""

    merged: int


@dataclass(frozen=True, slots=True)
class DeadLetter(Keyed):
    """A text whose embedding failed for good. Its items stay findable by their words."""

    ids: tuple[str, ...]
    namespace: str
    attempts: int
    error: str
