"""What a shell offers at the Tab key, by argcomplete: verbs, options, and what is there now."""

from __future__ import annotations

import argparse
import contextlib
import pwd
from collections.abc import Callable, Iterable
from typing import Any

from yama_session.errors import YamaSessionError
from yama_session.reach.domains import processes


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell that asks, and exit; do nothing if none asks.

    Args:
        parser: the parser of the whole command line.
    """
    import argcomplete  # of no use otherwise, and not everywhere

    _name_values(parser)
    argcomplete.autocomplete(parser, default_completer=argcomplete.FilesCompleter())


def _name_values(parser: argparse.ArgumentParser) -> None:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                _name_values(verb)
        elif (metavar := str(action.metavar or action.dest.upper())) in _VALUES:
            action.completer = _VALUES[metavar]  # type: ignore[attr-defined]


def _pids(**_: Any) -> Iterable[str]:
    """Return the processes that whoever asks may see."""
    return [str(item.pid) for item in processes()]


def _users(**_: Any) -> Iterable[str]:
    return [account.pw_name for account in pwd.getpwall()]


def _pids_and_users(**_: Any) -> Iterable[str]:
    return [*_pids(), *_users()]


def _grants(**_: Any) -> Iterable[str]:
    from yama_session.service import client

    with contextlib.suppress(YamaSessionError):
        return [str(grant["id"]) for grant in client.list_grants()]
    return []


def _nothing(**_: Any) -> Iterable[str]:
    return []


_VALUES: dict[str, Callable[..., Iterable[str]]] = {
    "PID": _pids,
    "PID|USER": _pids_and_users,
    "USER": _users,
    "ID": _grants,
    "TIME": _nothing,
    "SECONDS": _nothing,
}
