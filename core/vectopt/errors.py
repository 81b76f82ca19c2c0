"""Every error a caller can meet. One root; a class's docstring is its default message and names the next step."""

from __future__ import annotations

import inspect
from collections.abc import Mapping


class VectoptError(Exception):
    """Something went wrong in vectopt."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or inspect.cleandoc(type(self).__doc__ or "").partition("\n\n")[0])


class InvalidInput(VectoptError, ValueError):
    """An argument can't be used as it is; nothing was changed."""


class InvalidItem(InvalidInput):
    """An item can't be stored as it is; nothing of the call was stored."""


class InvalidVector(InvalidInput):
    """A vector has the wrong shape, or a value that is not finite; nothing was changed."""


class InvalidFilter(InvalidInput):
    """A filter uses an operator or a value that isn't understood; nothing was searched."""


class InvalidQuery(InvalidInput):
    """A search can't be run as asked: check the query, k, mode and tiers."""


class InvalidSettings(InvalidInput):
    """A setting or a budget is out of range."""


class NotFound(VectoptError, KeyError):
    """There is no such item."""

    def __str__(self) -> str:  # KeyError would show the message's repr
        return str(self.args[0])


class CapacityExceeded(VectoptError):
    """The budget refuses this add; nothing of the call was stored. Raise the budget, or delete items first."""

    def __init__(self, message: str | None = None, *, needed_bytes: int = 0) -> None:
        super().__init__(message)
        self.needed_bytes = needed_bytes  # of the file, that it would have taken; 0 where another limit refused it


class NoArchive(VectoptError):
    """This needs an archive and the manager has none. Pass `archive=`, a folder or a URL."""


class EmbedderMismatch(VectoptError):
    """The store holds vectors of another embedder. Open it with the embedder it was made with."""


class EmbedderFailed(VectoptError):
    """The embedder failed or answered with something that isn't its texts' vectors.

    Attributes:
        tokens: what was paid all the same, where the embedder keeps account.
    """

    tokens: int = 0


class EmbedderBusy(EmbedderFailed):
    """The embedder can't answer now, and it isn't the texts' fault: they wait, none is charged an attempt, and others wait too.

    Attributes:
        retry_after: seconds until it is worth another try.
    """

    def __init__(self, message: str | None = None, *, retry_after: float = 30.0, tokens: int = 0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.tokens = tokens


class EmbedderStopped(EmbedderBusy):
    """The embedder refuses to work until someone does something: its key, its quota or its settings are wrong. The queue is kept."""


class TextsRefused(EmbedderFailed):
    """The embedder will never embed some of the texts; the others are as good as before. Nothing is charged an attempt.

    Attributes:
        refused: why, by the place of the text in the call.
    """

    def __init__(self, refused: Mapping[int, str], message: str | None = None) -> None:
        super().__init__(message or f"{len(refused)} of the texts were refused; the first: {next(iter(refused.values()), 'none')}")
        self.refused = dict(refused)


class NoEmbedder(VectoptError):
    """This needs an embedder and the manager has none. Pass `embedder=`, search by vector, or use mode="lexical"."""


class OutsideMismatch(VectoptError):
    """The file's vectors are in another store outside. Open it with the store they are in."""


class OutsideUnavailable(VectoptError):
    """The store outside can't be reached now, and this needs it. Try again later; nothing was changed."""


class StoreError(VectoptError):
    """The store's file can't be used."""


class StorePathError(StoreError):
    """The path can't hold a store. Give the path of a file in a folder that exists."""


class StoreReadOnly(StoreError):
    """The store's file or its folder can't be written. Check the permissions."""


class StoreCorrupt(StoreError):
    """The file isn't a readable vectopt store. Restore it from a backup; nothing was written to it."""


class StoreTooNew(StoreError):
    """The store was written by a newer vectopt. Upgrade the package; nothing was written to it."""


class StoreBusy(StoreError):
    """Another process kept the store locked for too long. Try again; nothing was stored."""


class StoreFull(StoreError):
    """The disk is full, or failed while writing; nothing of the call was stored. Free space and try again."""


class StoreClosed(StoreError):
    """The store is closed. Open a new manager on its path."""


class ForkedProcess(StoreError):
    """The store was opened before fork(). Open a manager of its own in the child process."""


class UnsafeFilesystem(StoreError):
    """The store lies on a network file system, where SQLite can't lock it safely. Use a local disk."""


class MissingExtra(VectoptError, ImportError):
    """An optional package is missing."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed: run `pip install 'vectopt[{extra}]'`")


class ArchiveUnavailable(VectoptError):
    """The archive can't be reached, or has no such segment. Nothing of it was changed; try again when it can be reached."""


class ArchiveDamaged(VectoptError):
    """A record or a segment of the archive isn't what was written. The other records can still be read."""
