"""PROJECTION. What makes texts and vectors searchable: derived from the ledger, in memory, rebuildable."""

from . import sidecar
from .namespace import NamespaceIndex, SlotRow, View
from .overlay import held_elsewhere, overlaid
from .projection import Projection
from .top import at_least, best, reaching

__all__ = ["NamespaceIndex", "Projection", "SlotRow", "View", "at_least", "best", "held_elsewhere", "overlaid", "reaching", "sidecar"]
