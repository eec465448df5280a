"""What a verb does to the machine, step by step, so that it can say so before it does it."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from yama_session.errors import YamaSessionError


class StepFailed(YamaSessionError):
    """A command that a step needs has failed."""


@dataclass(frozen=True)
class Step:
    """One thing to do.

    Args:
        text: what, for a person.
        act: does it.
    """

    text: str
    act: Callable[[], None]


def command(words: Sequence[str]) -> Step:
    """Return the step that runs a command; it fails if the command does."""

    def act() -> None:
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
            )
        except OSError as error:
            raise StepFailed(f"{words[0]} cannot be run: {error.strerror}") from None
        if done.returncode:
            said = " ".join(done.stdout.split())
            raise StepFailed(f"'{shlex.join(words)}' ended with {done.returncode}: {said}")

    return Step(shlex.join(words), act)
