"""Each file in the folders here boots a kernel of its own and runs there, as root.

What a test in the guest proves is told there; here only the guest is judged:
its kernel must not complain, and tests must have run and passed. A file may say
what it needs:

    # guest: --stock
    # guest: --debian --kernel 6.12 --cmdline lsm=landlock
    # guest: --debian --kernel 6.1 --suite bookworm --suite trixie --long

Each such line is a guest, or one for each kernel and suite that it names. `--stock` is
a kernel of the lab's without the series, `--debian` the one that Debian ships. A long
one runs only if it is asked for (`pytest --long`, `make test-sessions`).
"""

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import get_args

import pytest
from _pytest.mark import ParameterSet
from kernel_lab import GuestOptions, run_guest
from kernel_lab.guest import Image
from kernel_lab.rootfs import Suite

GUEST = Path(__file__).parent / "guest"
BREAKAGES = Path(__file__).parent / "breakages"
EXAMPLES = Path(__file__).parents[2] / "examples"
KERNEL = "6.12"
KERNELS: dict[Image, str] = {"series": "the series", "stock": "stock", "debian": "Debian's own"}
PASSED_ON = ("SOAK_LOGINS",)

pytestmark = pytest.mark.vm


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

    @property
    def name(self) -> str:
        """The name of its test."""
        return f"{self.module.stem}-{self.suite}-{self.kernel}"


def guests(module: Path) -> Iterator[Wanted]:
    """Yield the guests that the `# guest:` lines of a test file ask for; without one, the usual."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    for image in ("stock", "debian"):
        parser.add_argument(f"--{image}", dest="image", action="store_const", const=image)
    parser.set_defaults(image="series")
    parser.add_argument("--kernel", action="append")
    parser.add_argument("--cmdline", default="")
    parser.add_argument("--suite", action="append", choices=get_args(Suite))
    parser.add_argument("--timeout", type=float, default=600.0)
    parser.add_argument("--long", action="store_true")
    lines = [
        line.removeprefix("# guest:")
        for line in module.read_text(encoding="utf-8").splitlines()
        if line.startswith("# guest:")
    ]
    for line in lines or [""]:
        said = parser.parse_args(shlex.split(line))
        for suite, kernel in product(said.suite or ["bookworm"], said.kernel or [KERNEL]):
            yield Wanted(module, suite, kernel, said.image, said.cmdline, said.timeout, said.long)


@pytest.fixture
def share(tmp_path: Path) -> Iterator[Path]:
    """A directory for the guest with its tests and the examples."""
    place = tmp_path / "share"
    shutil.copytree(GUEST, place, ignore=shutil.ignore_patterns("__pycache__"))
    for module in BREAKAGES.glob("*.py"):
        shutil.copy(module, place)
    shutil.copytree(EXAMPLES, place / "examples")
    yield place
    shutil.rmtree(place)


def show(output: bytes) -> None:
    """Pass the guest's output on as it comes."""
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()


def parameters() -> Iterator[ParameterSet]:
    """Yield one parameter for each guest that a test file asks for."""
    for module in sorted([*GUEST.glob("test_*.py"), *BREAKAGES.glob("test_*.py")]):
        for wanted in guests(module):
            marks = [pytest.mark.long] if wanted.long else []
            yield pytest.param(wanted, id=wanted.name, marks=marks)


@pytest.mark.parametrize("wanted", list(parameters()))
def test_guest(wanted: Wanted, share: Path, rows: list[tuple[str, ...]]) -> None:
    """Every test of the module passes in a guest that stays healthy."""
    options = "-c /dev/null --rootdir=/share -p isolation -p no:cacheprovider -ra -v --tb=short"
    given = [f"{name}={os.environ[name]}" for name in PASSED_ON if name in os.environ]
    command = ["env", "PYTHONPATH=/share", *given, "python3", "-m", "pytest", *options.split()]
    result = run_guest(
        wanted.kernel,
        [*command, f"/share/{wanted.module.name}"],
        GuestOptions(
            image=wanted.image,
            suite=wanted.suite,
            cmdline=wanted.cmdline,
            timeout=wanted.timeout,
            share=share,
        ),
        on_output=show,
    )
    last = result.output.rstrip().rpartition("\n")[2].strip("= ")
    kernel = f"{wanted.kernel}, {KERNELS[wanted.image]}"
    rows.append((wanted.module.stem, wanted.suite, kernel, result.problem or last))
    assert result.ok, result.explain()
    assert " passed" in last
    assert " skipped" not in last
