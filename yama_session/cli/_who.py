"""Who is confined now."""

from __future__ import annotations

import pwd
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from yama_session.doctor.machine import UNIT, systemctl
from yama_session.errors import ServiceError
from yama_session.reach.domains import Process, processes


@dataclass(frozen=True)
class Confined:
    """The processes of one user in one domain; 0: it shows nowhere, and this is the leader."""

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
        return {"user": self.user, "domain": self.domain, "pids": list(self.pids)}


def confined() -> Iterator[Confined]:
    """Yield who is in a domain, by domain and user, and the leaders of all other sessions."""
    found: dict[tuple[int, int], list[Process]] = defaultdict(list)
    for item in processes():
        if item.domain:
            found[item.domain.id, item.uid].append(item)
    for (domain, uid), items in found.items():
        yield Confined(
            _name(uid), domain, tuple(i.pid for i in items), tuple(i.name for i in items)
        )
    if systemctl("is-active", UNIT) == "active":
        yield from _told()


def _told() -> Iterator[Confined]:
    """Domains by BPF and Landlock show nowhere: the service tells of its sessions."""
    from yama_session.service import client

    with suppress(ServiceError):
        for session in client.list_sessions():
            if session["enforcer"] not in ("", "yama") and session["action"] == "open":
                yield Confined(session["user"], 0, (session["pid"],), ("leader",))


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
