"""Let one process attach to another for a time, although the session's scope forbids it.

For a debugger that runs already: in gdb, "shell yama-session allow-attach PID"
and then "attach PID". The permission is for that one process and not for what
it starts; to start a debugger with it use "yama-session debug". Whatever else
ptrace(2) asks for stays: the process must be one's own and dumpable.

Polkit is asked: for one's own processes in one's own session it takes the own
password, for others and from scope 2 on an administrator's. Nothing lifts
scope 3. When the time is over no new attach is possible, and one that has been
made stays. Each permission and its end are in the journal.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping
from typing import Any

from yama_session.cli._arguments import pid
from yama_session.cli._exit import ExitCode
from yama_session.cli._grant import add_time, grant
from yama_session.cli._table import table
from yama_session.errors import ProcessMissing

HELP = "let one process attach to another for a time"

_COLUMNS = ("ID", "TRACER", "TRACEE", "OWNER", "BY", "UNTIL")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``allow-attach``."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("pid", nargs="?", type=pid, metavar="PID", help="who may be attached to")
    what.add_argument("--list", action="store_true", help="show the permissions that hold")
    what.add_argument("--revoke", metavar="ID", help="end a permission before its time")
    parser.add_argument(
        "--tracer",
        type=pid,
        metavar="PID",
        help="who may attach (default: what has started this command, as gdb's shell does)",
    )
    add_time(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, where there is output")


def run(args: argparse.Namespace) -> int:
    """Grant, list or revoke."""
    from yama_session.service import client

    if args.list:
        grants = client.list_grants()
        print(
            json.dumps([_plain(each) for each in grants], indent=2)
            if args.json
            else table(_COLUMNS, [_row(each) for each in grants])
        )
    elif args.revoke is not None:
        client.revoke_attach(args.revoke)
    else:
        tracer = args.tracer if args.tracer is not None else os.getppid()
        if tracer == 1:
            raise ProcessMissing("what has started this command has exited: name it by --tracer")
        made = grant(args.pid, tracer, args.seconds)
        (found,) = [each for each in client.list_grants() if each["id"] == made]
        print(json.dumps(_plain(found), indent=2) if args.json else _sentence(found))
    return ExitCode.OK


def _plain(found: Mapping[str, Any]) -> dict[str, Any]:
    return {**found, "domain": str(found["domain"])}


def _sentence(found: Mapping[str, Any]) -> str:
    return (
        f"{found['tracer_name']} ({found['tracer']}), and nothing that it starts, may attach to "
        f"{found['tracee_name']} ({found['tracee']}) until {_clock(found['until'])} "
        f"(to end it: yama-session allow-attach --revoke {found['id']})"
    )


def _row(found: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        str(found["id"]),
        f"{found['tracer_name']} ({found['tracer']})",
        f"{found['tracee_name']} ({found['tracee']})",
        str(found["owner"]),
        str(found["by"]),
        _clock(found["until"]),
    )


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))
