"""Explain what one process can do to another: see it, look into it, attach to it.

Without --as the viewer is this command itself, and so whatever else is started
here; the kernel is asked, and has the last word. With --as PID the viewer is
that process, with --as USER a login of that user now. Both are computed from
what the caller may read: where that does not tell, the answer is unknown. Whom
a process has named with PR_SET_PTRACER no file tells.

Security modules whose rules are not known here (as Landlock and AppArmor) may
refuse what is a yes by --as; they are listed.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace

from yama_session.cli._arguments import pid
from yama_session.cli._exit import ExitCode
from yama_session.cli._reach_text import (
    INDENT,
    answer_lines,
    answer_plain,
    domain_plain,
    domain_text,
)
from yama_session.cli._table import Colour, coloured, printable, wrapped
from yama_session.cli._viewer import Viewer, source_of, viewer_from
from yama_session.reach import Reach, Task, reach

HELP = "explain whether a process is visible, readable and attachable, and why"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``explain``."""
    parser.add_argument("pid", type=pid, metavar="PID", help="the process that is looked at")
    parser.add_argument(
        "--as",
        dest="viewer",
        metavar="PID|USER",
        help="who looks: a process, or a login of a user (default: this command)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the explanation."""
    viewer = viewer_from(args.viewer)
    found = viewer.adjusted(reach(args.pid, viewer.task, viewer.member))
    domain = found.pair.viewer.domain
    if viewer.source is None and domain is not None:
        viewer = replace(viewer, source=source_of(domain.id))
    if args.json:
        print(json.dumps(_plain(found, viewer), indent=2))
    else:
        print("\n".join(_lines(found, viewer)))
    return ExitCode.OK


def _unjudged(found: Reach) -> list[str]:
    own = found.pair.viewer.pid == os.getpid()
    return [] if own else list(found.pair.machine.unjudged)


def _plain(found: Reach, viewer: Viewer) -> dict[str, object]:
    pair = found.pair
    return {
        "target": _task_plain(pair.target),
        "viewer": {**_task_plain(pair.viewer), "user": viewer.user, "policy": viewer.source},
        "ptrace_scope": None if pair.machine.level is None else pair.machine.level.value,
        "level": found.level.scope.value,
        "level_from": found.level.rule,
        "visible": answer_plain(found.visible),
        "readable": answer_plain(found.readable),
        "attachable": answer_plain(found.attachable),
        "unjudged": _unjudged(found),
    }


def _task_plain(task: Task) -> dict[str, object]:
    return {
        "pid": task.pid or None,
        "name": task.name,
        "uid": task.uid.real,
        "domain": domain_plain(task.domain),
    }


def _lines(found: Reach, viewer: Viewer) -> list[str]:
    lines = []
    for word, task in (("viewer", found.pair.viewer), ("target", found.pair.target)):
        who = printable(f"{task}, uid {task.uid.real}")
        told = f"{coloured(who, Colour.HEAD)}, {domain_text(task.domain)}"
        lines += wrapped(f"{word + ':':<12}{told}", INDENT)
        if word == "viewer" and viewer.source:
            lines += wrapped(f"{'':<12}by {printable(viewer.source)}", INDENT)
    lines += wrapped(f"{'level:':<12}{found.level.scope.value}: {found.level.source}", INDENT)
    for word in ("visible", "readable", "attachable"):
        lines += answer_lines(word, getattr(found, word))
    unjudged = _unjudged(found)
    if unjudged:
        lines += wrapped(f"{'not judged:':<12}{', '.join(unjudged)}", INDENT)
    return lines
