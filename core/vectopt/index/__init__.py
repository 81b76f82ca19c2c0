"""PROJECTION. What makes texts and vectors searchable: derived from the ledger, in memory, rebuildable."""

from . import sidecar
from .namespace import NamespaceIndex, Row, View
from .projection import Projection
from .top import best, reaching

__all__ = ["NamespaceIndex", "Projection", "Row", "View", "best", "reaching", "sidecar"]
