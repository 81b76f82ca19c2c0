"""What a text is: its words, what makes two texts the same, how new it is, and which patterns it has."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vectopt import ContentAnalysis, PatternEngine, PatternType, VectorManager
from vectopt.analysis import DEFAULT_RULES, Novelty, PatternRule, fingerprint, read, words
from vectopt.analysis.novelty import shingles
from vectopt.analysis.patterns import find_patterns, hints_of

QUICK = settings(deadline=None, derandomize=True, max_examples=200)


# --- words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("port 8080 is open", ["port", "8080", "is", "open"]),
        ("v1.2.3-rc4", ["v1", "2", "3", "rc4"]),
        ("snake_case CamelCase kebab-case", ["snake", "case", "camelcase", "kebab", "case"]),
        ("don't", ["don", "t"]),
        ("a@b.com", ["a", "b", "com"]),
        ("Straße ÉCOLE naïve", ["straße", "école", "naïve"]),
        ("Привет, мир", ["привет", "мир"]),
        ("", []),
        (" \n\t\0", []),
        ("?!… —", []),
        ("東京", ["東京"]),
        ("東京都庁", ["東京", "京都", "都庁"]),
        ("雨", ["雨"]),
        ("カタカナ", ["カタ", "タカ", "カナ"]),
        ("我喜欢北京", ["我喜", "喜欢", "欢北", "北京"]),
        ("สวัสดี", ["สว", "วั", "ัส", "สด", "ดี"]),
        ("안녕하세요 세계", ["안녕하세요", "세계"]),
        ("GPT4で東京を検索", ["gpt4", "で東", "東京", "京を", "を検", "検索"]),
        ("東京tower", ["東京", "tower"]),
        ("雨、雪。", ["雨", "雪"]),
        ("\U00020000\U00020001\U00020002", ["\U00020000\U00020001", "\U00020001\U00020002"]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("昨日は東京で雨が降った", "東京"),
        ("昨日は東京で雨が降った", "雨が"),
        ("我明天去北京开会", "北京"),
        ("ผมชอบกินข้าวผัด", "ข้าว"),
        ("データベースの接続エラー", "エラー"),
    ],
)
def test_a_short_word_is_found_inside_a_sentence_without_spaces(text: str, query: str) -> None:
    with VectorManager() as m:
        m.add([text, "something else entirely", "別の文章です", "另一句话", "คนละเรื่อง"])
        assert m.search(query, 1, mode="lexical")[0].content == text


@QUICK
@given(st.text())
def test_words_are_lower_case_without_white_space_and_never_empty(text: str) -> None:
    found = words(text)
    assert all(word and word == word.lower() and not any(char.isspace() for char in word) for word in found)
    assert words(text) == found


@QUICK
@given(st.text(), st.text())
def test_words_of_two_texts_apart_are_the_words_of_both(left: str, right: str) -> None:
    assert words(f"{left} . {right}") == words(left) + words(right)


# --- fingerprints


@pytest.mark.parametrize(
    ("left", "right"),
    [("Hello World", "hello   world"), ("a\nb", " a b "), ("a\u3000b", "a b"), ("", " \n"), ("ÉCOLE", "école")],
)
def test_case_and_white_space_do_not_make_another_text(left: str, right: str) -> None:
    assert fingerprint(left) == fingerprint(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("port 8080", "port 8081"),
        ("15 October", "16 October"),
        ("took 5 ms", "took 1234 ms"),
        ("at 0xdeadbeef", "at 0x1234"),
        ("commit 3f2a9b1c", "commit 0a1b2c3d"),
        ("id 550e8400-e29b", "id 123e4567-e89b"),
    ],
)
def test_texts_equal_but_for_digits_share_the_masked_digest_only(left: str, right: str) -> None:
    assert fingerprint(left).exact != fingerprint(right).exact
    assert fingerprint(left).masked == fingerprint(right).masked


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("it is done", "it is not done"),
        ("ab", "a b"),
        ("port 8080", "part 8080"),
        ("port 8080 8081", "port 8080"),
        ("a-b", "a b"),
        ("deadbeef cafe", "feedface cafe"),
        ("", "a"),
    ],
)
def test_other_texts_share_neither_digest(left: str, right: str) -> None:
    assert fingerprint(left).exact != fingerprint(right).exact
    assert fingerprint(left).masked != fingerprint(right).masked


@QUICK
@given(st.text(), st.text())
def test_fingerprints_agree_exactly_where_the_normalised_texts_do(left: str, right: str) -> None:
    same = " ".join(left.lower().split()) == " ".join(right.lower().split())
    assert (fingerprint(left).exact == fingerprint(right).exact) == same
    assert not same or fingerprint(left).masked == fingerprint(right).masked


# --- novelty


def novelty(engine: PatternEngine, text: str) -> float:
    return engine.analyze_content(text).novelty_score


def unseen(engine: PatternEngine, text: str) -> float:
    """The share of a text's words that is new, before it is ranked among the others'."""
    return engine.novelty.of(shingles(words(text)))


TEXT = "cormorants nest on basalt cliffs above the harbour"


def test_a_first_text_is_new_and_its_repeat_is_not() -> None:
    engine = PatternEngine()
    assert novelty(engine, TEXT) == 1.0
    engine.observe(TEXT)
    assert novelty(engine, TEXT) == 0.0
    assert novelty(engine, TEXT.upper()) == 0.0


def test_novelty_falls_with_what_is_shared() -> None:
    engine = PatternEngine()
    engine.observe(TEXT)
    near = novelty(engine, TEXT.replace("harbour", "lagoon"))
    far = novelty(engine, "cormorants rarely visit inland reservoirs")
    assert 0 < near < 0.3 < far < novelty(engine, "quarterly tax figures")
    assert novelty(engine, "quarterly tax figures") == pytest.approx(1, abs=0.01)


def test_the_order_of_words_counts() -> None:
    engine = PatternEngine()
    engine.observe("alpha beta gamma delta")
    assert 0 < novelty(engine, "delta gamma beta alpha") < 0.6


@pytest.mark.parametrize("text", ["", "  ", "?!"])
def test_a_text_without_words_is_not_new(text: str) -> None:
    assert novelty(PatternEngine(), text) == 0.0


def test_analysing_changes_nothing() -> None:
    engine = PatternEngine()
    assert novelty(engine, TEXT) == novelty(engine, TEXT) == 1.0


def test_what_was_seen_survives_being_written_down() -> None:
    engine = PatternEngine()
    engine.observe(TEXT)
    again = PatternEngine(novelty=Novelty.from_bytes(engine.novelty.to_bytes()))
    assert novelty(again, TEXT) == 0.0
    assert novelty(again, "quarterly tax figures") == 1.0
    assert again.novelty.to_bytes() == engine.novelty.to_bytes()


@pytest.mark.parametrize("data", [b"", b"x", b"x" * 100_000], ids=len)
def test_damaged_state_is_learned_anew(data: bytes) -> None:
    assert novelty(PatternEngine(novelty=Novelty.from_bytes(data)), TEXT) == 1.0


@pytest.mark.parametrize("length", [50, 3000])
def test_the_memory_of_what_was_seen_is_bounded_and_never_full(length: int) -> None:
    """A full memory would call everything seen; this one forgets the oldest instead, however long the texts are."""
    random = Random(0)

    def text(words: int) -> str:
        return " ".join("".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=7)) for _ in range(words))

    engine = PatternEngine()
    lowest = 1.0
    for number in range(120_000 // length):
        last = text(length)
        engine.observe(last)
        if length * number % 3000 == 0:
            lowest = min(lowest, unseen(engine, text(300)))
    assert lowest > 0.35
    assert novelty(engine, last) == 0.0
    assert len(engine.novelty.to_bytes()) < 70_000


def test_words_that_differ_in_digits_are_told_apart() -> None:
    engine = PatternEngine()
    for start in range(0, 100_000, 250):
        engine.observe(" ".join(f"word{number}" for number in range(start, start + 250)))
    assert unseen(engine, " ".join(f"other{number}" for number in range(250))) > 0.35


def test_novelty_survives_a_restart_of_the_manager(tmp_path: object) -> None:
    with VectorManager(f"{tmp_path}/store.db") as m:
        m.process_content(TEXT)
    with VectorManager(f"{tmp_path}/store.db") as m:
        assert m.why_not(TEXT).decision.novelty_score == 0.0
        assert m.why_not(TEXT, namespace="other").decision.novelty_score == 1.0


# --- the analysis as a whole


@QUICK
@given(st.text(max_size=200), st.lists(st.text(max_size=100), max_size=3))
def test_scores_are_in_0_to_1_and_determined_by_the_stream(text: str, before: list[str]) -> None:
    def analysed() -> ContentAnalysis:
        engine = PatternEngine()
        for one in before:
            engine.observe(one)
        return engine.analyze_content(text)

    result = analysed()
    assert 0 <= result.importance_score <= 1
    assert 0 <= result.novelty_score <= 1
    assert result == analysed()


def test_the_analysis_keeps_the_metadata() -> None:
    assert PatternEngine().analyze_content("x", {"a": 1}).metadata == {"a": 1}


def test_errors_and_decisions_weigh_more_than_small_talk() -> None:
    def importance(text: str) -> float:
        return PatternEngine().analyze_content(text).importance_score

    assert importance("thanks!") < importance("the meeting room is on the left") < importance("ERROR: the database refused the connection")
    assert importance("click here to unsubscribe") < importance("we decided to use Postgres")


# --- patterns

FOUND: dict[PatternType, list[str]] = {
    PatternType.ERROR: [
        "ERROR: disk quota exceeded",
        "ValueError: invalid literal for int()",
        'Traceback (most recent call last):\n  File "a.py", line 1',
        "the build failed with exit code 2",
        "bash: foo: command not found",
        "Exception in thread main\n\tat com.example.Main.run(Main.java:5)",
        "connection to the primary was refused",
        "データベースでエラーが発生",
    ],
    PatternType.USER_WORKFLOW: [
        "Step 1: open the settings",
        "1. clone the repository\n2. run the tests",
        "first I export the report, then I mail it",
        "my workflow for releases",
        "手順を説明します",
    ],
    PatternType.DECISION: ["We decided to use Postgres", "Decision: ship on Friday", "from now on, use tabs", "Redisに決定しました"],
    PatternType.PREFERENCE: ["I prefer dark mode", "she really likes tea", "my favourite editor is vim", "猫が好きです"],
    PatternType.FACT: ["my phone number is 555", "released on 2024-05-01", "write to bob@example.com"],
    PatternType.QUESTION: ["Where is the config file?", "なぜですか？", "is this on?\nthanks for looking"],
    PatternType.CODE: ["```python\nprint(1)\n```", "def main():\n    pass", "x = compute(5)"],
    PatternType.TOOL_CALL: ['{"tool": "search", "arguments": {}}', "Action: search", "calling tool weather"],
    PatternType.LOG_LINE: ["2024-05-01 12:00:01 started", "INFO worker ready", "Jun  3 12:00:01 host sshd[1]: accepted"],
    PatternType.BOILERPLATE: ["All rights reserved.", "click here to unsubscribe", "see our privacy policy"],
    PatternType.GREETING: ["hello", "Thanks a lot!", "ok", "good morning", "こんにちは", "yes"],
}  # fmt: skip

PROSE = [
    "The cormorant dries its wings on the rocks after diving.",
    "Bread needs flour, water, salt and time.",
    "Rome was built on seven hills beside a river.",
    "Trial and error taught her the trick of it.",
    "He stepped outside into the rain.",
    "The committee's terms were generous, and the building looked new.",
    "Okavango is a delta in Botswana, well known for hippos.",
    "Highways were closed on account of snow.",
]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in FOUND.items() for text in texts])
def test_a_pattern_is_found(kind: PatternType, text: str) -> None:
    assert PatternEngine().analyze_content(text).has(kind)


def test_every_type_of_pattern_is_tried() -> None:
    assert set(FOUND) == set(PatternType)


@pytest.mark.parametrize("text", PROSE)
def test_ordinary_prose_has_no_pattern(text: str) -> None:
    assert PatternEngine().analyze_content(text).patterns == ()


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (PatternType.ERROR, "the error rate is low"),
        (PatternType.ERROR, "no exceptions were made for him"),
        (PatternType.ERROR, "exit code 0"),
        (PatternType.USER_WORKFLOW, "the footsteps faded"),
        (PatternType.DECISION, "an undecided voter"),
        (PatternType.GREETING, "hello world programs are the first thing one writes in a new language"),
        (PatternType.GREETING, "yesterday"),
        (PatternType.LOG_LINE, "the info desk is on the left"),
        (PatternType.CODE, "the class of 1999 met again"),
        (PatternType.QUESTION, "what a lovely day it was"),
    ],
)
def test_a_pattern_is_not_found_where_it_only_sounds_like_it(kind: PatternType, text: str) -> None:
    assert not PatternEngine().analyze_content(text).has(kind)


def test_the_names_and_types_of_patterns_are_given() -> None:
    (pattern,) = PatternEngine().analyze_content("We decided to use Postgres").patterns
    assert (pattern.pattern_name, pattern.pattern_type) == ("decision", "decision")


HOSTILE = """
from vectopt import PatternEngine
from vectopt.analysis import fingerprint, words

