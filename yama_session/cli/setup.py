"""Put the PAM module's line where an enforcer needs it.

--landlock writes the line after pam_limits into each service that has a session
stack, as Landlock takes away the sight of pid 1's limits. Services of the
vendor's directory get a copy in /etc/pam.d; those that only root can run are
left out. --undo takes out exactly what was written. Nothing is changed if one
file is not understood. (The enforcers yama and bpf need no such thing:
'pam-auth-update --enable yama-session'.)
"""

from __future__ import annotations

import argparse
import json

from yama_session.cli._exit import ExitCode
from yama_session.cli._root import require_root
from yama_session.pamd import Edit, landlock_edits, undo_edits

HELP = "put the PAM module's line where an enforcer needs it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``setup``."""
    parser.add_argument(
        "--landlock", action="store_true", required=True, help="for the enforcer landlock"
    )
    parser.add_argument("--undo", action="store_true", help="take out what was written")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Write the lines, or take them out."""
    require_root("it writes to /etc/pam.d")
    edits = undo_edits() if args.undo else landlock_edits()
    if not args.dry_run:
        for edit in edits:
            edit.apply()
    if args.json:
        done = [{"file": str(edit.file), "change": _change(edit)} for edit in edits]
        print(json.dumps({"dry_run": args.dry_run, "undo": args.undo, "files": done}, indent=2))
    else:
        for edit in edits:
            print(f"{edit.file}: {_change(edit)}")
        if not edits:
            print("nothing to do")
    return ExitCode.OK


def _change(edit: Edit) -> str:
    if edit.before is None:
        return "made"
    return "removed" if edit.after is None else "changed"
