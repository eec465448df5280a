"""Tests in the folders here are for the guest: `test_guests.py` takes them there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
collect_ignore = ["breakages", "guest"]

_HEAD = """\
# What the guests of the session tests have shown

Written by `make test-sessions`: each file of `tests/vm` in a machine of its
own with systemd and real logins, on Debian 12 (bookworm) or 13 (trixie). A row
is of the last run of its file; `make test-sessions` runs all of them.

| file | Debian | kernel | result |
| --- | --- | --- | --- |
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `make test-sessions` says."""
    parser.addoption("--long", action="store_true", help="run the long guests too")
    parser.addoption("--results", type=Path, help="put the results on this page")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long guests out unless they are asked for."""
    if config.getoption("--long"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    items[:] = [item for item in items if item not in long]
    config.hook.pytest_deselected(items=long)


@pytest.fixture(scope="session")
def rows(pytestconfig: pytest.Config) -> Iterator[list[tuple[str, ...]]]:
    """The rows of what is run, put on the page at the end if that is asked for."""
    gathered: list[tuple[str, ...]] = []
    yield gathered
    file = pytestconfig.getoption("--results")
    if file:
        # The result is the last cell: what stands before names the guest.
        known = {row[:-1]: row for row in [*_rows_of(file), *gathered]}
        lines = [f"| {' | '.join(row)} |\n" for row in sorted(known.values())]
        file.write_text(_HEAD + "".join(lines), encoding="utf-8")


def _rows_of(page: Path) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a page, if there is one, of files that there are still."""
    if not page.exists():
        return
    files = {module.stem for folder in collect_ignore for module in _HERE.glob(f"{folder}/*.py")}
    for line in page.read_text(encoding="utf-8").splitlines():
        row = tuple(line.strip("| ").split(" | "))
        if row[0] in files:
            yield row
