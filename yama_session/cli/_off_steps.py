"""The steps of switching off: each is left out where it has nothing to do."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from yama_session.doctor.machine import AT_UNIT, RUN_DIR, UNIT, systemctl
from yama_session.errors import YamaSessionError
from yama_session.pamd import MODULE, parse, undo_edits

_PAM_DIR = Path("/etc/pam.d")
_PROFILE = "yama-session"


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


def pam_steps() -> Iterator[Step]:
    """Yield what takes the module out of PAM's services, so that no login needs the service."""
    for edit in undo_edits():
        what = "remove" if edit.after is None else "take the module's line out of"
        yield Step(f"{what} {edit.file}", edit.apply)
    if any("/common-" in place for place in leftovers()):
        # --remove would have the next package that calls it put the lines back.
        yield _command(["pam-auth-update", "--disable", _PROFILE])


def unit_steps() -> Iterator[Step]:
    """Yield what stops the service for good; each is asked for after the one before."""
    for unit in (AT_UNIT, UNIT):
        if systemctl("is-active", unit) == "active" or systemctl("is-enabled", unit) == "enabled":
            yield _command(["systemctl", "disable", "--now", unit])
    if RUN_DIR.exists():
        yield _command(["rm", "-r", "--", str(RUN_DIR)])


def leftovers() -> list[str]:
    """Return where lines of the module stand below /etc/pam.d, as ``file:line``."""
    found = []
    for file in sorted(_PAM_DIR.iterdir()):
        text = file.read_text(errors="replace") if file.is_file() else ""
        if MODULE in text:
            found += [line.place for line in parse(file, text) if line.loads(MODULE)]
    return found


def _command(words: Sequence[str]) -> Step:
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
