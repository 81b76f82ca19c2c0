"""How long a store over a manager lives: as long as that, and closed with it where it made it."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from vectopt import VectorManager


class Lifetime:
    """What every store over a manager has: a thread in the background, an end."""

    manager: VectorManager
    _owned: bool  # made here, and not given

    def start(self) -> None:
        """Start a thread that embeds, promotes and ends what is over in the background; adding then no longer waits for embeddings."""
        self.manager.start()

    def stop(self) -> None:
        """Stop the thread; what is queued stays queued."""
        self.manager.stop()

    def close(self) -> None:
        """Close the store's file, unless the manager was given."""
        if self._owned:
            self.manager.close()

    async def aclose(self) -> None:
        """Close the store's file without blocking the event loop."""
        if self._owned:
            await self.manager.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()
