"""List the sessions that the service knows: all of them for root, else one's own."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

from yama_session.cli._exit import ExitCode
from yama_session.levels import Scope, View

HELP = "list the sessions"

_COLUMNS = ("ID", "USER", "SERVICE", "TTY", "RHOST", "LEADER", "ENFORCER", "SCOPE", "VIEW", "GROUP")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``list``."""
    parser.add_argument("--json", action="store_true", help="print one JSON array")


def run(args: argparse.Namespace) -> int:
    """Print the sessions."""
    from yama_session.service import client

    sessions = client.list_sessions()
    print(json.dumps(sessions, indent=2) if args.json else table(sessions))
    return ExitCode.OK


def table(sessions: Sequence[Mapping[str, Any]]) -> str:
    """Return the sessions as a table with a head."""
    rows = [_COLUMNS, *(_row(session) for session in sessions)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _row(session: Mapping[str, Any]) -> tuple[str, ...]:
    enforcer = str(session["enforcer"])
    if session["action"] == "stay":
        enforcer = f"(in {session['parent'] or 'another'})"
    cells = (
        session["id"],
        session["user"],
        session["service"],
        session["tty"],
        session["rhost"],
        session["pid"],
        enforcer,
        Scope(session["scope"]).word,
        View(session["view"]).word,
        session["group"],
    )
    # The strings come from PAM: nothing in them may move the terminal's cursor.
    return tuple("".join(c if c.isprintable() else "?" for c in str(cell)) or "-" for cell in cells)
