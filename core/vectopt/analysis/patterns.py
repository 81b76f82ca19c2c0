"""PURE. The patterns looked for in a text, and what each says of its importance before anything is learned.

The weights are priors, kept small: no fixed belief about importance holds on every kind of stream.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from ..model import Pattern, PatternType
from .hints import Codes, Hints


@dataclass(frozen=True, slots=True)
class PatternRule:
    """A named regular expression, its type, and the importance it adds or takes away (-1..1).

    Attributes:
        hints: lower-case strings; a text that holds none of them can't match, and the expression isn't tried. Looking
            for them is a hundred times faster than searching by expression. Empty: always try.
        max_chars: longer texts can't match.
    """

    name: str
    kind: PatternType
    expression: re.Pattern[str]
    weight: float
    hints: tuple[str, ...] = ()
    max_chars: int | None = None


def _rule(
    name: str,
    kind: PatternType,
    expression: str,
    weight: float,
    flags: int = re.IGNORECASE,
    hints: tuple[str, ...] = (),
    max_chars: int | None = None,
) -> PatternRule:
    return PatternRule(name, kind, re.compile(expression, flags), weight, hints, max_chars)


_GREETINGS = (
    r"hi|hello|hey|thanks?(?: you| a lot)?|ok(?:ay)?|yes|yeah|yep|no|nope|sure|bye|good (?:morning|evening|night)|great|cool|right|"
    r"mm-?hmm|uh-?huh|i see|you'?re welcome|sounds good|こんにちは|ありがとう(?:ございます)?|はい|いいえ|了解(?:です)?"
)

# Where an expression is tried on many texts, what stands first tells at once that no match can begin here: half the time.
DEFAULT_RULES: tuple[PatternRule, ...] = (
    _rule(
        "traceback",
        PatternType.ERROR,
        r"traceback \(most recent call last\)|^[ \t]+at [\w.$<>]+\(.*:\d+\)$",
        0.25,
        re.I | re.M,
        hints=("traceback", "\tat ", " at "),
    ),
    _rule(
        "error_report",
        PatternType.ERROR,
        r"\b(?:error|fatal|panic|exception)\b\s*[:\]]|\b\w+(?:Error|Exception)\b\s*:|\berror occurred\b|"
        r"\b(?:failed|unable) to \w+|\b(?:connection|request|build|test|command)\b[^.\n]{0,40}\b(?:failed|refused|timed out)\b|"
        r"segmentation fault|command not found|no such file or directory|permission denied|"
        r"\bexit(?:ed)?(?: with)?(?: status| code)? [1-9]\d*\b|エラー|例外が|失敗しました",
        0.25,
        hints=(
            "error",
            "fatal",
            "panic",
            "exception",
            "fail",
            "unable",
            "refused",
            "timed out",
            "segmentation",
            "not found",
            "no such",
            "denied",
            "exit",
            "エラー",
            "例外",
            "失敗",
        ),
    ),
    _rule(
        "steps",
        PatternType.USER_WORKFLOW,
        r"\bstep \d+\b|^[ \t]*1[.)] .*\n\s*2[.)] |\bfirst\b[\s\S]{3,200}?\bthen\b|\bworkflow\b|\bhow (?:i|we) (?:usually|always)\b|手順",
        0.15,
        re.I | re.M,
        hints=("step", "1.", "1)", "first", "workflow", "usually", "always", "手順"),
    ),
    _rule(
        "decision",
        PatternType.DECISION,
        r"\b(?:we|i|they|team) (?:have )?(?:decided|agreed|chose|settled)\b|\bdecision\s*:|\bfrom now on\b|決定し|決めました",
        0.25,
        hints=("decided", "agreed", "chose", "settled", "decision", "from now on", "決定", "決め"),
    ),
    _rule(
        "preference",
        PatternType.PREFERENCE,
        r"(?=[iushtman好嫌])(?:"
        r"\b(?:(?:i|user|she|he|they)(?:'d)? (?:really |usually |always )?(?:prefers?|likes?|loves?|hates?|dislikes?|wants?)\b|"
        r"my favou?rite\b|allergic to\b|(?:always|never) use\b)|好き|嫌い)",
        0.2,
        hints=(
            " prefer",
            " like",
            " love",
            " hate",
            " dislike",
            " want",
            "my favo",
            "allergic to",
            "always use",
            "never use",
            "好き",
            "嫌い",
        ),
    ),
    _rule(
        "fact",
        PatternType.FACT,
        r"(?=[\dmoht@])(?:\b\d{4}-\d{2}-\d{2}\b|\b(?:my|our|his|her|their) [\w ]{2,30} (?:is|are) \w+|"
        r"@(?<=[\w.+-]@)[\w-]+\.\w+)",
        0.1,
        hints=("my ", "our ", "his ", "her ", "their ", "@", "-"),
    ),
    _rule(
        "question",
        PatternType.QUESTION,
        r"[?\uff1f]\s*$|^\s*(?:who|what|when|where|why|how|which|can|could|do|does|is|are)\b[^.!\n]*\?",
        0.0,
        hints=("?", "？"),
    ),
    _rule(
        "code",
        PatternType.CODE,
        r"^[ \t]*(?:(?:def|class|import|from|function|const|let|var|public|#include)\b.*[({;:]|[\w.]+ *= *\w+\()|```",
        0.05,
        re.M,
        hints=("(", "{", ";", ":", "```"),
    ),
    _rule(
        "tool_call",
        PatternType.TOOL_CALL,
        r'"(?:tool|tool_name|function|arguments|tool_call_id)"\s*:|\bcalling tool\b|^[ \t]*Action(?: Input)?:',
        0.0,
        re.I | re.M,
        hints=("tool", "function", "arguments", "action"),
    ),
    _rule(
        "log_line",
        PatternType.LOG_LINE,
        r"^\W{0,2}\d{2,4}[-/.]?\d{2}[-/.]?\d{2}[ T]\d{2}:\d{2}|^\w{3} +\d{1,2} \d{2}:\d{2}:\d{2}|"
        r"^\W?(?:DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|FATAL)\b",
        -0.15,
        0,
    ),
    _rule(
        "boilerplate",
        PatternType.BOILERPLATE,
        r"all rights reserved|copyright \(c\)|terms of (?:service|use)|privacy policy|unsubscribe|cookie|click here|this e-?mail",
        -0.25,
        hints=("rights", "copyright", "terms", "privacy", "unsubscribe", "cookie", "click", "mail"),
    ),
    _rule(
        "greeting",
        PatternType.GREETING,
        rf"^\W*(?:{_GREETINGS})(?:\W+(?:{_GREETINGS}|there|everyone|all|you|again|very much|so much))*\W*$",
        -0.35,
        max_chars=60,
    ),
)


def find_patterns(text: str, rules: tuple[PatternRule, ...], codes: Codes) -> tuple[tuple[Pattern, ...], float]:
    """Return the patterns found in a text and the sum of their weights. `codes`: what `hints_of` the rules knows of its words."""
    size = len(text)
    found = []
    for rule, possible in zip(rules, hints_of(rules).possible(text.lower(), codes), strict=True):
        if possible and (rule.max_chars is None or size <= rule.max_chars) and rule.expression.search(text):
            found.append(rule)
    return tuple(Pattern(rule.name, rule.kind) for rule in found), sum(rule.weight for rule in found)


def hints_of(rules: tuple[PatternRule, ...]) -> Hints:
    """Return what words tell of these rules."""
    return _DEFAULT_HINTS if rules is DEFAULT_RULES else _hints_of(rules)


@lru_cache(maxsize=8)
def _hints_of(rules: tuple[PatternRule, ...]) -> Hints:
    return Hints([rule.hints for rule in rules])


_DEFAULT_HINTS = _hints_of(DEFAULT_RULES)  # at hand: to hash all rules for every text would cost more than it saves
