"""List the sessions that the service knows: all of them for root, else one's own.

With --watch the list is drawn again whenever it changes; with --json as well,
one object a line is printed for each session that is new, changed or removed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from yama_session.cli._agent import terminal_agent
from yama_session.cli._exit import ExitCode
from yama_session.cli._table import table
from yama_session.errors import ServiceError
from yama_session.levels import Scope, View

HELP = "list the sessions"

_COLUMNS = ("ID", "USER", "SERVICE", "TTY", "RHOST", "LEADER", "ENFORCER", "SCOPE", "VIEW", "GROUP")

#: Moves the cursor home and clears the screen.
_CLEAR = "\x1b[H\x1b[2J"

Sessions = Sequence[Mapping[str, Any]]

#: What one look gives: while the service restarts, what is wrong with it.
Look = Sessions | ServiceError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``list``."""
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--watch", action="store_true", help="go on until interrupted")
    how.add_argument("--all", action="store_true", help="those of all users, if polkit agrees")
    parser.add_argument(
        "--interval",
        type=_interval,
        default=10.0,
        metavar="SECONDS",
        help="how often --watch looks even if the service says nothing (default: %(default)g)",
    )


def _interval(text: str) -> float:
    seconds = float(text)
    if not 0.05 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text} s: choose from 0.05 to 3600")
    return seconds


def run(args: argparse.Namespace) -> int:
    """Print the sessions."""
    from yama_session.service import client

    if args.watch:
        return _watch(args)
    if args.all:
        with terminal_agent():
            sessions = client.list_all_sessions()
    else:
        sessions = client.list_sessions()
    if args.json:
        print(json.dumps([_plain(session) for session in sessions], indent=2))
    else:
        print(sessions_table(sessions))
    return ExitCode.OK


def _plain(session: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``--json`` prints of a session.

    Levels are words, and a domain's id is a string: it has more digits than many
    readers of JSON keep.
    """
    return {
        **session,
        "scope": Scope(session["scope"]).word,
        "view": View(session["view"]).word,
        "domain": str(session["domain"]),
    }


def sessions_table(sessions: Sessions) -> str:
    """Return the sessions as a table with a head."""
    return table(_COLUMNS, [_row(session) for session in sessions])


def _row(session: Mapping[str, Any]) -> tuple[object, ...]:
    enforcer = str(session["enforcer"])
    if session["action"] == "stay":
        enforcer = f"(in {session['parent'] or 'another'})"
    return (
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


def _watch(args: argparse.Namespace) -> int:
    from yama_session.service.listener import looks

    report = EventLines() if args.json else Drawing()
    with contextlib.suppress(KeyboardInterrupt):
        for look in looks(args.interval):
            for text in report.update(look):
                print(text, flush=True)
    return ExitCode.OK


class Drawing:
    """The table, again and again on the same screen, or below the last where it is none."""

    def __init__(self) -> None:
        self._shown = ""

    def update(self, now: Look) -> Iterator[str]:
        """Yield what to print after a look: nothing, if it has shown the same."""
        text = str(now) if isinstance(now, ServiceError) else sessions_table(now)
        if text != self._shown:
            self._shown = text
            yield (_CLEAR if sys.stdout.isatty() else "") + text


class EventLines:
    """One JSON object for each session that is new, has changed or is gone."""

    def __init__(self) -> None:
        self._known: dict[str, Mapping[str, Any]] = {}
        self._reachable = True

    def update(self, now: Look) -> Iterator[str]:
        """Yield what to print after a look."""
        if isinstance(now, ServiceError):
            if self._reachable:
                yield json.dumps({"event": "unreachable", "reason": str(now)})
            self._reachable = False
            return
        self._reachable = True
        old, new = self._known, {str(session["id"]): session for session in now}
        for id_, session in new.items():
            if id_ not in old:
                yield json.dumps({"event": "new", "session": _plain(session)})
            elif session != old[id_]:
                yield json.dumps({"event": "changed", "session": _plain(session)})
        for id_ in old.keys() - new.keys():
            yield json.dumps({"event": "removed", "session": _plain(old[id_])})
        self._known = new
