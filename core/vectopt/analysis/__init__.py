"""PURE. From a text to what it is: words, fingerprints, patterns, importance, novelty."""

from .calibration import Calibration
from .echo import Echo
from .engine import PatternEngine
from .fingerprint import Fingerprint, fingerprint, textless
from .importance import Features, Importance
from .novelty import Novelty
from .patterns import DEFAULT_RULES, PatternRule
from .reading import Reading, read
from .scale import Scale
from .words import estimated_tokens, words

__all__ = [
    "DEFAULT_RULES",
    "Calibration",
    "Echo",
    "Features",
    "Fingerprint",
    "Importance",
    "Novelty",
    "PatternEngine",
    "PatternRule",
    "Reading",
    "Scale",
    "estimated_tokens",
    "fingerprint",
    "read",
    "textless",
    "words",
]
