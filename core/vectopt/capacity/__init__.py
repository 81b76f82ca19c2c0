"""Staying within the budget: look at the usage, plan, act in bounded steps, say what was done. The third flow's other half.

Judgement is `strategy.capacity` and `strategy.eviction`; how texts get into the archive and back is `archiving`.
"""

from .keeper import Keeper

__all__ = ["Keeper"]
