"""The archive's files: compressed segments that never change, in a folder or an object store.

A segment is JSON lines. Each line is compressed as a frame of its own, and the frames follow one another: `zstdcat` or `zcat`
prints the file, one record can be read by its range, and a damaged byte costs one record. docs/archive.md has the format.

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
