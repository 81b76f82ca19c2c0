"""Looking ahead, looking back, and looking whether all is well."""

from __future__ import annotations

from ..capacity import Keeper
from ..doctoring import Doctor
from ..ledger import passes
from ..model import CapacityAlert, CapacityPlan, CapacityReport, Finding
from ..validation import checked_k
from .async_twin import off_loop
from .parts import Parts


class Examining(Parts):
    """What would be done, what was the matter, what is wrong."""

    @property
    def keeper(self) -> Keeper:
        """What keeps the store within its budget; `DynamicCapacityManager` is its face."""
        return self._keeper

    def plan(self) -> CapacityPlan:
        """Return what a pass of the capacity manager would do now, and why. Nothing is changed."""
        return self._keeper.plan(self.settings.capacity)

    def compact(self) -> CapacityReport:
        """Make everything as small as it can be without losing anything; return what that did.

        Texts that say the same come to share one place, temp vectors whose time is over end, the file is written anew without
        holes, and archived objects without what was deleted from them: after it, nothing of a deleted item is left there.

        Raises:
            StoreBusy: another process is at it.
            ArchiveUnavailable: the archive can't be reached; what came before is done.
        """
        return self._keeper.compact(self.settings.capacity)

    def alerts(self, limit: int = 100) -> list[CapacityAlert]:
        """Return the newest alerts, the oldest of them first. They survive a restart; of more than a thousand the oldest go."""
        most = checked_k(limit, "limit")
        with self._ledger.reading() as db:
            return passes.alerts(db, most)

    def doctor(self, *, repair: bool = False, scrub: bool = True) -> list[Finding]:
        """Examine the file, its counters, the indexes, the archive and a store outside; return what is not as it should be.

        Args:
            repair: put right what can be: counters, places without a purpose, leftovers in the archive. Nothing that anybody
                stored is ever removed.
            scrub: read every archived object whole.
        """
        return Doctor(self._ledger, self._archivist, self._retrieval, self._keeper, self._reconciler).examine(repair=repair, scrub=scrub)

    aplan = off_loop(plan)
    acompact = off_loop(compact)
    aalerts = off_loop(alerts)
    adoctor = off_loop(doctor)
