"""The `vectopt` command with OpenAI's embeddings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vectopt.cli.app import app

from .openai_double import Double, Fault

KEY = "sk-CANARYKEY"


@pytest.fixture
def double(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Double]:
    monkeypatch.chdir(tmp_path)
    with Double() as one:
        one.behaviour.key = KEY
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", one.url)
        yield one


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    assert "CANARY" not in result.stdout + result.stderr
    return result.stdout + result.stderr


def notes(count: int) -> None:
    animals = ("otter", "heron", "badger", "lynx", "marten")
    lines = (json.dumps({"text": f"The {animals[number % 5]} of valley {chr(97 + number)} sleeps."}) for number in range(count))
    Path("notes.jsonl").write_text("\n".join(lines))


def test_it_ingests_shows_the_cost_and_searches_by_the_stores_own_embedder(double: Double) -> None:
    notes(20)
    said = run("ingest", "notes.jsonl", "--embedder", "openai/text-embedding-3-small@64")
    assert "cost, estimated" in said
    assert double.behaviour.paid_inputs == 20
    assert "openai/text-embedding-3-small, 64 dimensions" in run("stats")
    assert "notes.jsonl" in run("search", "The heron of valley b sleeps.", "--mode", "dense")
    run("ingest", "notes.jsonl")  # by the store's own; nothing is new
    assert double.behaviour.paid_inputs == 21


def test_a_refused_key_keeps_the_texts_and_says_so_once(double: Double) -> None:
    notes(5)
    double.behaviour.key = "another"
    said = run("ingest", "notes.jsonl", "--embedder", "openai")
    assert said.count("the key is not accepted") == 1
    assert "5 texts wait" in said.replace("\n", " ")
    double.behaviour.key = KEY
    assert "embeddings made" in run("ingest", "notes.jsonl", "--embedder", "openai")
    assert double.behaviour.paid_inputs == 5


def test_a_store_gets_another_embedder_and_may_be_told_twice(double: Double) -> None:
    notes(12)
    run("ingest", "notes.jsonl", "--embedder", "openai/text-embedding-3-small@32")
    double.behaviour.script = [Fault.QUOTA]
    said = run("reembed", "--embedder", "openai/text-embedding-3-large", code=1)
    assert "quota" in said
    assert "Run it again" in said
    assert "text-embedding-3-small, 32" in run("stats")
    assert "12" in run("reembed", "--embedder", "openai/text-embedding-3-large")
    assert "text-embedding-3-large, 3072" in run("stats")
    assert "notes.jsonl" in run("search", "The lynx of valley d sleeps.", "--mode", "dense")


def test_without_a_key_words_answer(double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    notes(5)
    run("ingest", "notes.jsonl", "--embedder", "openai")
    monkeypatch.delenv("OPENAI_API_KEY")
    said = run("search", "heron")
    assert "OPENAI_API_KEY" in said
    assert "notes.jsonl" in said


@pytest.mark.parametrize("name", ["gpt", "openai/model@many", "cohere/x"])
def test_a_name_that_means_nothing_is_refused(double: Double, name: str) -> None:
    notes(1)
    assert "--embedder must be" in run("ingest", "notes.jsonl", "--embedder", name, code=1)
