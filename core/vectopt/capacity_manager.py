"""DynamicCapacityManager: watches a store's usage, and has done what it calls for."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any

from .errors import InvalidSettings, StoreError
from .face.async_twin import off_loop
from .manager import VectorManager
from .model import CapacityAlert, CapacityLevel, CapacityPlan, CapacityReport, Limit
from .settings import CapacitySettings
from .strategy import Fullest, level_of, thresholds

_JITTER = 0.1  # of the interval, so that many processes don't look at the same time
_KNOWN = frozenset(field.name for field in fields(CapacitySettings))


class DynamicCapacityManager:
    """Keeps a store within its budget: looks at the usage now and then, and acts by the level that it finds.

    At a warning, maintenance is done; at a critical level similar texts are merged besides, and temp vectors that earned it stay;
    in an emergency texts of least worth leave, as the policy says, and the file is written anew without holes.

    Args:
        config: fields of `CapacitySettings` by name, such as {"warning_threshold": 0.8, "auto_cleanup": True}; what it doesn't
            name is as in the manager's settings.
        manager: the store. Without one only `level` can be asked.
        on_alert: called with every alert as this process raises it; it must be quick.

    Raises:
        InvalidSettings: an unknown name in the config, or a value out of range.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        manager: VectorManager | None = None,
        *,
        on_alert: Callable[[CapacityAlert], object] | None = None,
    ) -> None:
        given = dict(config or {})
        unknown = sorted(given.keys() - _KNOWN)
        if unknown:
            raise InvalidSettings(f"config: there is no setting {unknown[0]!r}; there are {', '.join(sorted(_KNOWN))}")
        self.settings = replace(CapacitySettings() if manager is None else manager.settings.capacity, **given)
        self._manager = manager
        if on_alert is not None:
            self._store.keeper.alarm.listen(on_alert)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    @property
    def thresholds(self) -> dict[str, float]:
        """From which utilisation on each level is reached."""
        return {level.value: threshold for level, threshold in thresholds(self.settings).items()}

    @property
    def auto_cleanup_enabled(self) -> bool:
        """Whether a pass acts, rather than only alerts."""
        return self.settings.auto_cleanup

    @property
    def alerts(self) -> list[CapacityAlert]:
        """The newest alerts, the oldest of them first; they survive a restart."""
        return [] if self._manager is None else self._manager.alerts()

    def level(self, utilisation: float) -> CapacityLevel:
        """Return the level of a utilisation, 0..1 and above."""
        return level_of(Fullest(Limit.FILE_BYTES, round(utilisation * 1_000_000), 1_000_000), self.settings)

    def plan(self) -> CapacityPlan:
        """Return what `run_once` would do now, and why. Nothing is changed."""
        return self._store.keeper.plan(self.settings)

    def run_once(self) -> CapacityReport:
        """Look at the usage and do what it calls for, now; return what was done. One process acts at a time."""
        return self._store.keeper.run(self.settings)

    def undo(self) -> CapacityReport:
        """Bring back what the last pass took; counts in the report are negative.

        Archived items come back from the archive; of vectors that left, the texts are queued to be embedded again. What was merged
        stays merged, which loses nothing; what policy="delete" deleted is gone.

        Raises:
            InvalidInput: there is no pass to undo.
        """
        return self._store.keeper.undo()

    def pause(self) -> None:
        """Have no pass act until `resume`, in no process that has the store open."""
        self._store.keeper.pause(paused=True)

    def resume(self) -> None:
        """Let passes act again."""
        self._store.keeper.pause(paused=False)

    def start_monitoring(self) -> None:
        """Start a thread that runs `run_once` every `interval_seconds`, more or less; starting twice is no error."""
        store = self._store
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._stop.clear()
                self._thread = threading.Thread(target=self._watch, args=(store,), name="vectopt-capacity", daemon=True)
                self._thread.start()

    def stop_monitoring(self) -> None:
        """Stop the thread after the pass in hand; stopping twice is no error."""
        self._stop.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    @property
    def monitoring(self) -> bool:
        """Whether the thread is at work."""
        return self._thread is not None and self._thread.is_alive()

    def _watch(self, store: VectorManager) -> None:
        while not store.closed:
            try:
                self.run_once()
            except Exception as error:  # the watch outlives any failure; what was not done is done next time
                with suppress(StoreError):  # where not even that can be noted, or the store was closed
                    store.keeper.alarm.trouble("pass_failed", f"{type(error).__name__}: the next pass tries again")
            pause = self.settings.interval_seconds * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
            if store.closed or self._stop.wait(pause):
                return

    @property
    def _store(self) -> VectorManager:
        if self._manager is None:
            raise InvalidSettings("this needs a store: DynamicCapacityManager(config, manager)")
        return self._manager

    arun_once = off_loop(run_once)
    aplan = off_loop(plan)
    aundo = off_loop(undo)
    apause = off_loop(pause)
    aresume = off_loop(resume)
    astart_monitoring = off_loop(start_monitoring)
    astop_monitoring = off_loop(stop_monitoring)
