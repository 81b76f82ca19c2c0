"""Opening stores for the commands."""

from __future__ import annotations

from pathlib import Path

from vectopt import Budget, Event, Settings, VectorManager
from vectopt.embedding.local import LocalEmbedder
from vectopt.errors import EmbedderMismatch, MissingExtra, StorePathError

from .show import note

_TROUBLE = {
    "embedding_failed": "the embedder failed; those texts wait and are found by their words",
    "query_not_embedded": "the query could not be embedded; words alone answered",
}


class Notes:
    """An observer that tells of trouble, each kind once."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def notify(self, event: Event) -> None:
        """Show what went wrong, with the cause."""
        if event.name in _TROUBLE and event.name not in self._told:
            self._told.add(event.name)
            note(f"{_TROUBLE[event.name]} ({event.fields.get('error', 'no cause given')})")


def settings(price: float | None = None) -> Settings:
    """Return the settings of every store the commands open."""
    return Settings(observer=Notes(), price_per_million_tokens=price)


def open_existing(path: Path, price: float | None = None, *, budget: Budget = Budget(), archive: str | None = None) -> VectorManager:
    """Open a store that must exist, without an embedder.

    Args:
        path: of the store.
        price: of a million tokens, for its figures.
        budget: it is held against.
        archive: where its archived texts are.

    Raises:
        StorePathError: there is no such file.
    """
    if not path.exists():
        raise StorePathError(f"there is no store at {path}. Make one with `vectopt ingest`, or name another with --store")
    return VectorManager(path, budget=budget, archive=archive, settings=settings(price))


def open_for_search(path: Path, mode: str) -> tuple[VectorManager, str]:
    """Open a store that must exist; return it with the mode in which it can be searched.

    Without wordllama, and in a store of another embedder, that is by words, and a note says so; unless vectors were asked for.

    Raises:
        StorePathError: there is no such file.
        MissingExtra, EmbedderMismatch: in mode "dense".
    """
    words_only = open_existing(path)
    if mode == "lexical":
        return words_only, mode
    words_only.close()
    try:
        return VectorManager(path, embedder=LocalEmbedder(), settings=settings()), mode
    except (MissingExtra, EmbedderMismatch) as error:
        if mode == "dense":
            raise
        note(f"searching by words only: {error}")
    return open_existing(path), "lexical"
