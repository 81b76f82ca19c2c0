"""PROJECTION. What makes texts and vectors searchable: derived from the ledger, in memory, rebuildable."""

from . import sidecar
from .namespace import NamespaceIndex, SlotRow
from .overlay import held_elsewhere, overlaid
from .projection import Projection
from .top import best, reaching
from .view import View

__all__ = ["NamespaceIndex", "Projection", "SlotRow", "View", "best", "held_elsewhere", "overlaid", "reaching", "sidecar"]
