"""Each file in `guest/` boots a kernel of its own and runs there, as root, under systemd.

What a test in the guest proves is told there; here only the guest is judged:
its kernel must not complain, and tests must have run and passed. A file may say
what it needs:

    # guest: --stock
    # guest: --cmdline lsm=landlock
    # guest: --suite bookworm --suite trixie
"""

import argparse
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest
from kernel_lab import GuestOptions, run_guest
from kernel_lab.rootfs import Suite

GUEST = Path(__file__).parent / "guest"

pytestmark = pytest.mark.vm


@dataclass(frozen=True)
class Wanted:
    """A guest that a test file asks for."""

    module: Path
    suite: Suite
    stock: bool
    cmdline: str
    timeout: float

    @property
    def name(self) -> str:
        """The name of its test."""
        return f"{self.module.stem}-{self.suite}"


def guests(module: Path) -> Iterator[Wanted]:
    """Yield the guests that the `# guest:` lines of a test file ask for."""
    words = [
        word
        for line in module.read_text(encoding="utf-8").splitlines()
        if line.startswith("# guest:")
        for word in shlex.split(line.removeprefix("# guest:"))
    ]
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--stock", action="store_true")
    parser.add_argument("--cmdline", default="")
    parser.add_argument("--suite", action="append", choices=get_args(Suite))
    parser.add_argument("--timeout", type=float, default=600.0)
    said = parser.parse_args(words)
    for suite in said.suite or ["bookworm"]:
        yield Wanted(module, suite, said.stock, said.cmdline, said.timeout)


@pytest.fixture
def share(tmp_path: Path) -> Iterator[Path]:
    """A directory for the guest with its tests and nothing else."""
    place = tmp_path / "share"
    shutil.copytree(GUEST, place, ignore=shutil.ignore_patterns("__pycache__"))
    yield place
    shutil.rmtree(place)


def show(output: bytes) -> None:
    """Pass the guest's output on as it comes."""
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()


WANTED = [wanted for module in sorted(GUEST.glob("test_*.py")) for wanted in guests(module)]


@pytest.mark.parametrize("wanted", WANTED, ids=[wanted.name for wanted in WANTED])
def test_guest(wanted: Wanted, share: Path) -> None:
    """Every test of the module passes in a guest that stays healthy."""
    options = "-c /dev/null --rootdir=/share -p isolation -p no:cacheprovider -ra -v --tb=short"
    command = ["env", "PYTHONPATH=/share", "python3", "-m", "pytest", *options.split()]
    result = run_guest(
        "6.12",
        [*command, f"/share/{wanted.module.name}"],
        GuestOptions(
            stock=wanted.stock,
            suite=wanted.suite,
            cmdline=wanted.cmdline,
            timeout=wanted.timeout,
            share=share,
        ),
        on_output=show,
    )
    assert result.ok, result.explain()
    assert " passed" in result.output
    assert " skipped" not in result.output.splitlines()[-1]
