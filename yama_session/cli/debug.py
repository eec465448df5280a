"""Run a debugger that may attach to a process, although the session's scope forbids it.

    yama-session debug -- gdb -p PID
    yama-session debug --for 1h -- strace -f -p PID -o FILE

The process is taken from the debugger's own option (-p, --pid or --attach), or
named with --pid. The permission is for the debugger itself and not for what it
starts, and ends with it; see "yama-session allow-attach --help" for who gets it.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator, Sequence

from yama_session.cli._arguments import pid
from yama_session.cli._become import become, say
from yama_session.cli._exit import ExitCode
from yama_session.cli._grant import add_time, grant

HELP = "run a debugger that may attach to a process"

_OPTIONS = ("-p", "-pid", "--pid", "--attach")
_PIDS = r"\d+(?:,\d+)*"
_JOINED = re.compile(rf"(?:-p|-pid=|--pid=|--attach=)({_PIDS})")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``debug``."""
    parser.add_argument(
        "--pid",
        type=pid,
        action="append",
        default=[],
        metavar="PID",
        help="who may be attached to, again for more (default: what the command's options name)",
    )
    add_time(parser)
    parser.add_argument("command", metavar="CMD", help="the debugger")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARG", help="its arguments")


def run(args: argparse.Namespace) -> int:
    """Get the permission for this process, and become the debugger."""
    pids = args.pid or list(dict.fromkeys(named(args.arguments)))
    if not pids:
        say(f"{args.command} is given no process: name one with 'debug --pid PID -- ...'")
        return ExitCode.USAGE
    for number in pids:
        grant(number, os.getpid(), args.seconds)
    return become([args.command, *args.arguments])


def named(arguments: Sequence[str]) -> Iterator[int]:
    """Yield the processes that a debugger's arguments tell it to attach to.

    What follows ``--`` or ``--args`` is for the program that is debugged.
    """
    following = ""
    for argument in arguments:
        if argument in ("--", "--args"):
            return
        joined = _JOINED.fullmatch(argument)
        if joined:
            yield from map(int, joined[1].split(","))
        elif following in _OPTIONS and re.fullmatch(_PIDS, argument):
            yield from map(int, argument.split(","))
        following = argument
