"""How many tokens a text has: by tiktoken where its encoding is on this machine, else at the most."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tempfile
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

_PIECE = 20_000  # characters: a text without spaces is merged pair by pair, the slower the longer it is

# The files that tiktoken looks for, by encoding: the SHA-1 of their addresses, and the SHA-256 of what is in them.
_FILES = {
    "cl100k_base": ("9b5ad71b2ce5302211f9c61530b329a4922fc6a4", "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"),
}
_ENVIRONMENT = Lock()


class TokenCounter:
    """Counts a text's tokens as a model does, where tiktoken is installed and its encoding at hand; nothing is ever downloaded.

    Otherwise a text counts as many tokens as it has UTF-8 bytes: no text has more.
    """

    def __init__(self, encoding: str = "cl100k_base") -> None:
        self._name = encoding

    def count(self, text: str) -> int:
        """Return how many tokens a text has, or more."""
        encoding = encoding_at_hand(self._name)
        if encoding is None:
            return len(text.encode("utf-8", "surrogatepass"))
        return sum(len(encoding.encode_ordinary(text[start : start + _PIECE])) for start in range(0, len(text), _PIECE))


@lru_cache
def encoding_at_hand(name: str) -> Any:
    """Return tiktoken's encoding, None where tiktoken or the encoding's file is missing."""
    folder = _folder_of(name) if importlib.util.find_spec("tiktoken") else None
    if folder is None:
        return None
    import tiktoken

    with _ENVIRONMENT:  # tiktoken is told by an environment variable where to look
        before = os.environ.get("TIKTOKEN_CACHE_DIR")
        os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
        try:
            return tiktoken.get_encoding(name)
        except Exception:  # whatever is wrong with it: a bound will do
            return None
        finally:
            if before is None:
                del os.environ["TIKTOKEN_CACHE_DIR"]
            else:
                os.environ["TIKTOKEN_CACHE_DIR"] = before


def _folder_of(name: str) -> Path | None:
    """Return the folder with the encoding's file, whole: tiktoken deletes one that isn't, and downloads it anew."""
    file, digest = _FILES[name]
    for folder in _folders():
        try:
            if hashlib.sha256((folder / file).read_bytes()).hexdigest() == digest:
                return folder
        except OSError:
            continue
    return None


def _folders() -> list[Path]:
    """Return where encodings may be: tiktoken's own folders, and the one that comes with LlamaIndex."""
    found = [Path(os.environ[name]) for name in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR") if os.environ.get(name)]
    found.append(Path(tempfile.gettempdir()) / "data-gym-cache")
    try:
        spec = importlib.util.find_spec("llama_index.core")
    except ModuleNotFoundError:
        spec = None
    if spec is not None and spec.submodule_search_locations:
        found.append(Path(spec.submodule_search_locations[0]) / "_static" / "tiktoken_cache")
    return found
