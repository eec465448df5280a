"""Where a login comes from: the session that its process is in already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from yama_session.enforcers import domains
from yama_session.errors import YamaSessionError
from yama_session.service import leader
from yama_session.service.records import Session


@dataclass(frozen=True)
class Present:
    """The confinement that a process is in.

    Args:
        owner: the uid of the user whose session it is.
        session: that session's id, empty if it is not known (a fallback's).
    """

    owner: int
    session: str


def domain_id(pid: int) -> int:
    """Return the id of a process's domain, 0 if it is in none."""
    enforcer = domains()
    if enforcer is None:
        return 0
    try:
        info = enforcer.domain_of(pid)
    except YamaSessionError:
        return 0
    return info.id if info else 0


def find(pid: int, sessions: Iterable[Session], owners: Mapping[int, int]) -> Present | None:
    """Return the session that a process is in, ``None`` if it is unconfined.

    Args:
        pid: the process.
        sessions: all that live.
        owners: whose domain each domain id is, of the domains per user.
    """
    confined = {session.pid: session for session in sessions if session.enforcer}
    present = domain_id(pid)
    if present:
        for session in confined.values():
            if session.domain == present:
                return Present(session.uid, session.id)
        if present in owners:
            return Present(owners[present], "")
    else:
        confined = {number: found for number, found in confined.items() if not found.domain}
        if not confined:
            return None
    # No domain tells (Landlock), or a nested one whose id nobody knows.
    for ancestor in leader.lineage(pid):
        if ancestor in confined:
            return Present(confined[ancestor].uid, confined[ancestor].id)
    return Present(leader.real_uid(pid), "") if present else None
