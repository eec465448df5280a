"""Start programs: quietly, with their output kept for the error message."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from kernel_lab.errors import CommandFailed

TAIL_LINES = 30


def say(text: str) -> None:
    """Tell the person what the lab does now, on stderr: stdout is the guest's."""
    print(f"lab: {text}", file=sys.stderr, flush=True)


def run(
    argv: list[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    each_line: Callable[[str], None] | None = None,
) -> str:
    """Run a program and return its combined output.

    Args:
        argv: program and arguments.
        cwd: directory to start it in.
        env: variables added to the present environment.
        each_line: called with each line of output while it runs.

    Raises:
        CommandFailed: it could not be started or its status is not 0.
    """
    environment = {**os.environ, "LC_ALL": "C", **(env or {})}
    try:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise CommandFailed(
            argv, 127, f"{error} (`make setup` installs what the lab needs)"
        ) from error
    lines: list[str] = []
    with process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                lines.append(line)
                if each_line:
                    each_line(line)
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        raise CommandFailed(argv, process.returncode, "".join(lines[-TAIL_LINES:]))
    return "".join(lines)


class Progress:
    """A line with a count, a share and the time, at most every few seconds."""

    def __init__(self, what: str, expected: int, every: float = 5.0) -> None:
        self._what = what
        self._expected = expected
        self._every = every
        self._start = self._last = time.monotonic()
        self.count = 0

    def step(self) -> None:
        """Count one thing done."""
        self.count += 1
        now = time.monotonic()
        if now - self._last >= self._every:
            self._last = now
            say(self.text(now))

    def text(self, now: float) -> str:
        """Return the line for the moment `now` (seconds of the monotonic clock)."""
        seconds = int(now - self._start)
        share = ""
        if self._expected:
            share = f" of about {self._expected} ({min(99, 100 * self.count // self._expected)}%)"
        return f"{self._what}: {self.count} files{share}, {seconds // 60}:{seconds % 60:02}"
