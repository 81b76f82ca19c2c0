"""What the public calls work with. `VectorManager` makes the parts and wires them."""

from __future__ import annotations

import logging

from ..archiving import Archivist
from ..capacity import Keeper
from ..demand import Demand
from ..intake import Intake
from ..ledger import Ledger
from ..merging import Merging
from ..meter import Meter
from ..model import Event
from ..outreach import Outreach
from ..protocols import Clock, Embedder, Observer
from ..querying import QueryEmbedder
from ..reconciling import Reconciler
from ..reembedding import Reembedding
from ..retrieval import Retrieval
from ..settings import Settings
from ..shipping import Shipping
from ..upkeep import Upkeep, Worker
from ..validation import checked_namespace
from ..vectorizer import Vectorizer

_LOGGER = logging.getLogger("vectopt")


class Parts:
    """The parts, and the namespace that a call without one means."""

    settings: Settings
    namespace: str
    _clock: Clock
    _observer: Observer
    _ledger: Ledger
    _retrieval: Retrieval
    _meter: Meter
    _vectorizer: Vectorizer
    _intake: Intake
    _upkeep: Upkeep
    _demand: Demand
    _merging: Merging
    _outreach: Outreach | None
    _shipping: Shipping | None
    _reconciler: Reconciler | None
    _archivist: Archivist
    _keeper: Keeper
    _reembedding: Reembedding
    _worker: Worker
    _queries: QueryEmbedder

    @property
    def embedder(self) -> Embedder | None:
        """What turns texts into vectors."""
        return self._vectorizer.embedder

    def _tell(self, event: Event) -> None:
        try:
            self._observer.notify(event)
        except Exception:  # an observer may not raise; what happened has happened
            _LOGGER.exception("the observer failed at %s", event.name)

    def _own(self, namespace: str | None) -> str:
        return self.namespace if namespace is None else checked_namespace(namespace, self.settings)
