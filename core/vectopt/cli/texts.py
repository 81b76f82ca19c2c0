"""Files read into texts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from vectopt.errors import InvalidInput

from .paragraphs import pieces_of, texts_of

SUFFIXES = (".txt", ".md", ".log", ".jsonl")
_TEXT_FIELDS = ("text", "content", "page_content")


@dataclass(frozen=True, slots=True)
class Text:
    """A text of a file. `read` is how many of the file's bytes it took to get there."""

    content: str
    metadata: dict[str, Any] = field(default_factory=dict)
    read: int = 0


@dataclass(slots=True)
class Trouble:
    """What went wrong while one file was read, if anything."""

    bad_lines: int = 0
    first_bad: str = ""
    undecodable: bool = False
    unreadable: str = ""

    def bad_line(self, number: int, why: str) -> None:
        """Count a line that was left out."""
        self.bad_lines += 1
        self.first_bad = self.first_bad or f"line {number}: {why}"

    def notes(self) -> list[str]:
        """Return it in words."""
        notes = []
        if self.unreadable:
            notes.append(f"can't be read: {self.unreadable}")
        if self.undecodable:
            notes.append("isn't all UTF-8; what couldn't be decoded was replaced")
        if self.bad_lines:
            notes.append(f"{self.bad_lines} bad line{'s' * (self.bad_lines > 1)} left out ({self.first_bad})")
        return notes


def find_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files to read, each once, sorted within a folder; hidden ones in folders are left out.

    Raises:
        InvalidInput: a path doesn't exist, or names a file of another kind.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found.update(dict.fromkeys(_in_folder(path)))
        elif not path.exists():
            raise InvalidInput(f"{path} doesn't exist")
        elif path.suffix.lower() not in SUFFIXES:
            raise InvalidInput(f"{path} isn't one of {', '.join(SUFFIXES)}")
        else:
            found[path] = None
    return list(found)


def _in_folder(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(parent, name)


def size_of(path: Path) -> int:
    """Return a file's size in bytes; 0 where it can't be told."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def read_texts(path: Path, trouble: Trouble) -> Iterator[Text]:
    """Yield a file's texts in their order; what goes wrong is noted, not raised."""
    try:
        with path.open("rb") as file:
            match path.suffix.lower():
                case ".log":
                    yield from _lines(file, trouble)
                case ".jsonl":
                    yield from _records(file, trouble)
                case _:
                    data = file.read()
                    yield from (Text(text) for text in texts_of(_decoded(data, trouble)))
    except OSError as error:
        trouble.unreadable = error.strerror or str(error)


def _decoded(data: bytes, trouble: Trouble) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        trouble.undecodable = True
        return data.decode("utf-8-sig", "replace")


def _lines(file: Iterable[bytes], trouble: Trouble) -> Iterator[Text]:
    read = 0
    for line in file:
        read += len(line)
        yield from (Text(piece, read=read) for piece in pieces_of(_decoded(line, trouble)))


def _records(file: Iterable[bytes], trouble: Trouble) -> Iterator[Text]:
    read = 0
    for number, line in enumerate(file, 1):
        read += len(line)
        text = _decoded(line, trouble)
        if not text.strip():
            continue
        try:
            content, metadata = _record(text)
        except (ValueError, RecursionError) as error:
            trouble.bad_line(number, str(error))
        else:
            yield Text(content, metadata, read)


def _record(line: str) -> tuple[str, dict[str, Any]]:
    """Return a line's text and its other fields; raises ValueError where it has none."""
    try:
        record = json.loads(line, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error.msg}") from None
    if not isinstance(record, dict):
        raise ValueError("no JSON object")
    for name in _TEXT_FIELDS:
        content = record.get(name)
        if isinstance(content, str) and content.strip():
            del record[name]
            return content, record
    raise ValueError(f"no text in any of the fields {', '.join(_TEXT_FIELDS)}")


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
