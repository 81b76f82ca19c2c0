"""PURE. From a text to what it is: words, fingerprints, patterns, importance, novelty."""

from .engine import PatternEngine
from .fingerprint import Fingerprint, fingerprint
from .novelty import Novelty
from .patterns import DEFAULT_RULES, PatternRule
from .words import estimated_tokens, words

__all__ = ["DEFAULT_RULES", "Fingerprint", "Novelty", "PatternEngine", "PatternRule", "estimated_tokens", "fingerprint", "words"]
