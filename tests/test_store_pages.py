"""What the pages on stores outside show is what happens."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from tests.pinecone.crash_child import patch_retries
from tests.pinecone.double import Index, serving
from vectopt.embedding.local import LocalEmbedder

DOCS = Path(__file__).parent.parent / "docs"


def snippets(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def test_around_the_store_you_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    promised = re.search(r"It prints\n\n```\n(.*?)```", (DOCS / "around-the-store-you-have.md").read_text(encoding="utf-8"), re.DOTALL)
    assert promised is not None
    first, repair, own = snippets("around-the-store-you-have.md")
    names: dict = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(first, names)
    assert printed.getvalue() == promised.group(1)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(repair, names)
    assert printed.getvalue() == "True 1 () ()\n"
    names["store"].close()
    exec(own, names)
    assert names["TestMine"]().make_store().capabilities.durable


def test_pinecone() -> None:
    patch_retries()
    (snippet,) = snippets("pinecone.md")
    dimensions = LocalEmbedder().dimensions
    assert dimensions is not None
    with serving(Index(dimensions, lambda: 0.0)) as server, contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(snippet.replace('"memory.db"', "None"), {"HOST": server.address, "KEY": "pc-canary"})
    assert printed.getvalue() == "note\nTrue\n"
