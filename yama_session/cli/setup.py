"""Put the PAM module's line where an enforcer needs it, and restart old user managers.

--landlock writes the line after pam_limits into each service that has a session
stack, as Landlock takes away the sight of pid 1's limits. Services of the
vendor's directory get a copy in /etc/pam.d; those that only root can run are
left out. The profile of pam-auth-update, which stands before pam_limits, is disabled.
Nothing is changed if one file is not understood, or if the kernel has no
Landlock. --undo takes out exactly what was written; the profile stays disabled.
(The other enforcers need no such thing: 'pam-auth-update --enable yama-session'.)

--restart-managers restarts user managers (systemd --user) that have run since
before the policy confined their users: a new login could have them start programs
that are not confined. It asks for each, as that ends what the manager has started.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from yama_session.cli._exit import ExitCode
from yama_session.cli._off_steps import DISABLE_PROFILE
from yama_session.cli._root import require_root
from yama_session.cli._steps import Step
from yama_session.cli._table import printable
from yama_session.enforcers import by_name
from yama_session.errors import EnforcerError
from yama_session.pamd import (
    DIRECTORIES,
    SAVED,
    Edit,
    PamError,
    edited_by_hand,
    landlock_edits,
    undo_edits,
)

_PROFILE = Path("/usr/share/pam-configs/yama-session")

HELP = "put the PAM module's line where an enforcer needs it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``setup``."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--landlock", action="store_true", help="for the enforcer landlock")
    what.add_argument(
        "--restart-managers", action="store_true", help="restart user managers that are outside"
    )
    parser.add_argument("--yes", action="store_true", help="restart managers without asking")
    parser.add_argument("--undo", action="store_true", help="take out what was written")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Write the lines, or take them out."""
    require_root("it writes to /etc/pam.d, and restarts units")
    if args.restart_managers:
        return _restart_managers(args)
    if not args.undo and not args.dry_run:
        _require_landlock()
    commands = [] if args.undo or not _PROFILE.exists() else [DISABLE_PROFILE]
    if commands:
        _require_untouched()
    edits = undo_edits() if args.undo else landlock_edits(profile_goes=bool(commands))
    if not args.dry_run:
        for step in commands:
            step.act()
        for edit in edits:
            edit.apply()
    _print(args, commands, edits)
    return ExitCode.OK


def _restart_managers(args: argparse.Namespace) -> int:
    from yama_session.cli._managers import outside

    steps = []
    for found in outside():
        if not args.json:
            print(printable(found))
        if args.dry_run or args.yes or _agrees(found.user):
            steps.append(found.restart())
    if not args.dry_run:
        for step in steps:
            step.act()
    _print(args, steps, [])
    return ExitCode.OK


def _agrees(user: str) -> bool:
    """Ask whoever sits there; nobody there is a no."""
    print(f"restart it? all that it has started for {printable(user)} ends [y/N] ", end="")
    return sys.stdin.isatty() and sys.stdin.readline().strip().lower() in ("y", "yes")


def _require_landlock() -> None:
    """Refuse what would lock users out as soon as the service is down."""
    state = by_name("landlock").available()
    if not state:
        raise EnforcerError(
            f"landlock is {state}: with the module's line for it users could not log in while the"
            " service is down"
        )


def _require_untouched() -> None:
    """Refuse where pam-auth-update would decline, and leave the profile's line as well as ours."""
    for saved in ("session", "session-noninteractive"):
        file = DIRECTORIES[0] / f"common-{saved}"
        if edited_by_hand(file, SAVED.with_name(saved)):
            raise PamError(
                f"{file} was edited by hand, so pam-auth-update declines to change it: take the"
                " profile's line out yourself, if it is there, and remove"
                f" {_PROFILE}, or add --force to 'pam-auth-update --disable yama-session'"
            )


def _print(args: argparse.Namespace, commands: Sequence[Step], edits: Sequence[Edit]) -> None:
    if args.json:
        plain = {
            "dry_run": args.dry_run,
            "undo": args.undo,
            "commands": [step.text for step in commands],
            "files": [{"file": str(edit.file), "change": _change(edit)} for edit in edits],
        }
        print(json.dumps(plain, indent=2))
        return
    for step in commands:
        print(step.text)
    for edit in edits:
        print(f"{edit.file}: {_change(edit)}")
    if not edits and not args.restart_managers:
        print("no file needs a change")
    if args.restart_managers and not commands:
        print("no user manager is restarted")


def _change(edit: Edit) -> str:
    if edit.before is None:
        return "made"
    return "removed" if edit.after is None else "changed"
