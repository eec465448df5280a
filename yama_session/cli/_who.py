"""Who is confined now."""

from __future__ import annotations

import pwd
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from yama_session.doctor.machine import UNIT, systemctl
from yama_session.errors import ServiceError
from yama_session.reach.domains import Process, processes

if TYPE_CHECKING:
    from yama_session.enforcers.bpf.loader import Programs


@dataclass(frozen=True)
class Confined:
    """The processes of one user in one domain; 0 for one of Landlock, and its leader alone."""

    user: str
    domain: int
    pids: tuple[int, ...]
    names: tuple[str, ...]

    def __str__(self) -> str:
        shown = ", ".join(
            f"{pid} ({name})" for pid, name in zip(self.pids, self.names, strict=True)
        )
        return f"{self.user}, domain {self.domain}: {shown}"

    def plain(self) -> dict[str, object]:
        """Return it for JSON."""
        return {"user": self.user, "domain": str(self.domain), "pids": list(self.pids)}


def confined() -> Iterator[Confined]:
    """Yield who is in a domain, by domain and user, and who is confined by Landlock."""
    by_bpf = _by_bpf()
    found: dict[tuple[int, int], list[Process]] = defaultdict(list)
    for item in processes():
        domain = item.domain.id if item.domain else by_bpf.get(item.pid)
        if domain:
            found[domain, item.uid].append(item)
    for (domain, uid), items in found.items():
        yield Confined(
            _name(uid), domain, tuple(i.pid for i in items), tuple(i.name for i in items)
        )
    if systemctl("is-active", UNIT) == "active":
        yield from _by_landlock()


def programs() -> Programs | None:
    """Return the BPF programs that are loaded, ``None`` if none are; root may ask."""
    try:
        from yama_session.enforcers.bpf.loader import Programs
    except ImportError:  # without libbpf none could be
        return None
    return Programs.running()


def _by_bpf() -> dict[int, int]:
    """The domain of each process that BPF programs confine."""
    found = programs()
    if found is None:
        return {}
    with found:
        return {member.pid: member.domain.id for member in found.members()}


def _by_landlock() -> Iterator[Confined]:
    """Landlock's domains show nowhere: the service tells of its sessions."""
    from yama_session.service import client

    with suppress(ServiceError):
        for session in client.list_sessions():
            if session["enforcer"] == "landlock" and session["action"] == "open":
                yield Confined(session["user"], 0, (session["pid"],), ("leader",))


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
