"""PURE. Judgements: what deserves an embedding, what may stay, how ranked lists become one."""

from .admission import as_echo, decide, make_room
from .ageing import ASKED_STEPS, handicap
from .displacement import QUERIES_COUNTED, admit, query_bonus, worth
from .fusion import FITTED, Fused, best_weight, fuse, gains
from .mmr import maximal_marginal_relevance
from .usage import Usage, day_of, part_of_day, sketch_limit, tokens_a_day, tokens_left, utilisation, vector_room

__all__ = [
    "ASKED_STEPS",
    "FITTED",
    "QUERIES_COUNTED",
    "Fused",
    "Usage",
    "admit",
    "as_echo",
    "best_weight",
    "day_of",
    "decide",
    "fuse",
    "gains",
    "handicap",
    "make_room",
    "maximal_marginal_relevance",
    "part_of_day",
    "query_bonus",
    "sketch_limit",
    "tokens_a_day",
    "tokens_left",
    "utilisation",
    "vector_room",
    "worth",
]
