"""PURE. Vectors in fewer bytes: half floats, bytes, and the 2-bit sketch that a dropped vector leaves behind."""

from .encoding import Encoding, encoding, kept_as, sketches_of
from .query import Query, unit
from .rotation import Rotation

__all__ = ["Encoding", "Query", "Rotation", "encoding", "kept_as", "sketches_of", "unit"]
