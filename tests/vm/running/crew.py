"""Guests side by side: each keeps about one processor busy."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from boots import Boot
from kernel_lab import GuestOptions, GuestResult, run_guest
from wanted import Wanted

HERE = Path(__file__).parents[1]
FOLDERS = (HERE / "guest", HERE / "breakages")
EXAMPLES = HERE.parents[1] / "examples"
PASSED_ON = ("SOAK_LOGINS",)
RUNNER = Path(__file__).with_name("files")


class Crew:
    """Guests that are started in their order, some at a time.

    Args:
        boots: the guests.
        at_once: how many run at a time. One alone passes its output on as it comes;
            that of several is kept, so that it can be shown one after the other.
    """

    def __init__(self, boots: Iterable[Boot], at_once: int) -> None:
        self._live = at_once == 1
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(at_once, "guest")
        self._results: dict[Boot, Future[GuestResult]] = {
            boot: self._pool.submit(self._run, boot) for boot in boots
        }
        self._boots = {file: boot for boot in self._results for file in boot.files}

    def result(self, file: Wanted) -> GuestResult:
        """Wait for what becomes of the guest in which a file runs.

        Raises:
            LabError: the lab could not start it.
        """
        return self._results[self._boots[file]].result()

    def seconds(self) -> list[tuple[Boot, float]]:
        """Return how long each guest took that has ended, in the order in which they began."""
        return [
            (boot, result.result().seconds)
            for boot, result in self._results.items()
            if result.done() and not result.cancelled() and not result.exception()
        ]

    def __enter__(self) -> "Crew":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let no guest live on that nobody waits for."""
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)

    def _run(self, boot: Boot) -> GuestResult:
        first = boot.files[0]
        given = [f"{name}={os.environ[name]}" for name in PASSED_ON if name in os.environ]
        with tempfile.TemporaryDirectory(prefix="guest-") as scratch:
            share = Path(scratch) / "share"
            _fill(share, boot)
            return run_guest(
                first.kernel,
                ["env", *given, "sh", f"/share/{RUNNER.name}"],
                GuestOptions(
                    image=first.image,
                    suite=first.suite,
                    variant=first.variant,
                    cmdline=first.cmdline,
                    timeout=boot.timeout,
                    share=share,
                ),
                on_output=_show if self._live else None,
                stop=self._stop,
            )


def _fill(place: Path, boot: Boot) -> None:
    """Make a directory for the guest with all tests, those that it is to run, and the examples."""
    for folder in FOLDERS:
        shutil.copytree(
            folder, place, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
        )
    shutil.copytree(EXAMPLES, place / "examples")
    shutil.copy(RUNNER, place)
    lines = [f"{file.module.name} {file.timeout:.0f}\n" for file in boot.files]
    (place / "list").write_text("".join(lines), encoding="ascii")
    if boot.files[0].prepare:
        program, *words = boot.files[0].prepare
        prepared = boot.files[0].module.with_name(program)
        subprocess.run([sys.executable, prepared, *words, place], check=True)


def _show(output: bytes) -> None:
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()
