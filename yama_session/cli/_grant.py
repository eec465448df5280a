"""Asking the service that a process may be traced for a time."""

from __future__ import annotations

import argparse
import os
import re

from yama_session.cli._agent import terminal_agent
from yama_session.errors import ProcessMissing
from yama_session.native import OwnedFd

#: Seconds, if nothing is said.
DEFAULT_TIME = 600

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


def add_time(parser: argparse.ArgumentParser) -> None:
    """Declare ``--for``."""
    parser.add_argument(
        "--for",
        dest="seconds",
        type=_seconds,
        default=DEFAULT_TIME,
        metavar="TIME",
        help="until no more new attach is possible: 90s, 10m, 2h (default: 10m)",
    )


def grant(tracee: int, tracer: int, seconds: int) -> str:
    """Let a process be traced by another one for a time, and return the grant's id.

    Args:
        tracee: the pid of who may be traced.
        tracer: the pid of who may trace it.
        seconds: for how long.

    Raises:
        ProcessMissing: one of them does not exist, or is hidden.
        ServiceError: the service cannot be reached, or refused.
    """
    from yama_session.service import client

    with _pidfd(tracee) as tracee_fd, _pidfd(tracer) as tracer_fd, terminal_agent():
        return client.allow_attach(tracee_fd.fileno(), tracer_fd.fileno(), seconds)


def _pidfd(pid: int) -> OwnedFd:
    try:
        return OwnedFd(os.pidfd_open(pid))
    except OSError as error:
        raise ProcessMissing(f"process {pid}: {error.strerror} (or it is hidden)") from None
    except OverflowError:
        raise ProcessMissing(f"process {pid}: no process has so large a number") from None


def _seconds(text: str) -> int:
    found = re.fullmatch(r"(\d{1,6})([smh]?)", text)
    if not found or not int(found[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write 90s, 10m or 2h")
    return int(found[1]) * _UNITS[found[2]]
