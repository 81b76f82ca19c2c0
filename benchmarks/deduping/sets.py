"""Real texts, from a folder of sets that is given; nothing of it is kept."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

from vectopt.scripts import UNSPACED

_FILE = "items.jsonl.gz"
_RUN = re.compile(f"[{UNSPACED}]")


def sets(folder: Path) -> dict[str, list[str]]:
    """Return the texts of each set, as they are and in their order, by the set's name; blank ones are left out.

    A set is a folder with an items.jsonl.gz, whose lines are objects with a `text`.
    """
    return {path.parent.name: _texts(path) for path in sorted(folder.glob(f"*/{_FILE}"))}


def _texts(path: Path) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    return [text for text in texts if text.strip()]


def spaced(texts: list[str]) -> bool:
    """Tell whether most texts are in scripts that have spaces between words."""
    return sum(_RUN.search(text) is None for text in texts) * 2 > len(texts)
