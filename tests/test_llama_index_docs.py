"""What the page on LlamaIndex shows is what happens, snippet after snippet."""

import contextlib
import io
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parent.parent / "docs" / "in-llama-index.md").read_text(encoding="utf-8")


def test_the_page_shows_what_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    shown = []
    for snippet in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(snippet, names)
        shown += printed.getvalue().splitlines()
    assert shown == re.findall(r"^prints `(.*?)`", PAGE, re.MULTILINE)
    assert len(shown) == 4
