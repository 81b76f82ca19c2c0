"""What the README shows is what happens."""

import contextlib
import io
import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_langchain_example_prints_what_the_readme_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    promised = re.search(r"It printed:\n\n```\n(.*?)```", README, re.DOTALL)
    assert promised is not None
    names: dict = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(SNIPPETS[0], names)
    names["store"].close()
    assert printed.getvalue() == promised.group(1)


def test_example_without_a_framework_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(SNIPPETS[1], {})
    assert printed.getvalue().splitlines()[-1] == "a text 3"


def test_every_snippet_is_run_here() -> None:
    assert len(SNIPPETS) == 2


def test_the_page_on_near_duplicates_shows_what_happens() -> None:
    page = (Path(__file__).parent.parent / "docs" / "near-duplicates.md").read_text(encoding="utf-8")
    promised = re.search(r"prints\n\n```\n(.*?)```", page, re.DOTALL)
    assert promised is not None
    shown, _semantic, compressor = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(shown, {})
    assert printed.getvalue() == promised.group(1)
    exec(compressor, {})


def test_the_page_on_capacity_shows_what_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parent.parent / "docs" / "capacity.md").read_text(encoding="utf-8")
    first, archive = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict = {}
    exec(first, names)
    names["watch"].stop_monitoring()
    manager = names["manager"]
    manager.add([{"id": "a", "content": "The archive is kept for ten years."}, {"id": "b", "content": "Tea is at four."}])
    exec(archive, names)
    assert manager.archived_ids() == ["b"]
    manager.close()
    names.clear()
    page = (Path(__file__).parent.parent / "docs" / "archive.md").read_text(encoding="utf-8")
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0], names)
    assert list(names["salvage"](names["target"], names["segment"].name)) == [{"id": "a", "text": "hello"}, {"id": "b", "text": "world"}]
