"""PURE. Near-duplicates: which texts are alike, which of them say the same, and what stands for all of them."""

from .cluster import GrowingCluster, PatternCluster, content_bytes, signature
from .guard import same_fact, statement
from .guarded import MOST_COMPARED, GuardedLeader, Judge, words_key
from .leader import Leader
from .measure import similarity
from .semantic import SemanticLeader
from .tokenizers import TOKENIZERS, Tokenizer

__all__ = [
    "MOST_COMPARED",
    "TOKENIZERS",
    "GrowingCluster",
    "GuardedLeader",
    "Judge",
    "Leader",
    "PatternCluster",
    "SemanticLeader",
    "Tokenizer",
    "content_bytes",
    "same_fact",
    "signature",
    "similarity",
    "statement",
    "words_key",
]  # fmt: skip
