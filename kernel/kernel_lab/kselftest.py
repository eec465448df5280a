"""Build the kernel's own selftests from the patched source and run them in its guest."""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from kernel_lab import build, series
from kernel_lab.cache import cache_root, locked
from kernel_lab.command import run, say
from kernel_lab.errors import LabError
from kernel_lab.guest import GuestOptions, GuestResult, run_guest
from kernel_lab.source import fetch

TARGETS = ("yama", "proc")
TIMEOUT = 900.0
_RESULT = re.compile(r"^(ok|not ok) \d+ selftests: (\S+: \S+)(.*)$", re.MULTILINE)

# 9p is not a file system that the tests may be run from: they go to the disk.
_RUN = "cp -a /share /root/kselftest && cd /root/kselftest && exec ./run_kselftest.sh"


def kselftest(kernel: str, on_output: Callable[[bytes], None] | None = None) -> GuestResult:
    """Run the selftests of `TARGETS` on the patched kernel.

    Raises:
        LabError: they do not compile, one fails, or none has run.
    """
    workshop = build.Workshop(fetch(kernel))
    build.build(kernel, stock=False)
    with tempfile.TemporaryDirectory(prefix="kernel-lab-") as scratch:
        share = Path(scratch) / "kselftest"
        with locked(workshop.lock):
            workshop.prepare(series.patches(kernel))
            _install(workshop, share)
        options = GuestOptions(plain=True, share=share, timeout=TIMEOUT)
        result = run_guest(kernel, ["sh", "-c", _RUN], options, on_output=on_output)
    if result.problem:
        raise LabError(result.explain())
    passed, failed = verdict(result.output)
    if failed:
        raise LabError(f"selftests failed: {', '.join(failed)}")
    if not passed:
        raise LabError("no selftest has run")
    say(f"selftests: {len(passed)} passed")
    return result


def verdict(tap: str) -> tuple[list[str], list[str]]:
    """Return the names of the programs that passed, and of those that did not.

    A skip counts as neither: a skipped program has shown nothing.
    """
    passed: list[str] = []
    failed: list[str] = []
    for outcome, name, rest in _RESULT.findall(tap):
        if outcome == "not ok":
            failed.append(name)
        elif "SKIP" not in rest:
            passed.append(name)
    return passed, failed


def _install(workshop: build.Workshop, into: Path) -> None:
    say(f"building selftests: {' '.join(TARGETS)}")
    workshop.make("-s", "headers")
    objects = cache_root() / "build" / workshop.tree.source.kernel / "kselftest"
    objects.mkdir(parents=True, exist_ok=True)
    run(
        [
            "make",
            "-C",
            "tools/testing/selftests",
            f"O={objects}",
            f"KHDR_INCLUDES=-isystem {workshop.objects}/usr/include",
            f"TARGETS={' '.join(TARGETS)}",
            "FORCE_TARGETS=1",
            f"INSTALL_PATH={into}",
            "install",
        ],
        cwd=workshop.tree.path,
    )
