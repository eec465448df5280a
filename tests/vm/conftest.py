"""Tests in the folders here are for the guest: `test_guests.py` takes them there."""

import os
from collections.abc import Iterator
from pathlib import Path

import page
import pytest
from boots import Boot, boots
from crew import FOLDERS, Crew
from wanted import Wanted

BOOTS = pytest.StashKey[list[Boot]]()
CREW = pytest.StashKey[Crew]()

collect_ignore = [folder.name for folder in FOLDERS]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `make test-sessions` says."""
    parser.addoption("--long", action="store_true", help="run the long guests too")
    parser.addoption("--results", type=Path, help="put the results on this page")
    parser.addoption(
        "--guests",
        type=int,
        default=min(4, os.cpu_count() or 1),
        help="how many guests run at a time (default: one for each processor, at most 4)",
    )


@pytest.hookimpl(trylast=True)  # of what -k and -m have left
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave long files out unless they are asked for, and divide the others among guests.

    The tests wait for their guests in the order in which those are started.
    """
    if not config.getoption("--long"):
        long = [item for item in items if item.get_closest_marker("long")]
        items[:] = [item for item in items if item not in long]
        config.hook.pytest_deselected(items=long)
    known = page.seconds()
    files = {id(item): file for item in items if (file := _wanted(item))}
    plan = boots(files.values(), lambda file: known.get(file.row, file.timeout))
    config.stash[BOOTS] = plan
    order = [file for boot in plan for file in boot.files]
    items.sort(key=lambda item: order.index(files[id(item)]) if id(item) in files else -1)


def _wanted(item: pytest.Item) -> Wanted | None:
    """Return the file that a test is about."""
    if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return None
    wanted = item.callspec.params.get("wanted")
    return wanted if isinstance(wanted, Wanted) else None


@pytest.fixture(scope="session")
def crew(pytestconfig: pytest.Config) -> Iterator[Crew]:
    """All guests that this run is to see."""
    plan = pytestconfig.stash[BOOTS]
    with Crew(plan, pytestconfig.getoption("--guests")) as crew:
        pytestconfig.stash[CREW] = crew
        yield crew


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say how long each guest took."""
    if crew := config.stash.get(CREW, None):
        terminalreporter.section("seconds of the guests")
        for boot, seconds in crew.seconds():
            terminalreporter.line(f"{seconds:7.0f}  {boot.name}")
        terminalreporter.line(f"{sum(seconds for _, seconds in crew.seconds()):7.0f}  all")


@pytest.fixture(scope="session")
def rows(pytestconfig: pytest.Config) -> Iterator[list[page.Row]]:
    """The rows of what is run, put on the page at the end if that is asked for."""
    gathered: list[page.Row] = []
    yield gathered
    if file := pytestconfig.getoption("--results"):
        files = {module.stem for folder in FOLDERS for module in folder.glob("*.py")}
        page.write(file, gathered, files)
