"""Tell by the exit status whether a debugger started here could attach to a process.

For scripts and debuggers that today read kernel.yama.ptrace_scope, which is one
of several rules. Nothing is printed if it can; the reason if it cannot goes to
standard error. The answer holds for a program that is started as this one is; a
program asks for itself with yama_session.can_attach() of the Python package.
"""

from __future__ import annotations

import argparse
import json
import sys

from yama_session.cli._arguments import pid
from yama_session.cli._exit import ExitCode
from yama_session.cli._reach_text import answer_plain
from yama_session.errors import ProcessMissing
from yama_session.reach import Answer, Verdict, can_attach
from yama_session.reach.answer import no

HELP = "tell by the exit status whether one could attach to a process"

_STATUS = {
    Verdict.YES: ExitCode.OK,
    Verdict.NO: ExitCode.PROBLEM,
    Verdict.UNKNOWN: ExitCode.REFUSED,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``can-attach``."""
    parser.add_argument("pid", type=pid, metavar="PID", help="the process to attach to")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Answer by the exit status."""
    answer = _answer(args.pid)
    if args.json:
        print(json.dumps({"pid": args.pid, **answer_plain(answer)}, indent=2))
    elif not answer:
        print(f"yama-session: cannot attach to {args.pid}: {answer.reason}", file=sys.stderr)
    return _STATUS[answer.verdict]


def _answer(pid: int) -> Answer:
    try:
        return can_attach(pid)
    except ProcessMissing as error:
        return no("missing", str(error))
