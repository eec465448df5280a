"""The PAM module in the guest's stack: its arguments, and what it says in the journal."""

import contextlib
import json
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from logins import wait_for

COMMON = (Path("/etc/pam.d/common-session"), Path("/etc/pam.d/common-session-noninteractive"))
_LINE = re.compile(r"^session\s.*pam_yama_session\.so.*\n", re.MULTILINE)
_PREFIX = re.compile(r"^pam_yama_session\(\w+:session\): ")


@contextlib.contextmanager
def edited(path: Path, text: str) -> Iterator[None]:
    """Let a file have another text, and afterwards its own."""
    before = path.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(before, encoding="utf-8")


@contextlib.contextmanager
def module_arguments(arguments: str) -> Iterator[None]:
    """Give the module other arguments in every service."""
    with contextlib.ExitStack() as stack:
        line = f"session required pam_yama_session.so {arguments}\n"
        for path in COMMON:
            text, count = _LINE.subn(line, path.read_text(encoding="utf-8"))
            assert count == 1, f"{path} has {count} lines of the module"
            stack.enter_context(edited(path, text))
        yield


# Debian 13's sshd has a program of its own for what it says of a session.
SSHD = ("-t", "sshd", "-t", "sshd-session")


@dataclass(frozen=True)
class Opening:
    """What the module said while it opened one session (`debug` is among its arguments)."""

    seconds: float  # from its first word to its last
    text: str


def entries(since: float) -> list[tuple[str, float, str]]:
    """Return pid, time and text of what the module said in sshd since a moment."""
    done = subprocess.run(
        ["journalctl", "-q", "-o", "json", *SSHD, f"--since=@{since:.6f}"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = []
    for line in done.stdout.splitlines():
        entry = json.loads(line)
        text = str(entry["MESSAGE"])
        if _PREFIX.match(text):
            stamp = int(entry["_SOURCE_REALTIME_TIMESTAMP"]) / 1e6
            found.append((str(entry["_PID"]), stamp, _PREFIX.sub("", text)))
    return found


def last_opening(since: float, end: str, *, user: str = "alice") -> Opening:
    """Return the newest opening by sshd for a user since a moment.

    Args:
        since: seconds since 1970.
        end: what the module says last, as a regular expression.
        user: who logged in.
    """

    def said() -> list[tuple[str, float, str]]:
        found = entries(since)
        starts = [pid for pid, _, text in found if text.startswith(f"open: user={user} ")]
        return [
            entry
            for entry in found
            if starts and entry[0] == starts[-1] and not entry[2].startswith("close: ")
        ]

    wait_for(
        lambda: any(re.search(end, text) for _, _, text in said()),
        f"the module says {end!r}; it said {entries(since)}",
    )
    found = said()
    return Opening(found[-1][1] - found[0][1], "\n".join(text for _, _, text in found))


def now() -> float:
    """Return this moment, for `since`."""
    return time.time()
