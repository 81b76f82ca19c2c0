"""Observers that come with vectopt."""

from __future__ import annotations

import logging

from .model import Event

_WARNINGS = {
    "archive_damaged", "budget_full", "capacity_alert", "dead_letters", "embedding_failed", "embedding_paused", "embedding_stopped",
    "not_saved", "query_not_embedded", "worker_failed",
}  # fmt: skip


class LoggingObserver:
    """Logs events to the logger "vectopt": trouble as warnings, the rest for debugging."""

    def __init__(self) -> None:
        self._logger = logging.getLogger("vectopt")

    def notify(self, event: Event) -> None:
        """Log the event; its fields hold no content."""
        level = logging.WARNING if event.name in _WARNINGS else logging.DEBUG
        if self._logger.isEnabledFor(level):
            self._logger.log(level, "%s %s", event.name, " ".join(f"{key}={value}" for key, value in event.fields.items()))
