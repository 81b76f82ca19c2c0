"""What a call may change in one namespace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .values import Item


@dataclass(frozen=True, slots=True)
class Change:
    """Items to store and to delete in one namespace, for `VectorManager.write`.

    Args:
        namespace: whose items.
        items: to store; an existing id is replaced.
        delete: ids to delete; unknown ones are no error.
        replace: beginnings of ids. Whatever has an id that begins so is deleted, but for what `items` holds: so that the parts of
            a document are replaced by its new ones, however many there were.
    """

    namespace: str
    items: Iterable[Item | Mapping[str, Any] | str] = ()
    delete: Iterable[str] = ()
    replace: Iterable[str] = ()
