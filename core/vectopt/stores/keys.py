"""The keys under which copies go to a store outside: they say whose they are, and are never used twice."""

from __future__ import annotations

from uuid import UUID

_CUSTOM = 8  # the version of UUIDs whose bits are the writer's own
_VARIANT = 0b10
_COPY_BITS = 62
INSTANCE_BITS = 60


def key_of(instance: int, copy: int) -> str:
    """Return a copy's key, in the form of a UUID: the one kind of id that every store takes.

    Args:
        instance: of the file, below 2**60. All its keys begin as `prefix_of` says.
        copy: its number in the file's ledger, below 2**62.
    """
    head = instance >> 12 << 16 | _CUSTOM << 12 | instance & 0xFFF
    return str(UUID(int=head << 64 | _VARIANT << _COPY_BITS | copy))


def prefix_of(instance: int) -> str:
    """Return how all keys of a file begin."""
    return key_of(instance, 0)[:19]


def copy_of(instance: int, key: str) -> int | None:
    """Return the number of a key's copy; None where it is not one of this file's."""
    try:
        copy = UUID(key).int & (1 << _COPY_BITS) - 1
    except ValueError:
        return None
    return copy if key_of(instance, copy) == key else None
