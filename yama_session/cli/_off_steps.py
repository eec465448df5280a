"""The steps of switching off: each is left out where it has nothing to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from yama_session.cli._steps import Step, command
from yama_session.cli._who import programs
from yama_session.doctor.machine import AT_UNIT, GRANTS_UNIT, RUN_DIR, STATE_DIR, UNIT, systemctl
from yama_session.pamd import MODULE, Line, own_arguments, parse, undo_edits

_PAM_DIR = Path("/etc/pam.d")

_COPY = re.compile(r"\.(pam-old|bak|dpkg-\w+|ucf-\w+)$|~$")

#: Takes the profile's lines out, and has no other package put them back, as --remove would.
DISABLE_PROFILE = command(["pam-auth-update", "--disable", "yama-session"])


def pam_steps() -> Iterator[Step]:
    """Yield what takes the module out of PAM's services, so that no login needs the service."""
    for edit in undo_edits():
        what = "remove" if edit.after is None else "take the module's line out of"
        yield Step(f"{what} {edit.file}", edit.apply)
    if any("/common-" in place for place in leftovers()):
        yield DISABLE_PROFILE


def unit_steps() -> Iterator[Step]:
    """Yield what stops the service for good; each is asked for after the one before."""
    for unit in (AT_UNIT, UNIT):
        if systemctl("is-active", unit) == "active" or systemctl("is-enabled", unit) == "enabled":
            yield command(["systemctl", "disable", "--now", unit])
    grants = RUN_DIR / "grants"
    if grants.is_dir() and any(grants.iterdir()):
        yield command(["systemctl", "start", GRANTS_UNIT])
    for directory in (RUN_DIR, STATE_DIR):
        if directory.exists():
            yield command(["rm", "-r", "--", str(directory)])


def program_steps() -> Iterator[Step]:
    """Yield what takes the BPF programs out, if they confine nobody any more.

    Asked for when the service, which would load them again, has stopped.
    """
    found = programs()
    if found is not None and not found.members():
        yield Step("take the BPF programs out of the kernel", found.unload)


def leftovers() -> list[str]:
    """Return where lines of the module stand below /etc/pam.d, as ``file:line``."""
    return [line.place for line in _lines()]


def arguments_lost() -> list[str]:
    """Return what the module was told by hand, and will not be when it is switched on again."""
    return own_arguments(_lines())


def _lines() -> Iterator[Line]:
    """Yield the lines of the module below /etc/pam.d.

    Copies that editors and packages leave there are not looked at: nothing uses them.
    """
    for file in sorted(_PAM_DIR.iterdir()):
        if _COPY.search(file.name):
            continue
        text = file.read_text(errors="replace") if file.is_file() else ""
        if MODULE in text:
            yield from (line for line in parse(file, text) if line.loads(MODULE))
