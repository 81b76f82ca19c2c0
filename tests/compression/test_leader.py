"""Clusters are those of the specification's loop over all pairs, exactly, however the texts come in."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vectopt.compression import TOKENIZERS, Leader
from vectopt.compression import leader as leader_module

from .reference import labels
from .streams import adversarial, perturbed

SPEC = TOKENIZERS["spec"]


def clustered(texts: list[str], threshold: float = 0.85, tokenizer: str = "spec", portions: int | None = None) -> list[int]:
    leader = Leader(threshold, TOKENIZERS[tokenizer])
    rng = random.Random(portions)
    found: list[int] = []
    while len(found) < len(texts):
        size = len(texts) if portions is None else rng.randint(1, portions)
        found += leader.add(texts[len(found) : len(found) + size])
    return found


@pytest.mark.parametrize("threshold", [0.2, 0.3, 0.5, 0.7, 0.85, 0.9, 1.0])
@pytest.mark.parametrize(("vocabulary", "words"), [(30, (0, 8)), (300, (2, 14)), (3000, (8, 60))])
def test_a_stream_has_the_clusters_of_the_loop(vocabulary: int, words: tuple[int, int], threshold: float) -> None:
    texts = perturbed(vocabulary, 1000, vocabulary=vocabulary, words=words, repeat=0.6)
    wanted = labels(texts, threshold, SPEC)
    assert clustered(texts, threshold) == wanted
    assert clustered(texts, threshold, portions=90) == wanted


@pytest.mark.parametrize("name", adversarial())
def test_a_stream_made_to_be_hard_has_the_clusters_of_the_loop(name: str) -> None:
    texts = adversarial()[name]
    wanted = labels(texts, 0.85, SPEC)
    assert clustered(texts) == wanted
    assert clustered(texts, portions=40) == wanted


def test_reordering_the_words_and_choosing_schemes_changes_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = perturbed(3, 1000, vocabulary=150, words=(1, 60), repeat=0.5)
    wanted = labels(texts, 0.85, SPEC)
    for first, sample, portion, crowd in [(20, 8, 16, 1), (100, 32, 64, 4), (500, 4, 1000, 1)]:
        monkeypatch.setattr(leader_module, "_FIRST_ORDER", first)
        monkeypatch.setattr(leader_module, "_SAMPLE", sample)
        monkeypatch.setattr(leader_module, "_PORTION", portion)
        monkeypatch.setattr(leader_module, "_CROWD", crowd)
        assert clustered(texts, portions=200) == wanted


def test_eleven_of_fourteen_words_are_not_alike() -> None:
    """0.7 x 11/14 + 0.3 is 0.85 in algebra and 0.8499999999999999 in float64: the loop doesn't join them, so nothing may."""
    shared = [f"w{i}" for i in range(11)]
    texts = [" ".join([*shared, "a1"]), " ".join([*shared, "b1", "c"])]
    texts = [text.ljust(60, "w") for text in texts]
    assert clustered(texts) == labels(texts, 0.85, SPEC)
    first, second = " ".join([*shared, "aa", "b"]), " ".join([*shared, "cccc"])
    assert len(first) == len(second)
    assert clustered([first, second]) == [0, 1]
    assert clustered([first, second], threshold=0.8499999999999999) == [0, 0]


words = st.lists(st.sampled_from(["a", "b", "c", "dd", "eee", "ffff", "G", "ね", "日本", "語を話す"]), max_size=9).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(st.lists(words, max_size=60), st.sampled_from([0.25, 0.5, 0.7, 0.85, 0.95]), st.sampled_from(["spec", "mixed"]), st.integers(1, 20))
def test_any_stream_has_the_clusters_of_the_loop(texts: list[str], threshold: float, tokenizer: str, portions: int) -> None:
    assert clustered(texts, threshold, tokenizer, portions) == labels(texts, threshold, TOKENIZERS[tokenizer])  # type: ignore[index]


@given(st.text())
def test_mixed_words_are_the_specifications_where_words_have_spaces(text: str) -> None:
    mixed = TOKENIZERS["mixed"](text)
    if not any(character in "".join(mixed) for character in text if character >= "\u0e00"):
        assert mixed == SPEC(text)
    assert "".join(SPEC(text)).replace(" ", "") == "" or mixed


def test_mixed_words_are_pairs_of_characters_where_words_have_none() -> None:
    mixed = TOKENIZERS["mixed"]
    assert mixed("東京都へ行く") == ["東京", "京都", "都へ", "へ行", "行く"]
    assert mixed("iPhone15を買う now") == ["iphone15", "を買", "買う", "now"]
    assert mixed("猫") == ["猫"]
    assert mixed("한국어 문장 입니다") == ["한국어", "문장", "입니다"]
    assert clustered(["会議は来週の月曜日の午後三時から行われます", "会議は来週の月曜日の午後三時から行われます。"], tokenizer="mixed") == [
        0,
        0,
    ]
    assert clustered(["会議は来週の月曜日の午後三時から行われます", "会議は来週の月曜日の午後三時から行われます。"]) == [0, 1]
