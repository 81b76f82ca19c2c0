"""The pages for LangChain, for agents and on feedback: every snippet runs, and prints what the page says it prints."""

import contextlib
import io
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("page", ["in-langchain.md", "in-an-agent.md", "feedback.md"])
def test_the_page_shows_what_happens(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert {language for language, _ in blocks} == {"sh", "python", ""}
    names: dict = {}
    printed = None
    for language, text in blocks:
        if language == "python":
            assert not printed, "what a snippet prints stands below it"
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(text, names)
            printed = out.getvalue()
        elif not language:
            assert text == printed
            printed = None
    assert not printed
