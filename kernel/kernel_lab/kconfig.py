"""Kernel options: what we ask for, and whether we got it."""

import re
from collections.abc import Mapping

from kernel_lab.errors import LabError
from kernel_lab.paths import CONFIG_DIR
from kernel_lab.variant import Variant

_LINE = re.compile(r"^(?:(CONFIG_\w+)=(.*)|# (CONFIG_\w+) is not set)$")


def parse(text: str) -> dict[str, str]:
    """Return option -> value of a config text; "n" for one that is not set."""
    options: dict[str, str] = {}
    for line in text.splitlines():
        if match := _LINE.match(line.strip()):
            if match[1]:
                options[match[1]] = match[2]
            else:
                options[match[3]] = "n"
    return options


def asked(kernel: str, variant: Variant) -> dict[str, str]:
    """Return the options that a variant asks of a kernel.

    Where the kernel has an option not at all, or under another name, its own
    fragment (`kernel/config/6.1.config`) overrules what the others ask.

    Raises:
        LabError: two fragments of equal rank ask for different values of one option.
    """
    options: dict[str, str] = {}
    for name in variant.fragments:
        for option, value in _fragment(name).items():
            if options.setdefault(option, value) != value:
                raise LabError(
                    f"kernel/config/{name}.config: {option}={value}, "
                    f"but a fragment before it says {options[option]}"
                )
    if variant.overrule:
        options |= _fragment(variant.overrule)
    of_kernel = _fragment(kernel)
    return {option: of_kernel.get(option, value) for option, value in options.items()}


def _fragment(name: str) -> dict[str, str]:
    path = CONFIG_DIR / f"{name}.config"
    return parse(path.read_text(encoding="utf-8")) if path.exists() else {}


def merged(base: str, wanted: Mapping[str, str]) -> str:
    """Return the config text `base` with the wanted options in place of its own."""
    kept = [
        line
        for line in base.splitlines()
        if not ((match := _LINE.match(line)) and (match[1] or match[3]) in wanted)
    ]
    return "\n".join([*kept, render(wanted)])


def render(options: Mapping[str, str]) -> str:
    """Return options as a config text, sorted."""
    return "".join(
        f"# {name} is not set\n" if value == "n" else f"{name}={value}\n"
        for name, value in sorted(options.items())
    )


def verify(wanted: Mapping[str, str], text: str) -> None:
    """Check that a finished config has each wanted option.

    Raises:
        LabError: naming every option that is missing or has another value.
    """
    got = parse(text)
    wrong = [
        f"{name}: asked {value}, got {got.get(name, 'n')}"
        for name, value in sorted(wanted.items())
        if got.get(name, "n") != value
    ]
    if wrong:
        raise LabError(
            "the kernel's configuration dropped what kernel/config asks for "
            "(a dependency is missing, or the option has another name in this kernel):\n  "
            + "\n  ".join(wrong)
        )
