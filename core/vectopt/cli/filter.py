"""Filters as they are given on the command line."""

from __future__ import annotations

import json
from typing import Any

from vectopt.errors import InvalidFilter


def filter_of(given: str | None) -> dict[str, Any] | None:
    """Return the filter that a JSON text means; raises InvalidFilter."""
    if given is None:
        return None
    try:
        value = json.loads(given)
    except ValueError as error:
        raise InvalidFilter(f"--filter is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidFilter(f'--filter must be a JSON object like {{"source": "notes.md"}}; got {given}')
    return value
