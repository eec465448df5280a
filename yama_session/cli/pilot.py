"""List what each user would no longer see or reach if the policy were applied.

For a policy with mode = "log", all of it or one rule: sessions are open, and the
journal says for each what it would have got. This looks at the sessions that run
now: which processes of others would vanish for them, which of the user's own are
outside (units with User=, jobs of a batch system, daemons), and which debuggers
have attached to what they could not have attached to.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yama_session.cli._exit import ExitCode
from yama_session.cli._root import require_root
from yama_session.cli._table import printable, wrapped
from yama_session.doctor.pilot import Losses, Task, by_user, losses, tasks
from yama_session.errors import AccountError
from yama_session.policy import Login, Source, understand

HELP = "list what users would lose by a policy that is only logged"

#: How many own processes, or other users, a line names.
_NAMED = 8


@dataclass(frozen=True)
class _User:
    """What one user would lose, and by which rule."""

    uid: int
    name: str
    source: str
    would: str
    sessions: int
    losses: Losses


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``pilot``."""
    parser.add_argument("--json", action="store_true", help="print one JSON array")


def run(args: argparse.Namespace) -> int:
    """Print what each user would lose."""
    require_root("pilot looks at all sessions and processes")
    found = list(_users())
    if args.json:
        print(json.dumps([_plain(user) for user in found], indent=2))
    else:
        lines = [printable(line) for user in found for line in _lines(user)]
        print("\n".join(part for line in lines for part in wrapped(line, 4)) or _NOBODY)
    return ExitCode.OK


_NOBODY = "no session is only logged: no rule with mode = 'log' has had a login yet"


def _users() -> Iterator[_User]:
    from yama_session.service import client
    from yama_session.service.accounts import Directory

    sessions = client.list_sessions()
    policy = understand([Source(Path(file), text) for file, text in client.policy_sources()]).policy
    everything = list(tasks())
    directory = Directory()
    for uid, leaders in sorted(by_user(sessions).items()):
        mine = [session for session in sessions if session["uid"] == uid and session["would"]]
        try:
            decision = policy.account(directory.identify(policy, Login("", uid)))
        except AccountError:  # it has gone, or the name service is away: as it was recorded
            continue
        yield _User(
            uid,
            str(mine[-1]["user"]),
            decision.source,
            str(mine[-1]["would"]),
            len(mine),
            losses(everything, uid, leaders, decision.settings),
        )


def _lines(user: _User) -> Iterator[str]:
    found = user.losses
    yield f"{user.name} ({user.sessions} sessions): would be {user.would} ({user.source})"
    if found.others:
        count = sum(found.others.values())
        most = sorted(found.others.items(), key=lambda item: -item[1])[:_NAMED]
        whose = ", ".join(f"{number} of uid {uid}" for uid, number in most)
        yield f"  would not see {count} processes of others: {whose}"
    if found.own:
        yield f"  would not see its own {_named(found.own)}"
    for tracer, tracee in found.traced:
        yield f"  could not trace: {_one(tracer)} has attached to {_one(tracee)}"
    if not (found.others or found.own or found.traced):
        yield "  would lose nothing that is there now"


def _named(found: tuple[Task, ...]) -> str:
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return ", ".join(map(_one, found[:_NAMED])) + more


def _one(task: Task) -> str:
    return f"{task.name} ({task.pid}{f', {task.unit}' if task.unit else ''})"


def _plain(user: _User) -> dict[str, Any]:
    found = user.losses
    return {
        "uid": user.uid,
        "user": user.name,
        "source": user.source,
        "would": user.would,
        "sessions": user.sessions,
        "members": found.members,
        "others": [{"uid": uid, "processes": count} for uid, count in sorted(found.others.items())],
        "own": [{"pid": t.pid, "name": t.name, "unit": t.unit} for t in found.own],
        "traced": [{"tracer": tracer.pid, "tracee": tracee.pid} for tracer, tracee in found.traced],
    }
