"""kernel/TESTS.md names tests that there are."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

KERNEL = Path(__file__).resolve().parents[2] / "kernel"
SERIES = sorted(path for path in (KERNEL / "series").iterdir() if path.is_dir())


def added_file(series: Path, name: str) -> str:
    """Return a file that the series adds to the selftests, as text."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(series.glob("*.patch")))
    found = re.search(
        rf"^\+\+\+ b/tools/testing/selftests/\w+/{re.escape(name)}\n(.*?)(?=^diff --git|^-- $|\Z)",
        text,
        re.MULTILINE | re.DOTALL,
    )
    assert found, f"{series.name} adds no selftest {name}"
    return found[1]


@pytest.mark.parametrize("series", SERIES, ids=lambda path: path.name)
def test_each_test_that_is_named_exists(series: Path) -> None:
    text = (KERNEL / "TESTS.md").read_text(encoding="utf-8")
    named = re.findall(r"`(\w+_test): (\w+)\.(\w+)`", text)
    assert named
    missing = [
        f"{program}: {fixture}.{test}"
        for program, fixture, test in named
        if f"+TEST_F({fixture}, {test})" not in added_file(series, f"{program}.c")
    ]
    assert missing == []
    for program in re.findall(r"`(proc-[\w-]+)`", text):
        added_file(series, f"{program}.c")
