"""Holding a store outside against the ledger."""

from __future__ import annotations

from ..errors import InvalidSettings
from ..model import ReconcileReport
from .async_twin import off_loop
from .parts import Parts


class Reconciling(Parts):
    """What can be asked of a manager that was given a `store`."""

    def reconcile(self, repair: bool = False) -> ReconcileReport:
        """Compare every copy that the store outside should have with what it has; with `repair`, set right what differs.

        Repairing sends again what is missing, or embeds it again where its vector was there alone, at the next `drain`; and
        removes what carries this file's sign without being one of its copies. What others put into the store is never touched.

        Raises:
            InvalidSettings: the manager has no store outside.
            Exception: whatever the store raises, where it can't be reached.
        """
        if self._reconciler is None:
            raise InvalidSettings("there is no store outside to reconcile with; open the manager with `store=`")
        return self._reconciler.run(repair=repair)

    areconcile = off_loop(reconcile)
