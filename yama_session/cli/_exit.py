"""The exit codes of the command, in one place; ``--help`` prints them."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the command exits with; those from 125 on are as in env(1) and timeout(1)."""

    OK = 0
    PROBLEM = 1
    USAGE = 2
    REFUSED = 125
    NOT_EXECUTABLE = 126
    NOT_FOUND = 127


EXIT_CODES = """\
exit status:
  0    done (run, debug: the command's own status)
  1    policy, status, doctor: what was looked at is not in order; can-attach: no;
       audit: a channel is open
  2    the command line is wrong
  125  the kernel, the service or the policy refused, or lacks what was asked for;
       can-attach: it cannot be told
  126  run, debug: the command was found but cannot be executed
  127  run, debug: the command was not found
"""
