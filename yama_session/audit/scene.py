"""Who looks at whom."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from yama_session.audit.standin import Left, LockFiles

#: A number above every pid_max, on every kernel: no process has it.
MISSING = (1 << 22) + 1


class Target(Enum):
    """Where the target comes from."""

    SECOND = "second-process"
    GIVEN = "given"
    INIT = "init"


@dataclass(frozen=True)
class Scene:
    """What the probes work with, in the process that looks.

    Args:
        target: the process that is to be found, or not.
        twin: what it has left behind, if the audit has started it.
        twin_forks: lets it start processes; returns the number of the last.
        own: a process that is seen, with all that it has left.
        confined: whether anything hides processes from who looks.
        inferiors: whether who looks sees its own descendants only.
        files: in which ``twin`` has locked byte and file 0, and ``own`` 1.
    """

    target: int
    twin: Left | None
    twin_forks: Callable[[int], int]
    own: Left
    confined: bool
    inferiors: bool
    files: LockFiles

    def outside(self, number: int) -> bool:
        """Return whether a number is that of a process that one should not know of.

        Where nothing hides processes: of any other one.
        """
        if number <= 0 or number in (os.getpid(), os.getppid(), self.own.pid):
            return False
        return not (self.confined and Path(f"/proc/{number}").exists())
