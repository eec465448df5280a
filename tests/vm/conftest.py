"""Tests in the folders here are for the guest: `test_guests.py` takes them there."""

import os
from collections.abc import Iterator
from pathlib import Path

import page
import pytest
from crew import FOLDERS, Crew
from wanted import Wanted

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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long guests out unless they are asked for, and put the longest first."""
    if not config.getoption("--long"):
        long = [item for item in items if item.get_closest_marker("long")]
        items[:] = [item for item in items if item not in long]
        config.hook.pytest_deselected(items=long)
    known = page.seconds()

    def seconds(item: pytest.Item) -> float:
        guest = _wanted(item)
        return known.get(guest.row, guest.timeout) if guest else 0.0

    items.sort(key=seconds, reverse=True)


def _wanted(item: pytest.Item) -> Wanted | None:
    """Return the guest that a test is about."""
    guest = item.callspec.params.get("wanted") if isinstance(item, pytest.Function) else None
    assert guest is None or isinstance(guest, Wanted)
    return guest


@pytest.fixture(scope="session")
def crew(request: pytest.FixtureRequest) -> Iterator[Crew]:
    """All guests that this run is to see, in the order in which their tests wait for them."""
    guests = [guest for item in request.session.items if (guest := _wanted(item))]
    with Crew(guests, request.config.getoption("--guests")) as crew:
        request.config.stash[CREW] = crew
        yield crew


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say how long each guest took."""
    if crew := config.stash.get(CREW, None):
        terminalreporter.section("seconds of the guests")
        for guest, seconds in crew.seconds():
            terminalreporter.line(f"{seconds:7.0f}  {guest.name}")
        terminalreporter.line(f"{sum(seconds for _, seconds in crew.seconds()):7.0f}  all")


@pytest.fixture(scope="session")
def rows(pytestconfig: pytest.Config) -> Iterator[list[page.Row]]:
    """The rows of what is run, put on the page at the end if that is asked for."""
    gathered: list[page.Row] = []
    yield gathered
    if file := pytestconfig.getoption("--results"):
        files = {module.stem for folder in FOLDERS for module in folder.glob("*.py")}
        page.write(file, gathered, files)
