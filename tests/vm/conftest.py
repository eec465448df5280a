"""Tests in the folders here are for the guest: `test_guests.py` takes them there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

collect_ignore = ["breakages", "guest"]

_HEAD = """\
# What the guests of the session tests have shown

Written by `make test-sessions`: each file of `tests/vm` in a machine of its
own with systemd and real logins, on Debian 12 (bookworm) or 13 (trixie).

| file | Debian | kernel | result |
| --- | --- | --- | --- |
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `make test-sessions` says."""
    parser.addoption("--long", action="store_true", help="run the long guests too")
    parser.addoption("--results", type=Path, help="write a page of results to this file")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long guests out unless they are asked for."""
    if config.getoption("--long"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    items[:] = [item for item in items if item not in long]
    config.hook.pytest_deselected(items=long)


@pytest.fixture(scope="session")
def rows(pytestconfig: pytest.Config) -> Iterator[list[tuple[str, ...]]]:
    """The rows of the page, which is written at the end if it is asked for."""
    gathered: list[tuple[str, ...]] = []
    yield gathered
    file = pytestconfig.getoption("--results")
    if file:
        lines = [f"| {' | '.join(row)} |\n" for row in sorted(gathered)]
        file.write_text(_HEAD + "".join(lines), encoding="utf-8")
