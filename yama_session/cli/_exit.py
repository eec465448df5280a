"""The exit codes of the command, in one place; ``--help`` and the man pages have them."""

from __future__ import annotations

import textwrap
from enum import IntEnum


class ExitCode(IntEnum):
    """What the command exits with; those from 125 on are as in env(1) and timeout(1)."""

    OK = 0
    PROBLEM = 1
    USAGE = 2
    REFUSED = 125
    NOT_EXECUTABLE = 126
    NOT_FOUND = 127


CODES = {
    ExitCode.OK: "done (run, debug: the command's own status)",
    ExitCode.PROBLEM: "policy, status, doctor: what was looked at is not in order; "
    "can-attach: no; audit: a channel is open",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.REFUSED: "the kernel, the service or the policy refused, or lacks what was asked "
    "for; can-attach: it cannot be told",
    ExitCode.NOT_EXECUTABLE: "run, debug: the command was found but cannot be executed",
    ExitCode.NOT_FOUND: "run, debug: the command was not found",
}

EXIT_CODES = "exit status:\n" + "\n".join(
    textwrap.fill(text, 80, initial_indent=f"  {code.value:<5}", subsequent_indent=" " * 7)
    for code, text in CODES.items()
)
