"""Switch off: new logins are not confined any more.

Takes the module's lines out of PAM's services first (those of pam-auth-update
and of 'setup --landlock'), then stops and disables the units, then removes what
the service keeps in /run and /var/lib, then takes the BPF programs out of the kernel if they
confine nobody. Sessions that are confined stay so until they end: they are
listed. Policy and programs stay installed. Doing it again does nothing.

To switch on again:
  pam-auth-update --enable yama-session    (or: yama-session setup --landlock)
  systemctl enable --now yama-session
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from yama_session.cli._exit import ExitCode
from yama_session.cli._off_steps import (
    arguments_lost,
    leftovers,
    pam_steps,
    program_steps,
    unit_steps,
)
from yama_session.cli._root import require_root
from yama_session.cli._steps import Step
from yama_session.cli._table import printable
from yama_session.cli._who import Confined, confined
from yama_session.enforcers import by_name
from yama_session.errors import YamaSessionError
from yama_session.scope import by_programs

HELP = "switch off: stop confining new logins, and list who still is"


class StillOn(YamaSessionError):
    """A step did not have its effect, and the rest was not done."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``off``."""
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Switch off."""
    require_root("it changes PAM's services and systemd's units")
    still, lost = list(confined()), arguments_lost()
    done = list(_take(pam_steps(), args))
    left = [] if args.dry_run else leftovers()
    if left:
        raise StillOn(
            f"{', '.join(left)}: a line of the module is still there: {_why(left)}; then run this "
            "again (the service still runs)"
        )
    done += _take(unit_steps(), args)
    done += _take(program_steps(), args)
    _print(args, done, still, lost)
    return ExitCode.OK


def _why(places: list[str]) -> str:
    """Say why lines are left, and what to do."""
    files = [Path(place.rpartition(":")[0]) for place in places]
    common = [file for file in files if file.name.startswith("common-")]
    if common:
        return (
            "pam-auth-update declines to change files that were edited by hand; remove the line, "
            "or 'pam-auth-update --force --disable yama-session', which throws away what was edited"
        )
    return "it was added by hand; remove it"


def _take(steps: Iterable[Step], args: argparse.Namespace) -> Iterator[Step]:
    for step in steps:
        if not args.json:
            print(f"{'would' if args.dry_run else 'doing'}: {printable(step.text)}", flush=True)
        if not args.dry_run:
            step.act()
        yield step


def _print(
    args: argparse.Namespace, done: list[Step], still: list[Confined], lost: list[str]
) -> None:
    if args.json:
        plain = {
            "dry_run": args.dry_run,
            "steps": [step.text for step in done],
            "arguments_lost": lost,
            "still_confined": [item.plain() for item in still],
        }
        print(json.dumps(plain, indent=2))
    else:
        print("\n".join(_lines(done, still, lost)))


def _lines(done: list[Step], still: list[Confined], lost: list[str]) -> Iterator[str]:
    if not done:
        yield "already off: nothing to do"
    for words in lost:
        yield (
            f"the module's line said {printable(words)!r}: 'pam-auth-update --enable' writes the "
            "profile's own arguments, so change the line again afterwards"
        )
    if still:
        yield "still confined, until these processes exit:"
        yield from (f"  {printable(item)}" for item in still)
        if by_programs():
            yield "the BPF programs stay in the kernel till then: run this again afterwards"
    elif by_name("landlock").available():
        yield "nobody is confined, as far as it shows: by Landlock only a running service tells"
    else:
        yield "nobody is confined"
