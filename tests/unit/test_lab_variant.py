"""How a kernel may be configured."""

import pytest
from kernel_lab import kconfig, variant
from kernel_lab.archive import SUITES
from kernel_lab.errors import LabError
from kernel_lab.paths import CONFIG_DIR


@pytest.mark.parametrize("kernel", SUITES)
@pytest.mark.parametrize("name", variant.VARIANTS)
def test_every_variant_has_its_fragments_and_no_contradiction(kernel: str, name: str) -> None:
    chosen = variant.named(name)
    for fragment in (*chosen.fragments, *filter(None, [chosen.overrule])):
        assert (CONFIG_DIR / f"{fragment}.config").exists()
    assert kconfig.asked(kernel, chosen)["CONFIG_WERROR"] == "y"


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("no-yama", "SECURITY_YAMA"),
        ("no-procfs", "PROC_FS"),
        ("no-sysctl", "SYSCTL"),
        ("no-userns", "USER_NS"),
        ("no-security", "SECURITY"),
    ],
)
def test_a_variant_without_something_overrules_who_asks_for_it(name: str, option: str) -> None:
    plain = kconfig.asked("6.12", variant.PLAIN)
    without = kconfig.asked("6.12", variant.named(name))
    assert (plain[f"CONFIG_{option}"], without[f"CONFIG_{option}"]) == ("y", "n")


def test_a_kernel_overrules_only_what_is_asked() -> None:
    ours = kconfig.asked("7.3", variant.PLAIN)
    assert ours["CONFIG_PROC_SYSCTL"] == "n"
    assert ours.keys() == kconfig.asked("6.12", variant.PLAIN).keys()


def test_an_unknown_variant_names_the_known_ones() -> None:
    with pytest.raises(LabError, match="plain, debug, kcsan"):
        variant.named("fast")
