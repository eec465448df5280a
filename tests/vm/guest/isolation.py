"""What keeps the tests of one guest apart; a plugin, loaded with -p."""

from collections.abc import Iterator

import pytest
from logins import SYSCTL, set_sysctl


@pytest.fixture(autouse=True)
def _same_sysctl() -> Iterator[None]:
    """Put kernel.yama.ptrace_scope back to what it was."""
    before = int(SYSCTL.read_text(encoding="ascii")) if SYSCTL.exists() else None
    yield
    if before is not None:
        set_sysctl(before)
