"""Opening stores for the commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vectopt import Budget, Embedder, Event, Settings, VectorManager
from vectopt.embedding.local import LocalEmbedder
from vectopt.errors import EmbedderMismatch, InvalidSettings, MissingExtra, StorePathError

from .show import note

_TROUBLE = {
    "embedding_failed": "the embedder failed; those texts wait and are found by their words",
    "embedding_paused": "the embedder asks to wait; those texts wait and are found by their words",
    "embedding_stopped": "the embedder refuses to work; the texts wait and are found by their words",
    "query_not_embedded": "the query could not be embedded; words alone answered",
}


class Notes:
    """An observer that tells of trouble, each kind once, and of every embedding.

    Attributes:
        on_embedded: told how many texts more have their vectors.
    """

    def __init__(self) -> None:
        self._told: set[str] = set()
        self.on_embedded: Callable[[int], object] = lambda _: None

    def notify(self, event: Event) -> None:
        """Show what went wrong, with the cause."""
        if event.name == "embedded":
            self.on_embedded(event.fields["texts"])
        if event.name in _TROUBLE and event.name not in self._told:
            self._told.add(event.name)
            note(f"{_TROUBLE[event.name]} ({event.fields.get('error', 'no cause given')})")


def settings(price: float | None = None, notes: Notes | None = None) -> Settings:
    """Return the settings of every store the commands open."""
    return Settings(observer=notes or Notes(), price_per_million_tokens=price)


def embedder_named(name: str) -> Embedder:
    """Return the embedder that a name means: "local", or "openai/MODEL", with "@DIMENSIONS" behind it where they aren't the model's own.

    Raises:
        InvalidSettings: it means none, or there is no key.
        MissingExtra: its package is not installed.
    """
    if name == "local":
        return LocalEmbedder()
    kind, _, rest = name.partition("/")
    model, _, dimensions = rest.partition("@")
    if kind != "openai" or not (dimensions.isdecimal() or not dimensions):
        raise InvalidSettings(f"--embedder must be local, openai or openai/MODEL@DIMENSIONS; got {name!r}")
    from vectopt.embedding.openai import OpenAIEmbedder

    embedder = OpenAIEmbedder(model) if model else OpenAIEmbedder()
    return embedder if dimensions in ("", str(embedder.dimensions)) else OpenAIEmbedder(embedder.model, dimensions=int(dimensions))


def embedder_of(path: Path) -> Embedder:
    """Return the embedder of a store; the local one where it has none yet.

    Raises:
        InvalidSettings, MissingExtra: it can't be had.
    """
    if path.exists():
        with open_existing(path) as manager:
            found = manager.stats()
        if found.embedder is not None and found.embedder.startswith("openai/"):
            return embedder_named(f"{found.embedder}@{found.dimensions}")
    return LocalEmbedder()


def open_existing(
    path: Path,
    price: float | None = None,
    notes: Notes | None = None,
    *,
    budget: Budget = Budget(),
    archive: str | None = None,
) -> VectorManager:
    """Open a store that must exist, without an embedder.

    Args:
        path: of the store.
        price: of a million tokens, for its figures.
        budget: it is held against.
        archive: where its archived texts are.
        notes: told of what happens.

    Raises:
        StorePathError: there is no such file.
    """
    if not path.exists():
        raise StorePathError(f"there is no store at {path}. Make one with `vectopt ingest`, or name another with --store")
    return VectorManager(path, budget=budget, archive=archive, settings=settings(price, notes))


def open_for_search(path: Path, mode: str) -> tuple[VectorManager, str]:
    """Open a store that must exist; return it with the mode in which it can be searched.

    Where its embedder can't be had, that is by words, and a note says so; unless vectors were asked for.

    Raises:
        StorePathError: there is no such file.
        MissingExtra, EmbedderMismatch, InvalidSettings: in mode "dense".
    """
    words_only = open_existing(path)
    if mode == "lexical":
        return words_only, mode
    words_only.close()
    try:
        return VectorManager(path, embedder=embedder_of(path), settings=settings()), mode
    except (MissingExtra, EmbedderMismatch, InvalidSettings) as error:
        if mode == "dense":
            raise
        note(f"searching by words only: {error}")
    return open_existing(path), "lexical"
