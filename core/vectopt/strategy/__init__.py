"""PURE. Judgements: what deserves an embedding, what may stay, how ranked lists become one."""

from .admission import as_echo, decide, make_room
from .ageing import ASKED_STEPS, handicap
from .capacity import ACTIONS, Fullest, brake, excess, level_of, nonsense, shares, thresholds
from .contrast import Contrast
from .displacement import QUERIES_COUNTED, admit, query_bonus, worth
from .eviction import Candidate, eviction_order, value
from .fusion import FITTED, Fused, expected, fuse, predicting
from .mmr import maximal_marginal_relevance
from .usage import Usage, day_of, part_of_day, sketch_limit, tokens_a_day, tokens_left, utilisation, vector_room
from .weighing import SLOPES, WEIGHTS, Gains, Tally, Weighing

__all__ = [
    "ACTIONS",
    "ASKED_STEPS",
    "FITTED",
    "QUERIES_COUNTED",
    "SLOPES",
    "WEIGHTS",
    "Candidate",
    "Contrast",
    "Fullest",
    "Fused",
    "Gains",
    "Tally",
    "Usage",
    "Weighing",
    "admit",
    "as_echo",
    "brake",
    "day_of",
    "decide",
    "eviction_order",
    "excess",
    "expected",
    "fuse",
    "handicap",
    "level_of",
    "make_room",
    "maximal_marginal_relevance",
    "nonsense",
    "part_of_day",
    "predicting",
    "query_bonus",
    "shares",
    "sketch_limit",
    "thresholds",
    "tokens_a_day",
    "tokens_left",
    "utilisation",
    "value",
    "vector_room",
    "worth",
]