seeds = [
    "a", " ", "\\n", ".", "1. ", "1.\\n", "first ", "my ", "my a", "a@", "a.", "hi ", "ok, ", "ok ", "what ", "?",
    "- ", " at a(", "\\tat ", "=", "error ", "connection ", "x = ", "0", "0a", "0x", "step", "traceback ", "def (",
    "thanks so ", "東", "é", "_", "\\0", "2024-", "#", "\\"tool\\"", "exit status ", "exit with code ", "their x ",
    "Action", " 1.", "1. a\\n", "how i ", "A.Error", "request build test command ", "\\u3000",
]
engine = PatternEngine()
for seed in seeds:
    text = (seed * 20_000)[:20_000]
    for one in (text + "!", "error ? my @ = ( - first 1. step at " + text + "\\n2. ?"):
        engine.analyze_content(one)
        engine.observe(one)
        fingerprint(one)
        words(one)
print("done")
"""


def test_no_text_makes_the_analysis_backtrack_for_ever() -> None:
    """Hostile texts of 20,000 characters: backtracking would take hours, the work itself takes seconds."""
    done = subprocess.run([sys.executable, "-c", HOSTILE], check=True, timeout=50, capture_output=True, text=True)
    assert done.stdout == "done\n"


def test_hints_never_hide_what_an_expression_finds() -> None:
    """Whatever stands around a hint, the expression is tried where it would have been found."""
    texts = [
        "Connection to the database failed",
        "ValueError: no",
        "MyCustomException: late",
        "it was unable to start",
        "the job timed out? no: request for it timed out",
        "Traceback (most recent call last):",
        "x\n\tat com.example.Main(Main.java:12)\n",
        "x\n    at com.example.Main(Main.java:12)\n",
        "step 3 comes now",
        "first open it and then close it",
        "1. one\n2. two",
        "team have agreed on it",
        "from now on it is so",
        "I prefer tea",
        "they'd really like tea",
        "my favorite is tea",
        "allergic to nuts",
        "always use tabs",
        "on 2026-03-01 it was",
        "our main office is Rome",
        "write to a.b@c.de",
        "is it so?",
        "def f(x):",
        '{"tool": 1}',
        "calling tool now",
        "Action: search",
        "All rights reserved",
        "this e-mail is",
        "エラーが出ました",
        "好きな色は青",
        "日本語 and I prefer tea",
        "İ prefer; I prefer tea",
        "good morning everyone",
    ]
    found = {text: find_patterns(text, DEFAULT_RULES, hints_of(DEFAULT_RULES).codes(words(text)))[0] for text in texts}
    for text in texts:
        tried = [rule.name for rule in DEFAULT_RULES if (rule.max_chars or 99) >= len(text) and rule.expression.search(text)]
        assert tried, text
        assert [pattern.pattern_name for pattern in found[text]] == tried, text


def test_more_rules_than_bits_are_all_looked_for() -> None:
    named = [f"word{chr(97 + n // 8)}{chr(97 + n % 8)}" for n in range(60)]
    rules = tuple(PatternRule(word, PatternType.FACT, re.compile(word), 0.0, (word,)) for word in named)
    for rule in rules:
        text = f"a {rule.hints[0]} here"
        assert [pattern.pattern_name for pattern in read(text, rules).patterns] == [rule.name]


def test_words_of_ascii_are_what_they_are_beside_other_scripts() -> None:
    text = "".join(map(chr, range(128))) + " Don't_stop-it 4.5 x86"
    assert words(text) == words(text + " é")[:-1]


def test_what_is_remembered_of_words_is_bounded_by_their_length() -> None:
    hints = hints_of(DEFAULT_RULES)
    before = len(hints)
    for number in range(50):
        read(f"{number:x}" * 5_000)
    assert len(hints) == before


def test_rules_may_come_as_any_sequence_and_are_equal_by_what_they_say() -> None:
    engine = PatternEngine(rules=list(DEFAULT_RULES))  # type: ignore[arg-type]
    assert engine.analyze_content("Error: it failed").has(PatternType.ERROR)
    assert copy.copy(DEFAULT_RULES[0]) == DEFAULT_RULES[0]
