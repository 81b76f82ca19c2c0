"""The zygote, started once, and the rule for what takes long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .child import Role


@pytest.fixture(scope="session")
def zygote() -> Iterator[Role]:
    with Role("zygote") as role:
        yield role


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "long" in (config.getoption("markexpr") or ""):
        return
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="takes long: pytest -m long"))
