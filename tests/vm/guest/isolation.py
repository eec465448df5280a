"""What keeps the tests of one guest apart; a plugin, loaded with -p."""

from collections.abc import Iterator

import pytest
from logins import SYSCTL, end_logins, set_sysctl


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what is said to every file but the first of its guest."""
    parser.addoption("--later", action="store_true", help="others have run in this guest")


@pytest.fixture(scope="session", autouse=True)
def _nobody_left(pytestconfig: pytest.Config) -> None:
    """End what the logins of earlier files have left."""
    if pytestconfig.getoption("--later"):
        end_logins("alice", "bob", "carol")


@pytest.fixture(autouse=True)
def _same_sysctl() -> Iterator[None]:
    """Put kernel.yama.ptrace_scope back to what it was."""
    before = int(SYSCTL.read_text(encoding="ascii")) if SYSCTL.exists() else None
    yield
    # The last level is for good.
    if before is not None and int(SYSCTL.read_text(encoding="ascii")) != 3:
        set_sysctl(before)
