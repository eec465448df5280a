"""Becoming another command, as ``run`` and ``debug`` do."""

from __future__ import annotations

import os
import sys

from yama_session.cli._exit import ExitCode


def become(command: list[str]) -> int:
    """Execute a command in the place of this process; return an exit status if that fails."""
    try:
        os.execvp(command[0], command)
    except FileNotFoundError as error:
        say(f"{command[0]}: {error.strerror}")
        return ExitCode.NOT_FOUND
    except OSError as error:
        say(f"{command[0]}: {error.strerror}")
        return ExitCode.NOT_EXECUTABLE


def say(text: str) -> None:
    """Tell the person something that is no output of the command."""
    print(f"yama-session: {text}", file=sys.stderr, flush=True)
