"""The `vectopt` command, from the outside: what it prints, what it leaves in the store, what it embeds."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from typer.testing import CliRunner

from vectopt import Item, Stats, VectorManager
from vectopt.cli import store as store_module
from vectopt.cli.app import app
from vectopt.cli.ingest import ingest
from vectopt.cli.paragraphs import LIMIT, texts_of
from vectopt.cli.show import size, snippet
from vectopt.cli.stdlib import docstrings
from vectopt.embedding.local import LocalEmbedder

SENTENCE = "The {0} gardener waters plot number {0} before the sun has dried the soil of the day."


class Fake:
    """Bags of words by their checksums: quick, and alike texts get alike vectors. Remembers what it was given."""

    name = "fake"
    dimensions = 64
    seen: list[str] = []
    fail_after: int | None = None
    failure: type[BaseException] = KeyboardInterrupt

    def embed(self, texts, role):
        if role == "document":
            if Fake.fail_after is not None and len(Fake.seen) >= Fake.fail_after:
                raise Fake.failure
            Fake.seen.extend(texts)
        vectors = np.zeros((len(texts), 64), np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                row[crc32(word.encode()) % 64] += 1
        return vectors


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A folder of its own to work in, and the fake embedder instead of the model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VECTOPT_STORE", raising=False)
    monkeypatch.setattr(Fake, "seen", [])
    monkeypatch.setattr(Fake, "fail_after", None)
    monkeypatch.setattr(Fake, "failure", KeyboardInterrupt)
    monkeypatch.setattr(store_module, "LocalEmbedder", Fake)
    return tmp_path


def run(*arguments: str, code: int = 0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    if code:
        assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def figures(shown: str) -> dict[str, str]:
    """Read a table of names and figures back."""
    found = (re.fullmatch(r"\s*(\S.*?)\s{2,}(\S.*?)\s*", line) for line in shown.splitlines())
    return {match[1]: match[2] for match in found if match}


def stored(store: str = "vectopt.db", namespace: str | None = None):
    with VectorManager(store) as manager:
        return manager.scan(namespace=namespace)


def paragraph(number: int) -> str:
    """A paragraph that fills more than half a text, so that no two share one."""
    return " ".join(SENTENCE.format(f"{number}-{part}") for part in range(9))


def write(path: str, *paragraphs: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text("\n\n".join(paragraphs), encoding="utf-8")


# --- ingest


def test_ingest_reads_folders_by_kind_and_skips_the_hidden():
    write("docs/a.txt", "A short one.", "Another short one.")
    write("docs/deep/b.md", "# Title", "Of markdown.")
    write("docs/c.log", "first line\n\n  second line  \nthird line")
    write("docs/d.jsonl", '{"text": "a record", "lang": "en"}')
    for skipped in ("docs/.hidden.txt", "docs/.git/e.txt", "docs/f.py"):
        write(skipped, "must not be read")
    shown = figures(run("ingest", "docs").stdout)
    assert (shown["files read"], shown["texts read"], shown["added"], shown["embeddings made"]) == ("4", "6", "6", "6")
    assert [(item.content, item.metadata) for item in stored()] == [
        ("A short one.\n\nAnother short one.", {"source": "docs/a.txt", "part": 1}),
        ("first line", {"source": "docs/c.log", "part": 1}),
        ("second line", {"source": "docs/c.log", "part": 2}),
        ("third line", {"source": "docs/c.log", "part": 3}),
        ("a record", {"source": "docs/d.jsonl", "part": 1, "lang": "en"}),
        ("# Title\n\nOf markdown.", {"source": "docs/deep/b.md", "part": 1}),
    ]


def test_a_second_run_embeds_and_changes_nothing():
    write("a.txt", *map(paragraph, range(8)), paragraph(0))  # the last one a second time
    first = figures(run("ingest", "a.txt").stdout)
    assert (first["added"], first["embeddings made"], first["embeddings avoided"]) == ("9", "8", "1")
    before, embedded = stored(), list(Fake.seen)
    second = figures(run("ingest", "a.txt", "./a.txt").stdout)
    assert (second["files read"], second["added"], second["unchanged"], second["removed"]) == ("1", "0", "9", "0")
    assert second["embeddings made"] == "0"
    assert Fake.seen == embedded
    assert stored() == before


def test_a_changed_file_changes_only_what_changed():
    write("a.txt", *map(paragraph, range(8)))
    write("b.txt", paragraph(100))
    run("ingest", ".")
    ids = {item.content: item.id for item in stored()}
    Fake.seen.clear()
    write("a.txt", *map(paragraph, range(3)), paragraph(55), *map(paragraph, range(4, 8)))
    shown = figures(run("ingest", "a.txt").stdout)
    assert (shown["added"], shown["unchanged"], shown["removed"], shown["embeddings made"]) == ("1", "7", "1", "1")
    assert Fake.seen == [paragraph(55)]
    now = {item.content: item.id for item in stored()}
    assert set(now) == {paragraph(number) for number in (0, 1, 2, 55, 4, 5, 6, 7, 100)}
    assert all(ids[content] == id for content, id in now.items() if content in ids)


def test_a_removed_paragraph_disappears_and_the_others_move_up_unembedded():
    write("a.txt", *map(paragraph, range(6)))
    run("ingest", "a.txt")
    Fake.seen.clear()
    write("a.txt", *map(paragraph, (0, 1, 3, 4, 5)))
    shown = figures(run("ingest", "a.txt").stdout)
    assert (shown["added"], shown["unchanged"], shown["metadata updated"], shown["removed"]) == ("0", "2", "3", "1")
    assert Fake.seen == []
    assert [item.metadata["part"] for item in stored()] == [1, 2, 3, 4, 5]
    found = json.loads(run("search", "2-4", "--mode", "lexical", "--json").stdout)
    assert paragraph(2) not in [hit["content"] for hit in found]


def test_an_interrupted_run_keeps_what_it_did_and_goes_on():
    Path("a.log").write_text("".join(f"line {number} of a long log\n" for number in range(700)), encoding="utf-8")
    Fake.fail_after = 256
    interrupted = run("ingest", "a.log", code=130)
    assert "Run it again" in interrupted.stderr
    kept = len(stored())
    assert 256 <= kept < 700
    Fake.fail_after = None
    shown = figures(run("ingest", "a.log").stdout)
    assert (shown["unchanged"], shown["added"], shown["removed"]) == (str(kept), str(700 - kept), "0")
    assert [item.content for item in stored()] == [f"line {number} of a long log" for number in range(700)]
    assert len(Fake.seen) == len(set(Fake.seen))  # nothing was paid for twice


def test_texts_that_could_not_be_embedded_are_told_found_by_words_and_tried_again():
    write("a.txt", *map(paragraph, range(3)))
    Fake.fail_after, Fake.failure = 0, RuntimeError
    first = run("ingest", "a.txt")
    assert "the embedder failed" in first.stderr
    assert (figures(first.stdout)["added"], figures(first.stdout)["embeddings made"]) == ("3", "0")
    assert "wait for their embedding" in first.stderr
    for _ in range(3):  # more often than a text is tried by itself
        run("ingest", "a.txt")
    assert len(json.loads(run("search", "gardener", "--mode", "lexical", "--json").stdout)) == 3
    Fake.fail_after = None
    last = run("ingest", "a.txt")
    assert (figures(last.stdout)["unchanged"], figures(last.stdout)["embeddings made"]) == ("3", "3")
    assert last.stderr.count("note") == 0


def test_an_emptied_file_loses_its_texts_and_only_its():
    write("a.txt", paragraph(1))
    write("b.txt", paragraph(2))
    run("ingest", ".")
    with VectorManager("vectopt.db") as manager:
        manager.add([Item("somebody else's", {"source": "a.txt"}, "a.txt#mine")])
    write("a.txt", "")
    assert figures(run("ingest", ".").stdout)["removed"] == "1"
    assert {item.content for item in stored()} == {paragraph(2), "somebody else's"}


def test_jsonl_keeps_fields_and_counts_bad_lines():
    lines = [
        '{"text": "one", "n": 1, "source": "its own"}',
        '{"content": "two", "page_content": "stays"}',
        '{"page_content": "three", "text": ""}',
        "",
        "not json",
        "[1, 2]",
        '{"title": "no text"}',
        '{"text": "nan", "x": NaN}',
        '{"text": "surrogate \\ud800"}',
        '{"text": "bad priority", "vectopt_priority": "soon"}',
    ]
    write("a.jsonl", "\n".join(lines))
    result = run("ingest", "a.jsonl")
    assert [(item.content, item.metadata) for item in stored()] == [
        ("one", {"source": "its own", "part": 1, "n": 1}),
        ("two", {"source": "a.jsonl", "part": 2, "page_content": "stays"}),
        ("three", {"source": "a.jsonl", "part": 3, "text": ""}),
    ]
    assert figures(result.stdout)["added"] == "3"
    assert "a.jsonl: 4 bad lines left out (line 5: no JSON" in result.stderr
    assert result.stderr.count("a.jsonl: a text was left out: ") == 2
    assert "lone surrogate" in result.stderr
    again = figures(run("ingest", "a.jsonl").stdout)
    assert (again["added"], again["unchanged"], again["removed"]) == ("0", "3", "0")


def test_a_file_that_is_not_utf8_is_named_and_read_with_replacements():
    Path("a.txt").write_bytes(b"\xef\xbb\xbfgood text with caf\xe9 in it")
    result = run("ingest", "a.txt")
    assert "a.txt: isn't all UTF-8" in result.stderr
    assert [item.content for item in stored()] == ["good text with caf� in it"]


def test_an_unreadable_file_is_named_and_loses_nothing():
    write("docs/a.txt", paragraph(1))
    write("docs/b.txt", paragraph(2))
    run("ingest", "docs")
    Path("docs/a.txt").unlink()
    Path("docs/a.txt").symlink_to("nowhere")
    result = run("ingest", "docs")
    assert "docs/a.txt: can't be read" in result.stderr
    assert (figures(result.stdout)["files read"], figures(result.stdout)["removed"]) == ("1", "0")
    assert {item.content for item in stored()} == {paragraph(1), paragraph(2)}


def test_max_vectors_is_held_and_nothing_is_lost():
    write("a.txt", *map(paragraph, range(40)))
    shown = figures(run("ingest", "a.txt", "--max-vectors", "5").stdout)
    assert shown["vectors in the store"].endswith(" of 5")
    assert int(shown["vectors in the store"].split()[0]) <= 5
    assert len(stored()) == 40
    assert "above 0" in run("ingest", "a.txt", "--max-vectors", "0", code=1).stderr


@pytest.mark.parametrize(("path", "why"), [("nowhere.txt", "doesn't exist"), ("a.pdf", "isn't one of .txt")])
def test_a_wrong_path_is_one_line_and_makes_no_store(path, why):
    write("a.pdf", "%PDF")
    result = run("ingest", path, code=1)
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert why in result.stderr
    assert not Path("vectopt.db").exists()


def test_progress_adds_up_to_the_files_bytes():
    write("a.txt", *map(paragraph, range(5)))
    write("b.log", "one\ntwo\n\n\n")
    write("c.jsonl", '{"text": "a"}\nbad\n')
    files, done = [Path("a.txt"), Path("b.log"), Path("c.jsonl")], dict.fromkeys(("a.txt", "b.log", "c.jsonl"), 0)
    with VectorManager() as manager:
        ingest(manager, files, "default", lambda source, more: done.update({source: done[source] + more}))
    assert done == {path.name: path.stat().st_size for path in files}


# --- search, stats, explain


@pytest.fixture
def garden():
    write("garden.txt", paragraph(1), paragraph(2))
    write("kitchen.txt", "The cook bakes bread in the old oven.")
    write("evil.txt", "A [red]marked[/red] text \x1b[31mwith escapes\x07 about submarines.")
    run("ingest", ".", "--namespace", "default")


def test_search_shows_score_tier_reasons_source_and_snippet(garden):
    shown = run("search", "bread oven", "-k", "1").stdout
    assert re.search(r"1\s+\d\.\d{3}\s+(persistent|temp)\s+kitchen\.txt", shown)
    assert "The cook bakes bread in the old oven." in shown
    assert re.search(r"cosine \d\.\d+ · BM25 \d", shown)
    assert "garden" not in shown


def test_search_as_json_is_json_alone(garden):
    result = run("search", "bread oven", "-k", "2", "--json")
    hits = json.loads(result.stdout)
    with VectorManager("vectopt.db", embedder=Fake()) as manager:
        expected = manager.search("bread oven", 2)
    assert [(hit["id"], hit["score"], hit["tier"], hit["reasons"], hit["metadata"]) for hit in hits] == [
        (hit.id, hit.score, str(hit.tier), list(hit.reasons), hit.metadata) for hit in expected
    ]


def test_search_obeys_filter_mode_and_namespace(garden):
    hits = json.loads(run("search", "bread oven", "--filter", '{"source": "garden.txt"}', "--json").stdout)
    assert {hit["metadata"]["source"] for hit in hits} == {"garden.txt"}
    assert len(hits) == 2
    words = json.loads(run("search", "bread", "--mode", "lexical", "--json").stdout)
    assert [hit["metadata"]["source"] for hit in words] == ["kitchen.txt"]
    dense = json.loads(run("search", "bread", "--mode", "dense", "--json").stdout)
    assert [hit["reasons"][0].split()[0] for hit in dense] == ["cosine"] * 4
    nowhere = run("search", "bread", "--namespace", "attic")
    assert nowhere.stdout == ""
    assert "no namespace 'attic'; the store has: default" in nowhere.stderr
    assert "nothing found" in run("search", "zebra", "--mode", "lexical").stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--filter", '{"a":'], "--filter is no JSON"),
        (["--filter", "[1]"], "must be a JSON object"),
        (["--filter", '{"a": {"$foo": 1}}'], "unknown operator '$foo'"),
        (["-k", "0"], "k must be a whole number above 0"),
        (["--namespace", ""], "namespace must be a string that isn't empty"),
    ],
)
def test_a_wrong_search_is_one_red_line(garden, arguments, why):
    result = run("search", "bread", *arguments, code=1)
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert why in result.stderr


def test_content_cannot_steer_the_terminal(garden):
    shown = run("search", "submarines", "-k", "1").stdout
    assert "[red]marked[/red]" in shown
    assert "\x1b" not in shown
    assert "\x07" not in shown


@pytest.mark.parametrize("command", [["search", "x"], ["stats"], ["explain", "x"]])
def test_a_missing_store_is_said_and_not_made(command, monkeypatch):
    monkeypatch.setenv("VECTOPT_STORE", "other.db")
    result = run(*command, code=1)
    assert "there is no store at other.db" in result.stderr
    assert not list(Path().iterdir())


def test_the_store_comes_from_the_environment(garden, monkeypatch):
    Path("vectopt.db").rename("elsewhere.db")
    monkeypatch.setenv("VECTOPT_STORE", "elsewhere.db")
    assert "kitchen.txt" in run("search", "bread").stdout
    assert not Path("vectopt.db").exists()


def test_without_wordllama_words_answer_and_a_note_says_so(garden, monkeypatch):
    monkeypatch.setattr(store_module, "LocalEmbedder", LocalEmbedder)
    monkeypatch.setitem(sys.modules, "wordllama", None)
    result = run("search", "bread oven", "--json")
    assert [hit["metadata"]["source"] for hit in json.loads(result.stdout)] == ["kitchen.txt"]
    assert "by words only" in result.stderr
    assert "pip install 'vectopt[local]'" in result.stderr
    assert "pip install 'vectopt[local]'" in run("search", "bread", "--mode", "dense", code=1).stderr
    assert "pip install 'vectopt[local]'" in run("ingest", "kitchen.txt", code=1).stderr
    assert run("search", "bread", "--mode", "lexical").stderr == ""


def test_a_store_of_another_embedder_is_searched_by_words(garden, monkeypatch):
    monkeypatch.setattr(Fake, "name", "another")
    result = run("search", "bread oven", "--json")
    assert [hit["metadata"]["source"] for hit in json.loads(result.stdout)] == ["kitchen.txt"]
    assert "made with the embedder 'fake'" in result.stderr
    assert "made with the embedder 'fake'" in run("search", "bread", "--mode", "dense", code=1).stderr


def test_stats_shows_the_managers_figures(garden):
    shown = figures(run("stats").stdout)
    assert (shown["items"], shown["vectors"], shown["namespaces"]) == ("4", "4", "default")
    with VectorManager("vectopt.db") as manager:
        tiers = manager.stats().items_per_tier
    assert {tier: shown[tier] for tier in tiers if tier in shown} == {tier: str(count) for tier, count in tiers.items() if count}
    found = json.loads(run("stats", "--json").stdout)
    assert set(found) == set(Stats.__dataclass_fields__)
    assert (found["items"], found["embeddings_made"], found["namespaces"]) == (4, 4, ["default"])
    assert json.loads(run("stats", "--json", "--namespace", "attic").stdout)["items"] == 0


def test_explain_tells_the_decision_and_the_history(garden):
    item = next(item for item in stored() if item.metadata["source"] == "kitchen.txt")
    shown = run("explain", item.id).stdout
    with VectorManager("vectopt.db") as manager:
        expected = manager.explain(item.id)
    assert figures(shown)["tier"] == expected.tier
    assert figures(shown)["because"] == expected.decision.reasoning[0]
    assert f"queued -> {expected.tier}: embedded" in shown
    assert "no item 'nix'" in run("explain", "nix", code=1).stderr


# --- demo


def test_demo_keeps_its_budget_and_finds_things():
    result = CliRunner().invoke(app, ["demo", "--limit", "300", "--store", "demo.db"])
    assert result.exit_code == 0, (result.stderr, result.exception)
    shown = figures(result.stdout)
    vectors, room = (int(part) for part in shown["vectors of budget"].split(" of "))
    assert (shown["items"], room) == ("300", 75)
    assert 0 < vectors <= room
    tiers = ("persistent", "temp", "queued", "cached")
    assert sum(int(shown.get(tier, "0")) for tier in tiers) == 300
    assert len(re.findall(r"^[123] +\d\.\d{3} +\w", result.stdout, re.MULTILINE)) == 9
    assert len(stored("demo.db")) == 300
    assert "demo.db exists" in run("demo", "--store", "demo.db", code=1).stderr


def test_docstrings_are_parsed_never_imported(tmp_path):
    write("lib/pkg/__init__.py", '"""The package\'s own docstring."""\nraise SystemExit("imported")\n')
    source = '''
"""A module with a docstring."""
class Outer:
    """A class with a docstring."""
    async def method(self):
        """A method with a docstring."""
if True:
    def twice():
        """Defined here for one platform."""
else:
    def twice():
        """Defined here for another one."""
def short():
    """Too short."""
PATTERN = "\\d"
'''
    write("lib/pkg/mod.py", source)
    write("lib/broken.py", "def (:")
    for skipped in ("lib/test/a.py", "lib/pkg/tests/b.py", "lib/idlelib/c.py", "lib/site-packages/d.py"):
        write(skipped, '"""Must not be taken in at all."""')
    found = [(item.id, item.metadata["kind"], item.metadata["module"], item.metadata["qualname"]) for item in docstrings(tmp_path / "lib")]
    assert found == [
        ("pkg", "module", "pkg", ""),
        ("pkg.mod", "module", "pkg.mod", ""),
        ("pkg.mod.Outer", "class", "pkg.mod", "Outer"),
        ("pkg.mod.Outer.method", "function", "pkg.mod", "Outer.method"),
        ("pkg.mod.twice", "function", "pkg.mod", "twice"),
        ("pkg.mod.twice#1", "function", "pkg.mod", "twice"),
    ]


