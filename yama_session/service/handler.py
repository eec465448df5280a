"""What each method of the interface does; the bus's types end before here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from yama_session._version import __version__
from yama_session.enforcers import ENFORCERS, best
from yama_session.errors import EnforcerError, SystemCallError
from yama_session.native import OwnedFd
from yama_session.policy import Login
from yama_session.procfs import HidePid, Procfs
from yama_session.scope import supported
from yama_session.service import leader, present
from yama_session.service.bus import Reply
from yama_session.service.caller import Caller, check_leader
from yama_session.service.limits import Bucket
from yama_session.service.manager import Manager, Opened
from yama_session.service.records import Session
from yama_session.service.refusal import EnforcerUnavailable, InvalidArgument
from yama_session.service.seat import seat
from yama_session.service.state import PolicyState

#: No string of a request is longer.
_MAX_TEXT = 1024

#: (uid_t)-1 means "no change" to the kernel: nobody has it.
_NO_UID = 0xFFFFFFFF


class Handler:
    """Checks the arguments and asks the manager.

    Args:
        manager: the sessions.
        policy: for ``Reload`` and ``Status``.
    """

    def __init__(self, manager: Manager, policy: PolicyState) -> None:
        self._manager = manager
        self._policy = policy
        self._procfs = Bucket()

    async def call(
        self, method: str, caller: Caller, args: Sequence[Any], fds: Sequence[OwnedFd]
    ) -> Reply:
        """Answer one call; see :class:`yama_session.service.bus.Handler`."""
        match method:
            case "OpenSession":
                return await self._open_session(caller, args, fds)
            case "CloseSession":
                caller.require_root()
                self._manager.close(args[0])
                return Reply()
            case "ListSessions":
                return Reply([[_facts(session) for session in self._visible(caller)]])
            case "Status":
                return Reply([self._status(caller)])
            case "Reload":
                caller.require_root()
                await self._policy.reload()
                return Reply()
            case "GetPolicy":
                caller.require_root()
                sources = self._policy.sources
                return Reply([[[str(source.file), source.text] for source in sources]])
            case _:
                return self._detached_procfs(caller)

    async def _open_session(
        self, caller: Caller, args: Sequence[Any], fds: Sequence[OwnedFd]
    ) -> Reply:
        index, uid, user, service, tty, rhost, flags = args
        caller.require_root()
        if index >= len(fds):
            raise InvalidArgument(f"leader is descriptor {index}, but {len(fds)} came")
        if uid == _NO_UID:
            raise InvalidArgument(f"uid = {uid} is nobody's")
        if not user:
            raise InvalidArgument("user is empty")
        for name, text in (("user", user), ("service", service), ("tty", tty), ("rhost", rhost)):
            if len(text) > _MAX_TEXT:
                raise InvalidArgument(f"{name} is longer than {_MAX_TEXT} characters")
        if flags:
            raise InvalidArgument(f"flags = {flags:#x}: none is defined, send 0")
        pidfd = fds[index]
        pid = await check_leader(caller, pidfd.fileno())
        login = Login(user, uid, (), service, tty, rhost, seat(pid, tty))
        return _opened(await self._manager.open(login, pid, pidfd))

    def _visible(self, caller: Caller) -> list[Session]:
        """The sessions that a caller may know of: root all, others their own that they can see."""
        if caller.uid == 0:
            return list(self._manager.sessions)
        own = [session for session in self._manager.sessions if session.uid == caller.uid]
        owners = self._manager.users.owners()
        try:
            here = present.find(caller.pid, self._manager.sessions, owners)
            domain = present.domain_id(caller.pid) if supported() else 0
            # A connection outlives the process that made it: all this was the
            # caller's only if that is still there, and in no domain only then.
            if leader.real_uid(caller.pid) != caller.uid:
                return []
        except OSError:  # it has gone
            return []
        if here is None:
            return own
        return [
            session
            for session in own
            if (session.domain == domain if domain else session.id == here.session)
        ]

    def _status(self, caller: Caller) -> dict[str, object]:
        try:
            enforcer = best().name
        except EnforcerError:
            enforcer = ""
        status: dict[str, object] = {
            "version": __version__,
            "kernel_abi": int(supported()),
            "enforcer": enforcer,
            "enforcers": {item.name: str(item.available()) for item in ENFORCERS},
            "policy": self._policy.state,
            "policy_errors": list(self._policy.errors),
            "unsupported": list(self._policy.unsupported),
            "sessions": len(self._visible(caller)),
        }
        floor = self._policy.floor
        if floor is not None:
            status["fallback"] = f"at least scope={floor.scope.word} view={floor.view.word}"
        if caller.uid == 0:
            users = self._manager.users
            status["user_domains"] = len(users)
            status["pending"] = [
                f"uid {uid}: a looser policy waits until logout"
                for uid in users.uids()
                if (user := users.get(uid)) and user.pending
            ]
        return status

    def _detached_procfs(self, caller: Caller) -> Reply:
        self._procfs.take(caller.uid)
        try:
            return Reply([0], [Procfs.new(HidePid.PTRACEABLE)])
        except SystemCallError as error:
            raise EnforcerUnavailable(str(error)) from None


def _facts(session: Session) -> dict[str, object]:
    return asdict(session)


def _opened(opened: Opened) -> Reply:
    session = opened.session
    reply = Reply()
    arrays = []
    for fd in (opened.confinement.token, opened.confinement.mount, opened.lifetime):
        arrays.append([] if fd is None else [len(reply.fds)])
        reply.fds += [] if fd is None else [fd]
    reply.results = [
        session.id,
        session.action,
        session.enforcer,
        session.scope,
        session.view,
        session.proc,
        *arrays,
    ]
    return reply
