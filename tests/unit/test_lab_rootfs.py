"""What the lists of a guest's packages mean."""

import pytest
from kernel_lab.paths import GUEST_DIR
from kernel_lab.rootfs import Suite, packages

LIST = """
# a comment
one two   # another
three[trixie] four[bookworm]
"""


@pytest.mark.parametrize(
    ("suite", "expected"),
    [("bookworm", ["one", "two", "four"]), ("trixie", ["one", "two", "three"])],
)
def test_a_package_may_be_one_release_s_alone(suite: Suite, expected: list[str]) -> None:
    assert packages(LIST, suite) == expected


def test_the_guests_list_names_each_package_once() -> None:
    text = (GUEST_DIR / "packages").read_text(encoding="utf-8")
    for suite in ("bookworm", "trixie"):
        wanted = packages(text, suite)
        assert len(wanted) == len(set(wanted)) > 40
        assert not [name for name in wanted if "[" in name]
