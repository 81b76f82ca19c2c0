"""Changing several namespaces in one call, all or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ..intake import Taken
from ..model import Change
from ..validation import checked_changes
from .adding import Adding


class Changing(Adding):
    """How items are stored and deleted together."""

    def write(self, changes: Iterable[Change], *, wait: bool = False) -> None:
        """Store and delete items in any number of namespaces, all or nothing: nobody ever sees a part of it.

        Args:
            changes: one a namespace.
            wait: as in `add`.

        Raises:
            InvalidInput, InvalidItem, InvalidVector, CapacityExceeded: nothing was changed.
            EmbedderMismatch: the items are stored and wait in the queue; the embedder's vectors don't fit this store's.
        """
        checked = checked_changes(changes, self.settings)
        taken = self._with_room(lambda: self._intake.change(checked, self._route(wait)))
        errors = [self._embed(change.namespace, one) for change, one in zip(checked, taken, strict=True) if one.placed]
        self._added(Taken(), next(filter(None, errors), None), wait)

    async def awrite(self, changes: Iterable[Change], *, wait: bool = False) -> None:
        """Do the same as `write` without blocking the event loop."""
        checked = await asyncio.to_thread(checked_changes, changes, self.settings)
        taken = await asyncio.to_thread(self._with_room, lambda: self._intake.change(checked, self._route(wait)))
        errors = [await self._aembed(change.namespace, one) for change, one in zip(checked, taken, strict=True) if one.placed]
        await asyncio.to_thread(self._added, Taken(), next(filter(None, errors), None), wait)
