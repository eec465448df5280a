"""Sessions that look at one another.

A `Session` is a shell, started in some way (ssh, `yama-session run`), with a
probe as its child. `look_around` lets each look at the shells of all.
"""

import contextlib
import json
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

PYTHON = "/usr/bin/python3"
PROBE = Path(__file__).with_name("probe.py")


class SessionFailed(Exception):
    """A session ended before it answered; the message has what it said."""


@dataclass(frozen=True)
class Sight:
    """What one session found out.

    `listed` is the number of processes in its /proc; `found` has for each
    session's name whether it could be seen and whether it could be traced.
    """

    listed: int
    found: dict[str, tuple[bool, bool]]


class Session:
    """A shell that waits, with a probe that answers.

    Args:
        name: what the table calls it.
        start: a command that runs its last argument, a shell script, in a
            shell of the session.
    """

    def __init__(self, name: str, start: Sequence[str]) -> None:
        self.name = name
        probe = shlex.join([PYTHON, "-c", PROBE.read_text(encoding="utf-8")])
        # The shell must not become the probe: it has to say more afterwards.
        script = f"echo $$\n{probe}\nexit $?"
        self._process = subprocess.Popen(
            [*start, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._shell = 0

    @property
    def shell(self) -> int:
        """The pid of the session's shell; waits until there is one.

        Raises:
            SessionFailed: there was no session.
        """
        if not self._shell:
            self._shell = int(self._line())
        return self._shell

    def look(self, shells: dict[str, int]) -> Sight:
        """Let the session look at shells.

        Args:
            shells: pids by the session's name.

        Raises:
            SessionFailed: the session has ended.
        """
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            print(*shells.values(), file=self._process.stdin, flush=True)
        answer = json.loads(self._line())
        tried = {name: answer["found"][str(pid)] for name, pid in shells.items()}
        found = {name: (bool(sees), bool(traces)) for name, (sees, traces) in tried.items()}
        return Sight(int(answer["listed"]), found)

    def close(self) -> None:
        """End the session and wait for its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SessionFailed(f"{self.name} ended with status {self._process.wait()}")
        return line


Sights = dict[str, Sight]


def look_around(starts: dict[str, Sequence[str]]) -> Sights:
    """Open all sessions together, let each look at all of them, and close them.

    They look one after the other: a process has one tracer at a time.

    Args:
        starts: by name, the command as for `Session`.

    Raises:
        SessionFailed: one of them did not come up.
    """
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(Session(*item)) for item in starts.items()]
        shells = {session.name: session.shell for session in sessions}
        return {session.name: session.look(shells) for session in sessions}
