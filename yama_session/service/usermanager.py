"""Whether a user's service manager lies outside the user's sessions.

It starts at the first login and outlives the switch to a policy: a login that is
confined could then have it start programs that are not (``systemd-run --user``).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from yama_session.service import present
from yama_session.service.records import Session

#: The PAM service by which the managers open sessions.
SERVICE = "systemd-user"

#: Where systemd's hierarchy of control groups may be mounted.
_HIERARCHIES = ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd")


def outside(uid: int, sessions: Iterable[Session]) -> int:
    """Return the pid of a user's manager if it is confined by nothing; else 0.

    Args:
        uid: the user.
        sessions: all that live.
    """
    if any(s.uid == uid and s.service == SERVICE and s.enforcer for s in sessions):
        return 0
    pid = manager(uid)
    return pid if pid and not present.domain_id(pid) else 0


def uids(hierarchies: Iterable[str] = _HIERARCHIES) -> list[int]:
    """Return whose managers run."""
    found = set()
    for hierarchy in hierarchies:
        for unit in Path(hierarchy, "user.slice").glob("user-*.slice/user@*.service"):
            uid = unit.name.removeprefix("user@").removesuffix(".service")
            if uid.isdecimal():
                found.add(int(uid))
    return sorted(uid for uid in found if manager(uid, hierarchies))


def manager(uid: int, hierarchies: Iterable[str] = _HIERARCHIES) -> int:
    """Return the pid of a user's manager, 0 if there is none."""
    slices = f"user.slice/user-{uid}.slice/user@{uid}.service"
    for hierarchy in hierarchies:
        for scope in ("init.scope", ""):
            try:
                text = Path(hierarchy, slices, scope, "cgroup.procs").read_text()
            except OSError:
                continue
            pids = sorted(int(pid) for pid in text.split() if pid != "0")
            if pids:
                return pids[0]
    return 0
