"""Files into a store: only what is new is added, only what disappeared is removed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

from vectopt import Item, VectorManager
from vectopt.errors import InvalidItem

from .texts import Trouble, read_texts, size_of

BATCH = 256
_OURS = re.compile(r"(.+)#[0-9a-f]{32}(?:\.\d+)?", re.DOTALL)


@dataclass(slots=True)
class Report:
    """What an ingest did, in texts. `updated` ones were known, and only their metadata changed."""

    files: int = 0
    texts: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    waiting: int = 0
    notes: list[str] = field(default_factory=list)


def ingest(
    manager: VectorManager,
    files: Sequence[Path],
    namespace: str,
    advance: Callable[[str, int], None],
    embedding: Callable[[int], object] = lambda _: None,
) -> Report:
    """Bring a namespace up to date with the files.

    A text's id is its file's path and the hash of its content, so a run that was interrupted goes on where it stopped.
    Of a file that could not be read to its end, nothing is removed.

    Args:
        manager: the store.
        files: what to read; each one's texts that it no longer holds are removed.
        namespace: where the texts go.
        advance: told the file being read and how many more bytes are done.
        embedding: told, once all are read, how many texts wait for their embedding.
    """
    if getattr(manager.embedder, "concurrency", 1) > 1:  # it is far away: better kept busy than waited for
        manager.start()
    report = Report()
    sources = {source_of(path): path for path in files}
    known = _known(manager, namespace, set(sources))
    gone: list[str] = []
    fresh = _fresh(sources, known, gone, report, advance)
    while batch := list(islice(fresh, BATCH)):
        _add(manager, batch, namespace, report)
    # Only now: until the new texts are in the store, the old ones stay.
    for start in range(0, len(gone), BATCH):
        report.removed += manager.delete(gone[start : start + BATCH], namespace=namespace)
    manager.retry_dead_letters(namespace=namespace)  # to run again is to ask for another try
    manager.stop()
    embedding(manager.stats(namespace=namespace).items_per_tier["queued"])
    done = manager.drain()  # what an interrupted run left in the queue, too
    report.waiting = done.waiting
    if done.error is not None:
        report.notes.append(done.error)
    return report


def source_of(path: Path) -> str:
    """Return the path as it was given, in characters that any store can hold."""
    return path.as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _known(manager: VectorManager, namespace: str, sources: set[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the metadata of what earlier runs made of these files, by file and id."""
    known: dict[str, dict[str, dict[str, Any]]] = {source: {} for source in sources}
    for item in manager.scan(namespace=namespace):
        ours = _OURS.fullmatch(item.id)
        if ours is not None and ours[1] in known:
            known[ours[1]][item.id] = item.metadata
    return known


def _fresh(
    sources: dict[str, Path],
    known: dict[str, dict[str, dict[str, Any]]],
    gone: list[str],
    report: Report,
    advance: Callable[[str, int], None],
) -> Iterator[tuple[Item, bool]]:
    """Yield the items to store, each with whether its text is new; note what is gone."""
    for source, path in sources.items():
        trouble, done, before = Trouble(), 0, known[source]
        left = dict(before)
        for item, read in _items(source, path, trouble):
            report.texts += 1
            left.pop(str(item.id), None)
            if item.id not in before:
                yield item, True
            elif before[item.id] != item.metadata:
                yield item, False
            else:
                report.unchanged += 1
            advance(source, max(0, read - done))
            done = max(done, read)
        if not trouble.unreadable:
            report.files += 1
            gone += left
            advance(source, max(0, size_of(path) - done))
        report.notes += [f"{source}: {note}" for note in trouble.notes()]


def _items(source: str, path: Path, trouble: Trouble) -> Iterator[tuple[Item, int]]:
    """Yield a file's texts as items, each with how many bytes of the file were read for it."""
    seen: Counter[str] = Counter()
    for part, text in enumerate(read_texts(path, trouble), 1):
        digest = blake2b(text.content.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        copy = f".{seen[digest]}" if seen[digest] else ""
        seen[digest] += 1
        # A record's own fields are kept as they are: the id has the path in any case.
        yield Item(text.content, {"source": source, "part": part, **text.metadata}, f"{source}#{digest}{copy}"), text.read


def _add(manager: VectorManager, batch: Sequence[tuple[Item, bool]], namespace: str, report: Report) -> None:
    try:
        manager.add([item for item, _ in batch], namespace=namespace, wait=True)
    except InvalidItem as error:
        # A record's metadata may be more than a store can hold. One such text must not keep the others out.
        if len(batch) > 1:
            for one in batch:
                _add(manager, [one], namespace, report)
        else:
            report.notes.append(f"{str(batch[0][0].id).rpartition('#')[0]}: a text was left out: {error}")
        return
    report.added += sum(new for _, new in batch)
    report.updated += sum(not new for _, new in batch)
