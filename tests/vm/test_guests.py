"""Each file in `guest/` boots a kernel of its own and runs there, as root, under systemd.

What a test in the guest proves is told there; here only the guest is judged:
its kernel must not complain, and tests must have run and passed. A file may say
what it needs:

    # guest: --stock
    # guest: --cmdline lsm=landlock
"""

import argparse
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kernel_lab import GuestOptions, run_guest

GUEST = Path(__file__).parent / "guest"
MODULES = sorted(GUEST.glob("test_*.py"))

pytestmark = pytest.mark.vm


def wishes(text: str) -> argparse.Namespace:
    """Return the `# guest:` options in the first lines of a test file."""
    words = [
        word
        for line in text.splitlines()
        if line.startswith("# guest:")
        for word in shlex.split(line.removeprefix("# guest:"))
    ]
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--stock", action="store_true")
    parser.add_argument("--cmdline", default="")
    parser.add_argument("--timeout", type=float, default=600.0)
    return parser.parse_args(words)


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


@pytest.mark.parametrize("module", MODULES, ids=[path.stem for path in MODULES])
def test_guest(module: Path, share: Path) -> None:
    """Every test of the module passes in a guest that stays healthy."""
    wanted = wishes(module.read_text(encoding="utf-8"))
    options = "-c /dev/null --rootdir=/share -p isolation -p no:cacheprovider -ra -v --tb=short"
    command = ["env", "PYTHONPATH=/share", "python3", "-m", "pytest", *options.split()]
    result = run_guest(
        "6.12",
        [*command, f"/share/{module.name}"],
        GuestOptions(
            stock=wanted.stock, cmdline=wanted.cmdline, timeout=wanted.timeout, share=share
        ),
        on_output=show,
    )
    assert result.ok, result.explain()
    assert " passed" in result.output
    assert " skipped" not in result.output.splitlines()[-1]