# --- pieces


def prose(rng: random.Random) -> list[str]:
    words = ["rain", "falls", "on", "the", "garden.", "The", "cook", "sleeps", "日本語です。", "until", "morning,\n"]
    return [" ".join(rng.choices(words, k=rng.choice((1, 5, 40, 200, 900)))) for _ in range(120)] + ["x" * 3000]


@pytest.mark.parametrize("seed", range(5))
def test_texts_fit_and_lose_nothing(seed):
    whole = "\n \n".join(prose(random.Random(seed)))
    texts = list(texts_of(whole))
    assert max(map(len, texts)) <= LIMIT
    assert all(text == text.strip() != "" for text in texts)
    assert "".join("".join(texts).split()) == "".join(whole.split())


def test_long_paragraphs_are_cut_after_sentences():
    whole = " ".join(SENTENCE.format(number) for number in range(60))
    texts = list(texts_of(whole))
    assert len(texts) == pytest.approx(len(whole) / LIMIT, abs=1.5)
    assert all(text.endswith("day.") for text in texts)


@pytest.mark.parametrize("words", [4, 25])
def test_an_inserted_paragraph_moves_only_the_borders_near_it(words):
    # All of one length: where texts were filled up from the start, every border behind the insertion would move.
    paragraphs = [f"{number:03}: {'words, ' * words}" for number in range(600)]
    before = list(texts_of("\n\n".join(paragraphs)))
    changed = []
    for where in range(0, 600, 30):
        after = set(texts_of("\n\n".join([*paragraphs[:where], "An inserted paragraph.", *paragraphs[where:]])))
        changed.append(len(after - set(before)))
    assert len(before) > 30
    assert min(changed) >= 1
    assert sum(changed) / len(changed) < 4


