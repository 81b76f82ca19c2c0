"""The zygote, started once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .child import Role


@pytest.fixture(scope="session")
def zygote() -> Iterator[Role]:
    with Role("zygote") as role:
        yield role
