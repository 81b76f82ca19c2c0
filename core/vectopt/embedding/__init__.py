"""Embedders: where vectors come from."""

from .checked import checked_vectors

__all__ = ["checked_vectors"]
