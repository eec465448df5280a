"""Look at the policy: check files before they are loaded, show what is in force, ask who gets what.

check prints FILE:LINE: and a message for every mistake, and what may not be
meant as a warning. show compares what the session service has in force with
what the files say. test tells which rule wins for a login, and why, without
logging in.

With --json, check prints a list of objects: severity (error or warning), file,
line (or null), message. show prints an object: in_force (rules or null, and
why they are unknown), files (rules or null, and their errors), same (or null).
test prints an object: policy, login, rules (each with file, line, fits, wins,
why), source, preset, settings, confined, enforcer, in_part, problem; or, of a
policy with mistakes, only errors. Settings are objects of value and origin.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from yama_session.cli._exit import EXIT_CODES
from yama_session.policy import POLICY_DIR

HELP = "check the policy, show it, or ask what a login gets"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``policy``."""
    verbs = parser.add_subparsers(metavar="WHAT", dest="what", required=True)
    check = verbs.add_parser("check", help="find every mistake in policy files")
    check.add_argument(
        "path",
        nargs="?",
        type=Path,
        default=POLICY_DIR,
        metavar="FILE|DIR",
        help="a policy file, or a directory as %(default)s, the default",
    )
    check.add_argument(
        "--any-kernel",
        action="store_true",
        help="do not ask whether the running kernel can do what the policy says",
    )
    show = verbs.add_parser("show", help="show what is in force, and what the files would give")
    test = verbs.add_parser("test", help="tell which rule a login gets, and why")
    test.add_argument("user", metavar="USER", help="the account's name")
    test.add_argument("--service", default="", help="the PAM service, as 'sshd'")
    test.add_argument("--tty", default="", help="the terminal, as 'tty1' or 'pts/0'")
    test.add_argument("--seat", help="the seat (default: the terminal's)")
    test.add_argument("--rhost", default="", help="the remote host; none is a local login")
    for verb in (show, test):
        verb.add_argument(
            "--policy",
            type=Path,
            default=POLICY_DIR,
            metavar="DIR",
            help="the policy's directory (default: %(default)s)",
        )
    for verb in (check, show, test):
        verb.add_argument("--json", action="store_true", help="print JSON")
        verb.epilog = EXIT_CODES
        verb.formatter_class = argparse.RawDescriptionHelpFormatter


def run(args: argparse.Namespace) -> int:
    """Do what was asked and return the exit status."""
    if args.what == "check":
        from yama_session.cli._policy_check import check

        return check(args.path, any_kernel=args.any_kernel, as_json=args.json)
    if args.what == "show":
        from yama_session.cli._policy_show import show

        return show(args.policy, as_json=args.json)
    from yama_session.cli._policy_ask import ask

    return ask(args)
