"""What each method of the interface does; the bus's types end before here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from yama_session._version import __version__
from yama_session.enforcers import ENFORCERS, best
from yama_session.errors import EnforcerError, SystemCallError
from yama_session.native import OwnedFd
from yama_session.policy import Login
from yama_session.procfs import HidePid, Procfs
from yama_session.scope import abi
from yama_session.service import actions, leader
from yama_session.service.attach import Attach
from yama_session.service.bus import Reply
from yama_session.service.caller import Caller
from yama_session.service.grants import Grants
from yama_session.service.interface import INTERFACE
from yama_session.service.limits import Bucket, nearly_full
from yama_session.service.manager import Manager, Opened
from yama_session.service.records import Session
from yama_session.service.refusal import EnforcerUnavailable, InvalidArgument
from yama_session.service.sight import shown, sight
from yama_session.service.state import PolicyState
from yama_session.service.subscribers import Subscribers

#: No string of a request is longer.
_MAX_TEXT = 1024

#: (uid_t)-1 means "no change" to the kernel: nobody has it.
_NO_UID = 0xFFFFFFFF

_PAIR = ("tracee", "tracer")


class Handler:
    """Checks the arguments and asks the manager.

    Args:
        manager: the sessions.
        policy: for ``Reload`` and ``Status``.
        grants: what may be traced for a time.
    """

    def __init__(self, manager: Manager, policy: PolicyState, grants: Grants) -> None:
        self._manager = manager
        self._policy = policy
        self._procfs = Bucket()
        self._attach = Attach(manager, grants)
        self._subscribers = Subscribers()
        manager.opened, manager.ended = self._opened, self._ended

    async def call(
        self, method: str, caller: Caller, args: Sequence[Any], fds: Sequence[OwnedFd]
    ) -> Reply:
        """Answer one call; see :class:`yama_session.service.bus.Handler`."""
        match method:
            case "CloseSession":
                caller.require_root()
                self._manager.close(args[0])
                return Reply()
            case "ListSessions":
                return Reply([[vars(session) for session in shown(caller, self._manager)]])
            case "ListAllSessions":
                await caller.require(actions.LIST_ALL)
                return Reply([[vars(session) for session in self._manager.sessions]])
            case "Status":
                return Reply([self._status(caller)])
            case "Reload":
                await caller.require(actions.RELOAD)
                await self._reload()
                return Reply()
            case "GetPolicy":
                caller.require_root()
                sources = self._policy.sources
                return Reply([[[str(source.file), source.text] for source in sources]])
            case "AllowAttach":
                pair = [_fd(name, index, fds) for name, index in zip(_PAIR, args[:2], strict=True)]
                return Reply([await self._attach.allow(caller, pair, args[2])])
            case "RevokeAttach":
                await self._attach.revoke(caller, args[0])
                return Reply()
            case "ListGrants":
                return Reply([self._attach.visible(caller)])
            case "Subscribe":
                await self._subscribers.add(caller)
                return Reply()
            case "Unsubscribe":
                await self._subscribers.remove(caller)
                return Reply()
            case _:
                return self._detached_procfs(caller)

    def properties(self, caller: Caller) -> dict[str, object]:
        """Return the value of every property for a caller."""
        return {
            "Version": __version__,
            "KernelInterface": abi(),
            "Enforcer": _enforcer(),
            "Enforcers": _enforcers(),
            "NSessions": len(shown(caller, self._manager)),
            **self._policy_properties(),
        }

    def _policy_properties(self) -> dict[str, object]:
        floor = self._policy.floor
        least = f"at least scope={floor.scope.word} view={floor.view.word}" if floor else ""
        return {
            "PolicyState": self._policy.state,
            "PolicyErrors": list(self._policy.errors),
            "Unsupported": list(self._policy.unsupported),
            "Fallback": least,
        }

    async def _reload(self) -> None:
        before = self._policy_properties()
        try:
            await self._policy.reload()
        finally:
            after = self._policy_properties()
            changed = {name: value for name, value in after.items() if value != before[name]}
            if changed:
                self._subscribers.tell("PropertiesChanged", INTERFACE, changed, [])

    def _opened(self, session: Session) -> None:
        self._tell_of(session, "SessionNew", session.id, vars(session))

    def _ended(self, session: Session) -> None:
        self._tell_of(session, "SessionRemoved", session.id)

    def _tell_of(self, session: Session, signal: str, *args: object) -> None:
        def may_know(caller: Caller) -> bool:
            # Most may not, whatever else is so of them.
            if caller.uid not in (0, session.uid):
                return False
            here = sight(caller, self._manager)
            return here is not None and here.shows(session)

        self._subscribers.tell(signal, *args, whom=may_know)

    async def login(self, args: Sequence[Any], fds: Sequence[OwnedFd]) -> Reply:
        """Answer a login; see :class:`yama_session.service.bus.Handler`."""
        pidfd = _fd("leader", args[0], fds)
        lifetime = _fd("lifetime", args[1], fds)
        uid, user, service, tty, rhost, flags = args[2:]
        if uid == _NO_UID:
            raise InvalidArgument(f"uid = {uid} is nobody's")
        if not user:
            raise InvalidArgument("user is empty")
        for name, text in (("user", user), ("service", service), ("tty", tty), ("rhost", rhost)):
            if len(text) > _MAX_TEXT:
                raise InvalidArgument(f"{name} is longer than {_MAX_TEXT} characters")
        if flags:
            raise InvalidArgument(f"flags = {flags:#x}: none is defined, send 0")
        pid = leader.check(pidfd.fileno(), lifetime.fileno())
        login = Login(user, uid, (), service, tty, rhost)
        return _reply_of(await self._manager.open(login, pid, pidfd, lifetime))

    def _status(self, caller: Caller) -> dict[str, object]:
        status: dict[str, object] = {
            "version": __version__,
            "kernel_abi": abi(),
            "enforcer": _enforcer(),
            "enforcers": _enforcers(),
            "policy": self._policy.state,
            "policy_errors": list(self._policy.errors),
            "unsupported": list(self._policy.unsupported),
            "sessions": len(shown(caller, self._manager)),
        }
        if self._policy.floor is not None:
            status["fallback"] = self._policy_properties()["Fallback"]
        if caller.uid == 0:
            users = self._manager.users
            status["user_domains"] = len(users)
            uids = (session.uid for session in self._manager.sessions)
            status["nearly_full"] = nearly_full(uids, self._policy.limits)
            status["max_sessions"] = self._policy.limits.sessions
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


def _fd(name: str, index: int, fds: Sequence[OwnedFd]) -> OwnedFd:
    """Return the descriptor that an argument names."""
    if index >= len(fds):
        raise InvalidArgument(f"{name} is descriptor {index}, but {len(fds)} came")
    return fds[index]


def _enforcer() -> str:
    try:
        return best().name
    except EnforcerError:
        return ""


def _enforcers() -> dict[str, str]:
    return {item.name: str(item.available()) for item in ENFORCERS}


def _reply_of(opened: Opened) -> Reply:
    session = opened.session
    reply = Reply()
    arrays = []
    for fd in (opened.confinement.token, opened.confinement.mount):
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
