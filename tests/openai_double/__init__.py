"""A double of OpenAI's embeddings that is a server: real HTTP on loopback, with faults to order."""

from .behaviour import Behaviour, Fault, vectors_of
from .server import Double

__all__ = ["Behaviour", "Double", "Fault", "vectors_of"]
