"""Which target a path or a URL means."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from ..errors import InvalidSettings, MissingExtra
from .local import LocalTarget
from .objects import ObjectTarget
from .target import ArchiveTarget

# What a URL may name, with the package that it needs and the extra that installs it.
_S3, _GCS, _AZURE = ("s3fs", "s3"), ("gcsfs", "gcs"), ("adlfs", "azure")
_STORES = {"s3": _S3, "s3a": _S3, "gs": _GCS, "gcs": _GCS, "az": _AZURE, "abfs": _AZURE, "abfss": _AZURE, "memory": ("fsspec", "archive")}


def open_target(
    where: str | os.PathLike[str] | ArchiveTarget,
    *,
    filesystem: Any = None,
    sleep: Callable[[float], object] = time.sleep,
    **storage_options: Any,
) -> ArchiveTarget:
    """Return the target that a path or a URL means. Nothing is asked of it yet.

    Args:
        where: a folder's path; a URL such as `s3://bucket/prefix`; or a target, which is returned as it is.
        filesystem: a file system of fsspec, for what no URL may name; `where` is then a folder in it.
        sleep: waits for so many seconds, between tries.
        storage_options: for fsspec's file system: keys, endpoint and the like. They are never shown.

    Raises:
        InvalidSettings: for a URL that can't be used.
        MissingExtra: where fsspec, or its package for this store, isn't installed.
    """
    if not isinstance(where, str | os.PathLike):
        if not isinstance(where, ArchiveTarget):
            raise InvalidSettings(f"an archive is a folder's path, a URL or an ArchiveTarget, not a {type(where).__name__}")
        _refuse_options(storage_options, filesystem)
        return where
    text = os.fspath(where)
    if not text or "\0" in text:
        raise InvalidSettings("an archive needs a folder's path or a URL")
    if filesystem is not None:
        _refuse_options(storage_options, None)
        return ObjectTarget(filesystem, text, secrets=getattr(filesystem, "storage_options", ()), sleep=sleep)
    if "::" in text:
        raise InvalidSettings("an archive's URL may not be chained with '::'; hand the file system over with filesystem=")
    protocol, found, path = text.partition("://")
    if not found or protocol in {"file", "local"}:
        _refuse_options(storage_options, None)
        return LocalTarget(path if found else text)
    return ObjectTarget(_connected(protocol, path, storage_options), text, secrets=storage_options, sleep=sleep)


def _connected(protocol: str, path: str, options: dict[str, Any]) -> Any:
    if protocol not in _STORES:
        known = ", ".join(f"{name}://" for name in _STORES)
        raise InvalidSettings(f"{protocol:.20}:// can't hold an archive; use a path, {known}, or hand a file system over with filesystem=")
    host, _, rest = path.partition("/")
    if not host or ":" in host or any(mark in path for mark in "?#\0") or ".." in rest.split("/"):
        raise InvalidSettings(f"an archive's URL is {protocol}://bucket/prefix and nothing else; keys and endpoints are storage options")
    try:
        import fsspec
    except ImportError:
        raise MissingExtra("fsspec", "archive") from None
    try:
        kind = fsspec.get_filesystem_class(protocol)
    except ImportError:
        raise MissingExtra(*_STORES[protocol]) from None
    try:
        return kind(**{"skip_instance_cache": True, "use_listings_cache": False, **options})
    except Exception as error:  # of any file system; its message may hold an option
        name = type(error).__name__
    raise InvalidSettings(f"{protocol}:// refuses its storage options ({name})")


def _refuse_options(options: dict[str, Any], filesystem: object) -> None:
    if options or filesystem is not None:
        raise InvalidSettings("storage options and file systems are for URLs; this archive takes none")
