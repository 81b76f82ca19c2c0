"""Texts that look alike are one only if they say the same."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from vectopt import PatternCompressor
from vectopt.compression import same_fact, statement

from .reference import similarity

PAIRS = Path(__file__).parent / "pairs"


def pairs(name: str) -> list[tuple[str, str, str]]:
    lines = (PAIRS / f"{name}.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return [(kind, first, second) for kind, first, second in (line.split("\t") for line in lines)]


def merged(first: str, second: str, threshold: float = 0.85) -> bool:
    return PatternCompressor(threshold, tokenizer="mixed", guard=True).add_many([first, second]) == [0, 0]


@pytest.mark.parametrize(("name", "count"), [("different", 350), ("held_out_different", 250)])
def test_no_two_facts_are_made_one(name: str, count: int) -> None:
    several = pairs(name)
    assert len(several) >= count
    for kind, first, second in several:
        assert not merged(first, second), (kind, first, second)
        assert not merged(second, first, 0.1), (kind, second, first)
        assert not same_fact(statement(first), statement(second)), (kind, first, second)


@pytest.mark.parametrize(("name", "count"), [("rewordings", 150), ("held_out_rewordings", 120)])
def test_of_a_hundred_rewordings_eighty_are_made_one(name: str, count: int) -> None:
    several = pairs(name)
    assert len(several) >= count
    found = Counter(merged(first, second, 0.75) for _, first, second in several)
    assert found[True] >= 0.8 * len(several), found
    assert all(merged(first, second, 0.75) == merged(second, first, 0.75) for _, first, second in several)


def test_the_pairs_are_such_as_similarity_alone_would_merge() -> None:
    for name in ("different", "rewordings"):
        close = [similarity(first, second, lambda text: text.lower().split()) >= 0.85 for _, first, second in pairs(name)]
        assert sum(close) >= 0.9 * len(close)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("The meeting is on 15 October.", "The meeting is on 16 October."),
        ("The feature is enabled on all hosts.", "The feature is not enabled on all hosts."),
        ("Anna is the CEO of the company.", "Anna is the CTO of the company."),
        ("The server listens on port 8080.", "The server listens on port 8081."),
        ("Turn the heating on in the morning", "Turn the heating off in the morning"),
        ("Alice beats Bob at chess", "Bob beats Alice at chess"),
        ("the dog chased the cat", "the cat chased the dog"),
        ("It works.", "It works?"),
        ("👍 for the new design", "👎 for the new design"),
        ("I have a few friends in town", "I have few friends in town"),
        ("not ready but done", "ready but not done"),
        ("only on Linux the file is read", "on Linux only the file is read"),
        ("if (!done) stop", "if (done) stop"),
        ("The vaccine is definitely not safe for children under five", "The vaccine is not definitely safe for children under five"),
        ("The results are not very good for the review board", "The results are not good for the review board"),
        ("Not just the admin may delete the database", "Not the admin may delete the database"),
        ("Ann was born in Leeds and moved to York in 2010", "In 2010 Ann was born in Leeds and moved to York"),
        ("The plan to attack in May was leaked", "The plan to attack was leaked in May"),
        ("Bob promised to deliver the report to Ann on Friday", "On Friday Bob promised to deliver the report to Ann"),
        ("The user thinks the app crashed yesterday", "Yesterday the user thinks the app crashed"),
        ("People who exercise often get sick", "Often people who exercise get sick"),
        ("Clearly Bob speaks to the board about the budget", "Bob speaks clearly to the board about the budget"),
        ("The user prefers option A for the holiday in Spain", "The user prefers the option for the holiday in Spain"),
        ("Temperature was - 5 degrees at the station in March", "Temperature was 5 degrees at the station in March"),
        ("The patient feels well and wants to go home on Monday", "The patient feels and wants to go home on Monday"),
        ("Il a acheté une voiture rouge hier", "Il acheté une voiture rouge hier"),
        ("Er baut das Haus um und zieht dann ein", "Er baut das Haus und zieht dann ein"),
        ("Thanks to Bob the deployment works again on staging", "To Bob the deployment works again on staging"),
        ("load the .env file", "load the env file"),
        ("the", "no"),
        ("", "a"),
    ],
)
def test_what_differs_in_one_thing_is_another_fact(first: str, second: str) -> None:
    assert not same_fact(statement(first), statement(second))
    assert not merged(first, second, 0.1)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("The server is down", "the server is DOWN!!!"),
        ("Yesterday, the deployment failed.", "The deployment failed yesterday"),
        ("We met in Berlin on Monday", "On Monday we met in Berlin"),
        ("It doesn't work", "it does not work"),
        ("Of course the printer in the hall is broken", "The printer in the hall is broken."),
        ("DO NOT mix the two liquids", "Do not mix the two liquids"),
    ],
)
def test_what_differs_in_nothing_that_matters_is_one(first: str, second: str) -> None:
    assert same_fact(statement(first), statement(second))


def test_texts_that_share_few_words_are_one_unless_a_number_a_name_or_a_negation_differs() -> None:
    """For likeness by meaning: the words may all be others, but not the facts in them."""
    assert same_fact(statement("The shop opens at 9 in Berlin"), statement("Doors are unlocked by 9, Berlin store hours"))
    assert not same_fact(statement("The shop opens at 9 in Berlin"), statement("Doors are unlocked by 10, Berlin store hours"))
    assert not same_fact(statement("He can come tomorrow evening"), statement("Not able to attend on that day"))
