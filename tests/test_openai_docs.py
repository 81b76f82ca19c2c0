"""What the page on OpenAI's embeddings shows is what happens."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from .openai_double import Double

PAGE = (Path(__file__).parent.parent / "docs" / "openai.md").read_text(encoding="utf-8")


def test_every_snippet_prints_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snippets = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    promised = re.findall(r"prints\n\n```\n(.*?)```", PAGE, re.DOTALL)
    assert len(snippets) == len(promised) == 2
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    with Double() as double:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-docs")
        monkeypatch.setenv("OPENAI_BASE_URL", double.url)
        for snippet, prints in zip(snippets, promised, strict=True):
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(snippet, names)
            assert printed.getvalue() == prints
        names["embedder"].close()
        assert double.behaviour.invalid == []
    assert {file.name for file in (tmp_path / "embeddings").iterdir()} == {
        "text-embedding-3-small-256.digests",
        "text-embedding-3-small-256.vectors",
    }
