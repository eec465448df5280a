"""Which seat a login sits at: what logind knows, or else what the terminal's name says."""

from __future__ import annotations

import re
from pathlib import Path

from yama_session.service import leader

#: The seat of the machine's own consoles.
SEAT0 = "seat0"

#: logind's own records, whose form has not changed since there is logind.
SESSIONS = Path("/run/systemd/sessions")

_SCOPE = re.compile(r"/session-(\w+)\.scope(?:/|$)", re.MULTILINE)
_CONSOLE = re.compile(r"(?:/dev/)?tty[0-9]+")


def seat(pid: int, tty: str) -> str:
    """Return the seat of a login, empty if it has none.

    Args:
        pid: its process. If it is in a session of logind, that one's seat
            counts, so that ``su`` at a seat is at that seat.
        tty: the terminal as PAM names it, for where logind knows nothing.
    """
    try:
        session = logind_session(leader.read(f"/proc/{pid}/cgroup"))
        return seat_of_session(session) if session else seat_of_terminal(tty)
    except OSError:
        return seat_of_terminal(tty)


def logind_session(cgroup: str) -> str:
    """Return the id of logind's session in the text of ``/proc/PID/cgroup``, empty for none."""
    scope = _SCOPE.search(cgroup)
    return scope[1] if scope else ""


def seat_of_session(session: str, directory: Path = SESSIONS) -> str:
    """Return the seat of a session of logind, empty if it has none.

    Raises:
        OSError: logind does not know it.
    """
    lines = (directory / session).read_text().splitlines()
    return next((line.removeprefix("SEAT=") for line in lines if line.startswith("SEAT=")), "")


def seat_of_terminal(tty: str) -> str:
    """Return the seat that a terminal of this name belongs to, empty if to none."""
    return SEAT0 if _CONSOLE.fullmatch(tty) else ""
