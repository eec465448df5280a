"""Files of user space that name processes: utmp, logind's, pid files, journal, core dumps."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path

from yama_session.audit.channel import (
    Channel,
    Family,
    Finding,
    is_closed,
    is_open,
    is_unknown,
)
from yama_session.audit.judge import told_outside
from yama_session.audit.scene import Scene

_UTMP = Path("/run/utmp")
_WTMP = Path("/var/log/wtmp")
#: Of a record of utmp(5), up to the pid, on every architecture.
_UTMP_HEAD = struct.Struct("h2xi")
_LOGIN_TYPES = (5, 6, 7)  # INIT_PROCESS, LOGIN_PROCESS, USER_PROCESS

_SESSIONS = Path("/run/systemd/sessions")
_JOURNALS = (Path("/run/log/journal"), Path("/var/log/journal"))
_COREDUMPS = Path("/var/lib/systemd/coredump")


def channels() -> Iterator[Channel]:
    """Yield the channels of this family."""
    family = Family.RECORDS
    by_mode = "taking the file from others: chmod o-r; who(1) and w(1) are then empty"
    yield Channel("records.utmp", family, f"{_UTMP}: who is logged in", _Utmp(_UTMP), by_mode)
    yield Channel("records.wtmp", family, f"{_WTMP}: who was", _Utmp(_WTMP), by_mode)
    yield Channel(
        "records.logind",
        family,
        f"{_SESSIONS}: LEADER of each session",
        _logind_files,
        "",
        "sd-login(3) reads it for every program",
    )
    yield Channel(
        "records.pid-files",
        family,
        "pid files below /run",
        _pid_files,
        "the service's own umask, or RuntimeDirectoryMode=",
    )
    yield Channel(
        "records.journal",
        family,
        "the system's journal",
        _journal,
        "not being in the groups adm and systemd-journal",
    )
    yield Channel(
        "records.coredumps",
        family,
        f"{_COREDUMPS}: names of core dumps",
        _coredumps,
        "chmod o-rx of the directory; Storage=journal in coredump.conf(5)",
    )


class _Utmp:
    """Reads the logins in a file in the form of utmp(5)."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __call__(self, scene: Scene) -> Finding:
        refused = _refused(self._file)
        if refused:
            return refused
        return told_outside(scene, _logins(self._file), str(self._file))


def _refused(path: Path) -> Finding | None:
    """Return that a file cannot be read, or is not there."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except FileNotFoundError:
        return is_closed("there is none")
    except PermissionError as error:
        return is_closed(f"{errno.errorcode[error.errno or 0]} for reading")
    return None


def _logins(file: Path) -> Iterator[int]:
    libc = ctypes.CDLL(None)
    libc.utmpxname(os.fsencode(file))
    libc.getutxent.restype = ctypes.c_void_p
    libc.setutxent()
    while address := libc.getutxent():
        kind, number = _UTMP_HEAD.unpack(ctypes.string_at(address, _UTMP_HEAD.size))
        if kind in _LOGIN_TYPES:
            yield number
    libc.endutxent()


def _logind_files(scene: Scene) -> Finding:
    refused = _refused(_SESSIONS)
    if refused:
        return refused
    text = "".join(_text(file) for file in _SESSIONS.iterdir())
    leaders = map(int, re.findall(r"^LEADER=(\d+)$", text, re.MULTILINE))
    return told_outside(scene, leaders, "a session's file")


def _pid_files(scene: Scene) -> Finding:
    files = [*Path("/run").glob("*.pid"), *Path("/run").glob("*/*.pid")]
    texts = [_text(file).strip() for file in files]
    numbers = {int(text) for text in texts if text.isdecimal()}
    if not numbers:
        return is_closed(f"{len(files)} files, none of which can be read" if files else "none")
    return told_outside(scene, numbers, "a pid file")


def _text(file: Path) -> str:
    try:
        with file.open(errors="replace") as opened:
            return opened.read(4096)
    except OSError:
        return ""


def _journal(scene: Scene) -> Finding:
    """Try the files: whoever may read them has a pid, a command line and a unit of every line."""
    files = [file for place in _JOURNALS for file in _below(place) if file.name[:4] != "user"]
    readable = [file for file in files if not _refused(file)]
    if readable:
        return is_open(f"{readable[0]} can be read: every line has its _PID")
    places = [place for place in _JOURNALS if place.exists()]
    if not places:
        return is_closed("there is none")
    return is_closed(f"none of the system's files below {', '.join(map(str, places))} can be read")


def _below(place: Path) -> Iterator[Path]:
    for directory, _, names in os.walk(place):
        for name in names:
            if name.endswith((".journal", ".journal~")):
                yield Path(directory, name)


def _coredumps(scene: Scene) -> Finding:
    """List them: the name of each has the program, the user and the number of the process."""
    refused = _refused(_COREDUMPS)
    if refused:
        return refused
    names = [file.name for file in _COREDUMPS.iterdir()]
    if names:
        return is_open(f"names {names[0]}")
    return is_unknown("may be listed, and holds none at present")
