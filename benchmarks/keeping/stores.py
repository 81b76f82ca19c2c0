"""Stores to be measured, and what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vectopt import CapacitySettings, Settings, VectorManager
from vectopt.testing import SilentObserver

_BATCH = 500
_AT_ONCE = CapacitySettings(grace_seconds=0, archive_after_seconds=0)  # texts of a run are new


def opened(path: Path, *, at_once: bool = False, **options: Any) -> VectorManager:
    """Open a store; `at_once` lets passes take new texts too."""
    capacity = _AT_ONCE if at_once else CapacitySettings()
    return VectorManager(path, settings=Settings(observer=SilentObserver(), capacity=capacity), **options)


def in_use(manager: VectorManager) -> int:
    """Return the bytes in use in the file, as the budget counts them."""
    with manager._ledger.reading() as db:
        return manager._ledger.file_bytes(db)


def on_disk(path: Path) -> int:
    """Return the bytes of a file and its log."""
    return sum(one.stat().st_size for one in (path, path.with_name(path.name + "-wal")) if one.exists())


def folder_bytes(folder: Path) -> int:
    """Return the bytes of the files in a folder."""
    return sum(one.stat().st_size for one in folder.iterdir()) if folder.exists() else 0


def missing(manager: VectorManager, numbers: Sequence[int]) -> int:
    """Return how many of the texts, by number, `get` does not return."""
    ids = [str(number) for number in numbers]
    return len(ids) - sum(len(manager.get(ids[start : start + _BATCH])) for start in range(0, len(ids), _BATCH))
