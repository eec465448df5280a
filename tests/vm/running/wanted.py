"""The guests that the test files ask for.

A file may say what it needs:

    # guest: --stock
    # guest: --debian --kernel 6.12 --cmdline lsm=landlock
    # guest: --debian --kernel 6.1 --suite bookworm --suite trixie --long
    # guest: --prepare "reach_table.py yama 2"
    # guest: --variant lsms --cmdline lsm=yama,selinux

Each such line is a guest, or one for each kernel and suite that it names. `--stock` is
a kernel of the lab's without the series, `--debian` the one that Debian ships;
`--variant` is how the lab has configured a kernel of its own. A long
one runs only if it is asked for (`pytest --long`, `make test-sessions`). To prepare a
guest, a program of that folder runs on the host and puts into the share what the test
needs. A line that a test writes into the file `counted` there is shown with its result.

Files that want the same machine share a guest, in which they run one after the other.
So a file leaves the machine as it was: its services, its files, its settings; logins are
ended for it. One that does not, or that needs a machine that has just booted, is to have
a guest to itself and says `--alone`; a long one has that too.
"""

import argparse
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import get_args

from kernel_lab.guest import Image
from kernel_lab.rootfs import Suite
from kernel_lab.variant import PLAIN, VARIANTS

KERNEL = "6.12"
KERNELS: dict[Image, str] = {"series": "the series", "stock": "stock", "debian": "Debian's own"}


@dataclass(frozen=True)
class Wanted:
    """A guest that a test file asks for."""

    module: Path
    suite: Suite
    kernel: str
    image: Image
    cmdline: str
    timeout: float
    long: bool
    alone: bool = False
    prepare: tuple[str, ...] = ()
    variant: str = PLAIN.name

    @property
    def name(self) -> str:
        """The name of its test."""
        return f"{self.module.stem}-{self.suite}-{self.kernel}{self._configured('-')}"

    @property
    def machine(self) -> object:
        """What files that may share a guest have in common; itself if it is to be alone."""
        if self.alone or self.long:
            return self
        return self.suite, self.kernel, self.image, self.variant, self.cmdline, self.prepare

    @property
    def row(self) -> tuple[str, str, str]:
        """What names it on the page of results."""
        kernel = f"{self.kernel}, {KERNELS[self.image]}{self._configured(', ')}"
        return self.module.stem, self.suite, kernel

    def _configured(self, before: str) -> str:
        """Return what is special about the kernel's configuration: "" if nothing is."""
        if self.variant == PLAIN.name:
            return ""
        return before + " ".join(filter(None, (self.variant, self.cmdline)))


def guests(module: Path) -> Iterator[Wanted]:
    """Yield the guests that the `# guest:` lines of a test file ask for; without one, the usual."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    for image in ("stock", "debian"):
        parser.add_argument(f"--{image}", dest="image", action="store_const", const=image)
    parser.set_defaults(image="series")
    parser.add_argument("--kernel", action="append")
    parser.add_argument("--cmdline", default="")
    parser.add_argument("--variant", default=PLAIN.name, choices=VARIANTS)
    parser.add_argument("--suite", action="append", choices=get_args(Suite))
    parser.add_argument("--timeout", type=float, default=600.0)
    parser.add_argument("--prepare", type=shlex.split, default=[])
    for word in ("long", "alone"):
        parser.add_argument(f"--{word}", action="store_true")
    lines = [
        line.removeprefix("# guest:")
        for line in module.read_text(encoding="utf-8").splitlines()
        if line.startswith("# guest:")
    ]
    for line in lines or [""]:
        said = parser.parse_args(shlex.split(line))
        for suite, kernel in product(said.suite or ["bookworm"], said.kernel or [KERNEL]):
            yield Wanted(
                module,
                suite,
                kernel,
                said.image,
                said.cmdline,
                said.timeout,
                said.long,
                said.alone,
                tuple(said.prepare),
                said.variant,
            )
