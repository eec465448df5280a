"""Kernel options: what is asked is what is verified."""

import pytest
from kernel_lab import kconfig
from kernel_lab.errors import LabError
from kernel_lab.variant import PLAIN


def test_parse_reads_both_ways_to_say_no() -> None:
    assert kconfig.parse("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=n\n# a heading\n") == {
        "CONFIG_A": "y",
        "CONFIG_B": "n",
        "CONFIG_C": "n",
    }


def test_merged_replaces_and_keeps() -> None:
    text = kconfig.merged(
        "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_D=3\n", {"CONFIG_A": "n", "CONFIG_B": "y"}
    )
    assert kconfig.parse(text) == {"CONFIG_A": "n", "CONFIG_B": "y", "CONFIG_D": "3"}
    assert text.count("CONFIG_A") == 1


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ({"CONFIG_A": "y"}, ""),
        ({"CONFIG_A": "y"}, "CONFIG_A=m\n"),
        ({"CONFIG_A": "n"}, "CONFIG_A=y\n"),
    ],
)
def test_verify_names_the_option_that_was_dropped(wanted: dict[str, str], got: str) -> None:
    with pytest.raises(LabError, match="CONFIG_A: asked"):
        kconfig.verify(wanted, got)


def test_verify_takes_a_missing_option_for_no() -> None:
    kconfig.verify({"CONFIG_A": "n", "CONFIG_B": "y"}, "CONFIG_B=y\n")


def test_the_fragments_ask_for_yama_and_for_no_modules() -> None:
    asked = kconfig.asked("6.12", PLAIN)
    assert asked["CONFIG_SECURITY_YAMA"] == "y"
    assert asked["CONFIG_LSM"] == '"landlock,yama"'
    assert asked["CONFIG_MODULES"] == "n"