def test_snippets_show_where_the_words_are():
    text = "Nothing of note here at all. " * 20 + "The submarine dives below the ice. " + "Then nothing again. " * 20
    shown = snippet(text, "submarine ice", 80)
    assert shown.startswith("… The submarine dives below the ice.")
    assert shown.endswith(" …")
    assert len(shown) <= 80
    assert snippet("short\n text", "x", 80) == "short text"


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 KB"), (9_000_000, "9.0 MB"), (10**16, "10000.0 TB")]
)
def test_sizes_are_for_people(count, shown):
    assert size(count) == shown


# --- the command itself


def test_the_installed_command_runs():
    done = subprocess.run([Path(sys.executable).with_name("vectopt"), "--help"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    for command in ("ingest", "search", "stats", "explain", "demo"):
        assert re.search(rf"^\W*{command}\b", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_a_missing_extra_is_named(missing):
    code = f"import sys; sys.modules[{missing!r}] = None; from vectopt.cli.main import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "pip install 'vectopt[cli]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_stats_shows_what_embedding_cost_where_a_price_is_given(garden):
    shown = run("stats", "--price", "2.5").stdout
    assert "cost, estimated" in shown
    assert "cost saved" in shown
    assert "cost" not in run("stats").stdout
    found = json.loads(run("stats", "--json", "--price", "2.5").stdout)
    assert found["estimated_cost"] == pytest.approx(found["tokens_embedded"] * 2.5 / 1e6)
    assert "price_per_million_tokens" in run("stats", "--price", "-1", code=1).stderr


# --- capacity and archive


def held() -> dict[str, str]:
    with VectorManager("vectopt.db", archive="cold") as m:
        return {item.id: item.content for item in m.scan()}


def test_plan_says_what_compact_would_do_and_changes_nothing(garden):
    before = held()
    assert "no budget is given" in run("plan").stdout
    shown = run("plan", "--max-items", len(before), "--policy", "delete").stdout
    assert shown.startswith("emergency")
    assert "100.0% of max_items are used" in shown
    found = json.loads(run("plan", "--max-items", len(before), "--policy", "delete", "--json").stdout)
    assert (found["level"], found["limit"]) == ("emergency", "max_items")
    assert run("plan", "--max-bytes", "800MB").stdout.startswith("normal")
    assert held() == before


@pytest.mark.parametrize(
    ("given", "why", "code"),
    [(("--max-bytes", "plenty"), "is no size", 2), (("--max-items", "0"), "max_items", 1), (("--policy", "shred"), "policy", 1)],
)
def test_a_budget_that_means_nothing_is_refused(garden, given, why, code):
    assert why in run("plan", *given, code=code).stderr


def test_items_go_to_the_archive_and_come_back(garden):
    before = held()
    some = list(before)[:2]
    assert run("archive", *some, "--archive", "cold").stdout == "archived 2 items\n"
    assert figures(run("stats").stdout)["archived"] == "2"
    assert "archive_unknown" in run("doctor", code=1).stdout
    assert run("doctor", "--archive", "cold").stdout == "all is well\n"
    assert run("restore", *some, "--archive", "cold").stdout == "restored 2 items\n"
    assert held() == before


def test_without_an_archive_or_items_named_archiving_says_what_to_do(garden):
    assert "archive=" in run("archive", "x", code=1).stderr
    assert "either ids or a filter" in run("archive", "--archive", "cold", code=1).stderr


def test_a_damaged_record_is_told_and_the_others_come_back(garden):
    ids = list(held())
    with VectorManager("vectopt.db", archive="cold") as m:
        m.archive(ids)
        with m._ledger.reading() as db:
            start, length = db.execute("SELECT start, length FROM archived WHERE id = ?", (ids[0],)).fetchone()
    (file,) = Path("cold").iterdir()
    data = bytearray(file.read_bytes())
    data[start + length // 2] ^= 1
    file.write_bytes(data)
    assert "archive_damaged" in run("doctor", "--archive", "cold", code=1).stdout
    result = run("restore", *ids, "--archive", "cold", code=1)
    assert "damaged" in result.stderr
    with VectorManager("vectopt.db", archive="cold") as m:
        assert m.archived_ids() == [ids[0]]


def test_compact_with_a_budget_acts_and_alerts(garden):
    before = held()
    reports = json.loads(run("compact", "--max-items", len(before), "--policy", "delete", "--json").stdout)
    assert [report["level"] for report in reports] == ["emergency", "normal"]
    assert len(held()) == len(before) - reports[0]["deleted"]
    assert "uses 100.0%" in run("alerts").stdout
    assert json.loads(run("alerts", "--json").stdout)[0]["alert_type"] == "emergency"
    assert "file after" in run("compact").stdout
    assert run("doctor").stdout == "all is well\n"
