"""What the host tests share: the running kernel, root, and a stranger to look for."""

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Other uids cannot execute an interpreter in root's home, so it is the system's.
PYTHON = "/usr/bin/python3"

#: An unprivileged uid and gid, of the tests' sessions and of the stranger alike.
NOBODY = 65534

Python = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_configure() -> None:
    """Hear SIGINT, and let what the tests start hear it: a job in the background ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionfinish() -> None:
    """Collect dbus-next's cycles now.

    pytest imports more for its summary, and the compiler of Python 3.11 fails
    ("recursion depth mismatch") when it is interrupted to collect them.
    """
    gc.collect()


@pytest.fixture
def as_root() -> None:
    """Fail, not skip, without root: these tests mean nothing then."""
    assert os.geteuid() == 0, "the host tests need root"


@pytest.fixture
def stranger(as_root: None) -> Iterator[int]:
    """Give the pid of a process of uid NOBODY that is outside of every session."""
    with subprocess.Popen(
        ["sh", "-c", "echo; exec sleep infinity"],
        user=NOBODY,
        group=NOBODY,
        extra_groups=(),
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        status = Path(f"/proc/{process.pid}/status")
        while "Name:\tsleep\n" not in (text := status.read_text()) or "S (sleeping)" not in text:
            time.sleep(0.01)
        yield process.pid
        process.kill()


@pytest.fixture
def python(as_root: None) -> Python:
    """Run a program text in the system's interpreter, with the package on its path."""

    def run(text: str, *args: object, check: bool = True) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [PYTHON, "-c", text, *map(str, args)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            timeout=60,
            cwd="/",
        )
        if check and done.returncode:
            print(done.stderr, file=sys.stderr)
        assert not check or done.returncode == 0
        return done

    return run
