#!/usr/bin/python3
"""Make targets one after the other until one fails, and say how long each took.

Targets joined by `+` are made side by side: the first of them shows its output as it
comes, the others theirs after it.
"""

import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import IO

ROOT = Path(__file__).resolve().parents[1]


class Part(Thread):
    """A target that is being made; its output is kept in a file, or passed on."""

    def __init__(self, name: str, output: IO[bytes] | None) -> None:
        super().__init__(name=name)
        self.output = output
        self.begin, self.seconds = time.monotonic(), 0.0
        self.process = subprocess.Popen(
            ["make", "--no-print-directory", name],
            cwd=ROOT,
            stdout=output,
            stderr=output and subprocess.STDOUT,
        )
        self.start()

    def run(self) -> None:
        """Wait for its end."""
        self.process.wait()
        self.seconds = time.monotonic() - self.begin


def make(names: list[str], done: list[Part]) -> bool:
    """Make targets side by side; tell if that went well."""
    with ExitStack() as stack:
        parts = [Part(names[0], None)]
        stack.callback(parts[0].process.terminate)
        for name in names[1:]:
            parts.append(Part(name, stack.enter_context(tempfile.TemporaryFile())))
            stack.callback(parts[-1].process.terminate)
        for part in parts:
            part.join()
            done.append(part)
            if part.output:
                part.output.seek(0)
                sys.stdout.buffer.write(part.output.read())
                sys.stdout.flush()
    return not any(part.process.returncode for part in parts)


def main(groups: list[str]) -> int:
    """Make all groups of targets."""
    done: list[Part] = []
    try:
        good = all(make(group.split("+"), done) for group in groups)
    except KeyboardInterrupt:
        good = False
    print("\nseconds  part")
    for part in done:
        print(f"{part.seconds:7.0f}  {part.name}{' FAILED' if part.process.returncode else ''}")
    return 0 if good else 1


sys.exit(main(sys.argv[1:]))
