"""PURE. The admission rules: from an analysis and the utilisation to a decision, every rule that fired leaving a reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..model import Action, ContentAnalysis, Decision, PatternType, Priority
from ..settings import StrategySettings

_DEFAULTS = StrategySettings()


def decide(
    analysis: ContentAnalysis,
    metadata: Mapping[str, Any] | None = None,
    utilisation: float = 0.0,
    *,
    priority: Priority | None = None,
    settings: StrategySettings = _DEFAULTS,
) -> Decision:
    """Apply the specification's rules in their order.

    Args:
        analysis: the text's scores and patterns.
        metadata: the caller's; `session_duration_minutes` counts.
        utilisation: how full the budget is, 0..1.
        priority: the caller's own, over the rules' one; a text given one is at least queued.
        settings: the thresholds.
    """
    reasons: list[str] = []
    action, rank = _by_scores(analysis, settings, reasons)

    if analysis.has(PatternType.ERROR):
        if action is Action.CACHE_ONLY:
            action = Action.QUEUE_VECTORIZE
        if action is Action.QUEUE_VECTORIZE:
            rank = Priority.HIGH
        reasons.append("error pattern found")
    if analysis.has(PatternType.USER_WORKFLOW):
        if action is Action.CACHE_ONLY:
            action, rank = Action.QUEUE_VECTORIZE, Priority.MEDIUM
        reasons.append("workflow pattern found")

    minutes = (metadata or {}).get("session_duration_minutes")
    if isinstance(minutes, (int, float)) and not isinstance(minutes, bool) and minutes > settings.long_session_minutes:
        if rank is Priority.LOW:
            rank = Priority.MEDIUM
        reasons.append(f"session of {minutes:g} minutes > {settings.long_session_minutes:g}")

    if priority is not None:
        rank = priority
        if action is Action.CACHE_ONLY:
            action = Action.QUEUE_VECTORIZE
        reasons.append(f"priority {priority} given by the caller")

    if utilisation > settings.full_utilisation:
        note = f"utilisation {utilisation:.2f} > {settings.full_utilisation:g}"
        if action is Action.IMMEDIATE_VECTORIZE:
            action = Action.TEMP_VECTORIZE
            reasons.append(f"{note}: temp vector only")
        elif action is Action.QUEUE_VECTORIZE and rank.rank > Priority.HIGH.rank:
            action = Action.CACHE_ONLY
            reasons.append(f"{note}: text only")

    return Decision(action, rank, tuple(reasons), analysis.importance_score, analysis.novelty_score, utilisation)


def _by_scores(analysis: ContentAnalysis, settings: StrategySettings, reasons: list[str]) -> tuple[Action, Priority]:
    importance, novelty = analysis.importance_score, analysis.novelty_score
    if importance >= settings.immediate_importance and novelty >= settings.immediate_novelty:
        reasons.append(
            f"importance {importance:.2f} >= {settings.immediate_importance:g} and novelty {novelty:.2f} >= {settings.immediate_novelty:g}"
        )
        return Action.IMMEDIATE_VECTORIZE, Priority.LOW
    if importance >= settings.queue_importance:
        reasons.append(f"importance {importance:.2f} >= {settings.queue_importance:g}")
        return Action.QUEUE_VECTORIZE, Priority.HIGH
    if novelty >= settings.temp_novelty:
        reasons.append(f"novelty {novelty:.2f} >= {settings.temp_novelty:g}")
        return Action.TEMP_VECTORIZE, Priority.LOW
    reasons.append(f"importance {importance:.2f} and novelty {novelty:.2f} ask for no vector")
    return Action.CACHE_ONLY, Priority.LOW


def make_room(
    decision: Decision,
    *,
    unlimited: bool,
    tokens_left: bool,
    twin: bool,
    asked: bool = False,
    sketches: bool = False,
    settings: StrategySettings = _DEFAULTS,
) -> Decision:
    """Raise `cache_only` to a queue place at LOW while there is room: an empty store is not stingy.

    A store full of vectors has room as long as it takes `sketches`: what is embedded then leaves one, which tells nearly as much.

    A text equal to an earlier one but for digits (`twin`) borrows that one's vector as a prediction; it is given its own
    only where nothing is limited, or the caller `asked` for one by a priority of its own.
    """
    if twin and not unlimited and decision.action is not Action.CACHE_ONLY and not asked:
        note = "equal to an earlier text but for digits: its score is predicted"
        return replace(decision, action=Action.CACHE_ONLY, priority=Priority.LOW, reasoning=(*decision.reasoning, note))
    room = decision.utilisation < settings.room_utilisation
    if decision.action is not Action.CACHE_ONLY or not (room or sketches) or not tokens_left:
        return decision
    if twin and not unlimited:
        return replace(decision, reasoning=(*decision.reasoning, "equal to an earlier text but for digits: its score is predicted"))
    note = f"room: utilisation {decision.utilisation:.2f} < {settings.room_utilisation:g}" if room else "room for a sketch"
    return replace(decision, action=Action.QUEUE_VECTORIZE, priority=Priority.LOW, reasoning=(*decision.reasoning, note))


def as_echo(decision: Decision) -> Decision:
    """Return the decision for a text that the store itself returned: to store it again earns nothing."""
    reasons = (*decision.reasoning, "echo: the store itself returned this text lately")
    return replace(decision, action=Action.CACHE_ONLY, priority=Priority.LOW, reasoning=reasons)
