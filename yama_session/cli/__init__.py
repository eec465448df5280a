"""The command ``yama-session``.

Each verb is a module of this package whose name has no leading underscore
(one inside is a dash of the verb), with ``HELP`` (one line),
``add_arguments(parser)`` and ``run(args) -> int``; adding the module adds the
verb. Verbs import the service lazily, so that ``run`` starts fast and works
where no bus is.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, Protocol, cast

from yama_session import YamaSessionError, __version__
from yama_session.cli._exit import EXIT_CODES, ExitCode

PROG = "yama-session"


class Verb(Protocol):
    """What a module of this package offers."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options of the verb."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it and return the exit status."""


class _Parser(argparse.ArgumentParser):
    """An argument parser that says what is wrong without printing the whole usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(ExitCode.USAGE, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        """Take the value of ``--option=--`` for one; argparse makes an empty list of it."""
        if action.option_strings and action.nargs is None and arg_strings == ["--"]:
            return self._get_value(action, "--")
        return super()._get_values(action, arg_strings)


def verbs() -> Iterator[tuple[str, Verb]]:
    """Yield the name and the module of every verb, sorted."""
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda item: item.name):
        if not module.name.startswith("_"):
            name = module.name.replace("_", "-")
            yield name, cast(Verb, importlib.import_module(f"{__name__}.{module.name}"))


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = _Parser(
        prog=PROG,
        description="Sessions that see and trace only their own processes.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers = parser.add_subparsers(metavar="VERB", required=True)
    for name, verb in verbs():
        sub = subparsers.add_parser(
            name,
            help=verb.HELP,
            description=verb.__doc__,
            epilog=EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.add_arguments(sub)
        sub.set_defaults(run=verb.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (default: the process's own) and return the exit status."""
    parser = make_parser()
    if "_ARGCOMPLETE" in os.environ:
        from yama_session.cli._complete import complete

        complete(parser)
    args = parser.parse_args(argv)
    try:
        return int(args.run(args))
    except YamaSessionError as error:
        print(f"{PROG}: {error}", file=sys.stderr)
        return ExitCode.REFUSED
    except BrokenPipeError:  # whoever read the output has had enough, as head(1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.REFUSED
