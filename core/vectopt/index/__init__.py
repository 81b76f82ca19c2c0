"""PROJECTION. What makes texts and vectors searchable: derived from the ledger, in memory, rebuildable."""

from .projection import NamespaceIndex, Projection

__all__ = ["NamespaceIndex", "Projection"]
