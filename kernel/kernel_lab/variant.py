"""The ways in which one kernel is configured: fragments of `kernel/config` together."""

from dataclasses import dataclass

from kernel_lab.errors import LabError

GUEST = ("base", "session", "systemd")  # what a guest of the lab needs
SMALL = ("small", "session")  # compiled and linked, never booted
# ACPI's interpreter takes most of an instrumented kernel's boot.
NO_ACPI = "pci=noacpi"


@dataclass(frozen=True)
class Variant:
    """One configuration."""

    name: str
    fragments: tuple[str, ...]  # of equal rank: they may not contradict one another
    overrule: str = ""  # a fragment that may contradict them
    bootable: bool = True
    cmdline: str = ""  # kernel parameters
    memory: int = 2048  # MiB that a guest of it needs
    slowness: int = 1  # a guest of it takes this many times as long


_ALL = (
    Variant("plain", GUEST),
    Variant("debug", GUEST, "debug", cmdline=NO_ACPI, memory=4096, slowness=5),
    # The kernel has data races of its own: the first one may not end the guest.
    Variant("kcsan", GUEST, "kcsan", cmdline=f"{NO_ACPI} panic_on_warn=0", memory=4096, slowness=5),
    Variant("lsms", GUEST, "lsms"),
    Variant("no-yama", SMALL, "no-yama", bootable=False),
    Variant("no-procfs", SMALL, "no-procfs", bootable=False),
    Variant("no-sysctl", SMALL, "no-sysctl", bootable=False),
    Variant("no-userns", SMALL, "no-userns", bootable=False),
    Variant("no-security", SMALL, "no-security", bootable=False),
)
VARIANTS = {variant.name: variant for variant in _ALL}
PLAIN = VARIANTS["plain"]
WITHOUT = tuple(variant for variant in _ALL if not variant.bootable)


def named(name: str) -> Variant:
    """Return a variant.

    Raises:
        LabError: there is none of this name.
    """
    try:
        return VARIANTS[name]
    except KeyError:
        raise LabError(f"no variant {name}: there are {', '.join(VARIANTS)}") from None
