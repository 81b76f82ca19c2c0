"""What stores outside take as metadata."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

NAMESPACE = "vectopt_namespace"  # under which every record says whose it is


def labelled(namespace: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of the metadata that every store takes, and the namespace: texts, finite numbers, true and false."""
    plain = {key: value for key, value in metadata.items() if isinstance(value, (str, int, float)) and not _strange(value)}
    return {**plain, NAMESPACE: namespace}


def _strange(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
