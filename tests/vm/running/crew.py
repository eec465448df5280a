"""Guests side by side: each keeps about one processor busy."""

import os
import shlex
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from kernel_lab import GuestOptions, GuestResult, run_guest
from wanted import Wanted

HERE = Path(__file__).parents[1]
FOLDERS = (HERE / "guest", HERE / "breakages")
EXAMPLES = HERE.parents[1] / "examples"
PASSED_ON = ("SOAK_LOGINS",)
OPTIONS = "-c /dev/null --rootdir=/share -p isolation -p no:cacheprovider -ra -v --tb=short"


class Crew:
    """Guests that are started in their order, some at a time.

    Args:
        guests: what is wanted.
        at_once: how many run at a time. One alone passes its output on as it comes;
            that of several is kept, so that it can be shown one after the other.
    """

    def __init__(self, guests: Iterable[Wanted], at_once: int) -> None:
        self._live = at_once == 1
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(at_once, "guest")
        self._results: dict[Wanted, Future[GuestResult]] = {
            guest: self._pool.submit(self._run, guest) for guest in guests
        }

    def result(self, guest: Wanted) -> GuestResult:
        """Wait for what becomes of a guest.

        Raises:
            LabError: the lab could not start it.
        """
        return self._results[guest].result()

    def seconds(self) -> list[tuple[Wanted, float]]:
        """Return how long each guest took that has ended, in the order in which they began."""
        return [
            (guest, result.result().seconds)
            for guest, result in self._results.items()
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

    def _run(self, guest: Wanted) -> GuestResult:
        with tempfile.TemporaryDirectory(prefix="guest-") as scratch:
            share = _share(Path(scratch) / "share")
            given = [f"{name}={os.environ[name]}" for name in PASSED_ON if name in os.environ]
            command = ["env", "PYTHONPATH=/share", *given, "python3", "-m", "pytest"]
            return run_guest(
                guest.kernel,
                [*command, *shlex.split(OPTIONS), f"/share/{guest.module.name}"],
                GuestOptions(
                    image=guest.image,
                    suite=guest.suite,
                    cmdline=guest.cmdline,
                    timeout=guest.timeout,
                    share=share,
                ),
                on_output=_show if self._live else None,
                stop=self._stop,
            )


def _share(place: Path) -> Path:
    """Make a directory for the guest with its tests and the examples."""
    for folder in FOLDERS:
        shutil.copytree(
            folder, place, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
        )
    shutil.copytree(EXAMPLES, place / "examples")
    return place


def _show(output: bytes) -> None:
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()
