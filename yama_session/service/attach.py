"""Who may have a process traced by another one, and until when.

A grant lifts the scope of the tracer, and its view of the one process; all
other tests of ptrace stay. What is judged here is only what the grant takes
away: whether the caller may decide about it alone, or needs an administrator.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from yama_session.errors import DomainError, YamaSessionError
from yama_session.levels import Scope
from yama_session.native import OwnedFd
from yama_session.scope import Domain, DomainInfo, describe, supported
from yama_session.service import actions, leader
from yama_session.service.caller import Caller
from yama_session.service.domains import level, sees
from yama_session.service.grants import Grants
from yama_session.service.manager import Manager
from yama_session.service.records import Grant
from yama_session.service.refusal import (
    AccessDenied,
    EnforcerUnavailable,
    InvalidArgument,
    NoSuchGrant,
    NoSuchProcess,
)
from yama_session.service.sight import sight

_log = logging.getLogger(__name__)

#: Seconds.
MAX_TIME = 24 * 60 * 60


@dataclass(frozen=True)
class Process:
    """A process as it is now.

    Args:
        pid: its number.
        start: when it started, in clock ticks since boot.
        name: its name, without what may move a terminal's cursor.
        uids: real, effective, saved and of the file system.
        domain: its domain.
    """

    pid: int
    start: int
    name: str
    uids: tuple[int, ...]
    domain: DomainInfo | None

    def __str__(self) -> str:
        return f"{self.name} ({self.pid})"


def look(pidfd: OwnedFd, what: str) -> Process:
    """Return what the process behind a pidfd is.

    Args:
        pidfd: the descriptor.
        what: what the process is to the caller, for the message.

    Raises:
        InvalidArgument: the descriptor is no pidfd.
        NoSuchProcess: it has exited, or is a thread.
    """
    pid = leader.pid_of(pidfd.fileno(), what)
    try:
        status = leader.status(pid)
        found = Process(
            pid,
            leader.start_time(pid),
            "".join(c if c.isprintable() else "?" for c in status["Name"]),
            tuple(map(int, status["Uid"].split())),
            describe(pid),
        )
    except (OSError, DomainError):
        raise NoSuchProcess(f"the {what} has exited") from None
    if status["Tgid"] != str(pid):
        raise NoSuchProcess(f"the {what} {pid} is a thread")
    # Until here the number was its own only if it still lives.
    if not leader.alive(pidfd.fileno()):
        raise NoSuchProcess(f"the {what} has exited")
    return found


class Attach:
    """Answers ``AllowAttach`` and what belongs to it.

    Args:
        manager: knows from where a caller looks.
        grants: keeps what is granted.
    """

    def __init__(self, manager: Manager, grants: Grants) -> None:
        self._manager = manager
        self._grants = grants

    def visible(self, caller: Caller) -> list[dict[str, object]]:
        """Return the grants that a caller may know of."""
        here = sight(caller, self._manager)
        return [] if here is None else [asdict(g) for g in self._grants if here.shows_grant(g)]

    async def revoke(self, caller: Caller, grant_id: str) -> None:
        """Withdraw a grant that the caller may know of.

        Raises:
            NoSuchGrant: there is none such.
            ProcessBusy: it will be withdrawn.
        """
        if grant_id not in (grant["id"] for grant in self.visible(caller)):
            raise NoSuchGrant(f"there is no grant {grant_id!r}")
        await self._grants.revoke(grant_id, f"uid {caller.uid} has revoked it")

    async def allow(self, caller: Caller, fds: Sequence[OwnedFd], seconds: int) -> str:
        """Let the second process trace the first for a time.

        Args:
            caller: who asks.
            fds: pidfds of the tracee and of the tracer.
            seconds: for how long.

        Returns:
            The id of the grant.

        Raises:
            Refusal: one of its kinds says what is wrong; nothing has changed.
            OSError: it cannot be written down.
        """
        if not 0 < seconds <= MAX_TIME:
            raise InvalidArgument(f"seconds = {seconds}: choose from 1 to {MAX_TIME}")
        if not supported():
            raise EnforcerUnavailable(
                "it needs the enforcer yama, which this kernel does not have: use 'sudo gdb -p'"
            )
        tracee, tracer = look(fds[0], "tracee"), look(fds[1], "tracer")
        if tracee.pid == tracer.pid:
            raise InvalidArgument(f"{tracee} cannot trace itself")
        if level(tracer.domain) is Scope.NO_ATTACH:
            raise AccessDenied(f"{tracer} is at scope 3 (no-attach), which no grant lifts")
        own = self._is_own(caller, tracee, tracer, fds[1])
        action = actions.ALLOW_OWN if own else actions.ALLOW_ANY
        await caller.require(action, tracee=str(tracee), tracer=str(tracer), seconds=str(seconds))
        # What was shown to a person, and judged, must still be so.
        if (tracee, tracer) != (look(fds[0], "tracee"), look(fds[1], "tracer")):
            raise AccessDenied(f"{tracee} or {tracer} has changed meanwhile")
        if own and not self._is_own(caller, tracee, tracer, fds[1]):
            raise AccessDenied("the caller has changed meanwhile")
        now = time.time()
        grant = Grant(
            id=os.urandom(4).hex(),
            by=caller.uid,
            owner=tracee.uids[0],
            tracee=tracee.pid,
            tracee_start=tracee.start,
            tracee_name=tracee.name,
            tracer=tracer.pid,
            tracer_start=tracer.start,
            tracer_name=tracer.name,
            domain=tracer.domain.id if tracer.domain else 0,
            since=now,
            until=now + seconds,
        )
        await self._grants.add(grant, *fds)
        _log.info(
            "attach %s: uid %d (pid %d) lets %s trace %s of uid %d for %d s, as %s",
            grant.id,
            caller.uid,
            caller.pid,
            tracer,
            tracee,
            grant.owner,
            seconds,
            action if caller.uid else "root",
        )
        return grant.id

    def _is_own(self, caller: Caller, tracee: Process, tracer: Process, tracer_fd: OwnedFd) -> bool:
        """Tell whether all this is the caller's, and inside their own session.

        Then the grant opens nothing but what the level of the tracer closes: a
        level at which a process may name its tracer by itself.
        """
        if {*tracee.uids, *tracer.uids} != {caller.uid}:
            return False
        if level(tracer.domain) > Scope.RELATIONAL:
            return False
        here = sight(caller, self._manager)
        domain = tracer.domain.id if tracer.domain else 0
        if here is None or here.domain != domain:
            return False
        if tracer.domain is None:
            return True
        try:
            with Domain.open(tracer_fd.fileno()) as inside:
                return sees(inside, tracee.pid)
        except YamaSessionError:  # it has exited, or left
            return False
