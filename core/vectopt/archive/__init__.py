"""The archive's files: compressed segments that never change, in a folder or an object store.

A segment is JSON lines. Each line is compressed as a frame of its own, and the frames follow one another: `zstdcat` or `zcat`
prints the file, one record can be read by its range, and a damaged byte costs one record. docs/archive.md has the format.

Neither a shared dictionary nor blocks of several records are used, though both would make segments smaller: over 1,403 docstrings
of 665 bytes, single records shrink to 1/1.6 of their JSON (checksums included), to 1/2.6 with a dictionary of 64 KB (stored along)
or in blocks of eight. But one damaged byte would cost eight records, or with the dictionary all of them, and `zstdcat` could not
read a segment alone.

This package knows records and bytes, and nothing of the ledger, which remembers each record's segment and place.
"""

from .opening import open_target
from .salvage import salvage
from .segment import Health, Place, Segment, read_records, scrub, write_segment
from .target import ArchiveTarget, is_temporary

__all__ = [
    "ArchiveTarget",
    "Health",
    "Place",
    "Segment",
    "is_temporary",
    "open_target",
    "read_records",
    "salvage",
    "scrub",
    "write_segment",
]  # fmt: skip
