"""Opens, remembers and ends sessions; knows nothing of the bus."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from yama_session.enforcers import domains
from yama_session.errors import YamaSessionError
from yama_session.levels import View
from yama_session.native import OwnedFd
from yama_session.policy import Login
from yama_session.service import leader, limits, present, usermanager
from yama_session.service.confinement import Confinement, confine, would
from yama_session.service.domains import UserDomains
from yama_session.service.notify import Notifier
from yama_session.service.records import Records, Session
from yama_session.service.refusal import ManagerOutside, NoSuchSession
from yama_session.service.state import PolicyState
from yama_session.service.watch import Watch

_log = logging.getLogger(__name__)

#: Seconds between looks at domains that no session uses any more.
IDLE_LOOK = 60.0


@dataclass
class Opened:
    """A new session and what its login has to apply, which the owner closes."""

    session: Session
    confinement: Confinement


class Manager:
    """All sessions of the machine.

    Args:
        policy: decides what each gets.
        records: where they are written down.
        notifier: keeps their descriptors over a restart.
    """

    def __init__(self, policy: PolicyState, records: Records[Session], notifier: Notifier) -> None:
        self._policy = policy
        self._records = records
        self._notifier = notifier
        self._sessions: dict[str, tuple[Session, Watch]] = {}
        self._idle_look: asyncio.TimerHandle | None = None
        self._idle_task: asyncio.Task[None] | None = None
        self.users = UserDomains(notifier)
        #: Called with each session that has been opened, and that has ended.
        self.opened: Callable[[Session], None] = _nobody_asks
        self.ended: Callable[[Session], None] = _nobody_asks

    @property
    def sessions(self) -> tuple[Session, ...]:
        """All living sessions, in the order in which they were opened."""
        return tuple(session for session, _ in self._sessions.values())

    async def open(self, login: Login, pid: int, pidfd: OwnedFd, lifetime: OwnedFd) -> Opened:
        """Open a session.

        Args:
            login: who logs in by the uid, and how; the name is not believed.
            pid: the leader, checked to be the process behind ``pidfd``.
            pidfd: the same; taken over.
            lifetime: one end of a pair that the leader made; taken over.

        Raises:
            Refusal: one of its kinds says what is wrong; nothing has changed.
            OSError: the leader has exited, or the record cannot be written.
        """
        login, decision = await self._policy.decide(login, pid)
        if login.uid in self._idle() and not self.users.fits(login.uid, decision.settings):
            # The policy has changed and perhaps nobody is left to wait for.
            await self._drop_unpopulated({login.uid})
        leader.require_waiting(pid, lifetime.fileno())
        uids = (session.uid for session, _ in self._sessions.values())
        limits.check_sessions(uids, login.uid, self._policy.limits)
        here = present.find(pid, self.sessions, self.users.owners())
        stay = here is not None and login.uid in (0, here.owner)
        settings = decision.settings
        if not stay and not settings.unconfined and login.service != usermanager.SERVICE:
            self._check_manager(login)
        start = leader.start_time(pid)
        made = Confinement("", 0, 0) if stay else confine(settings, login.uid, self.users)
        opened = Opened(
            Session(
                id=self._new_id(),
                uid=login.uid,
                user=login.user,
                service=login.service,
                tty=login.tty,
                rhost=login.rhost,
                pid=pid,
                start=start,
                since=time.time(),
                action="stay" if stay else "open",
                parent=here.session if stay and here else "",
                enforcer=made.enforcer,
                scope=made.scope,
                view=made.view,
                proc=settings.proc.value if made.enforcer else "host",
                group=settings.group.value,
                domain=made.domain,
                source=decision.source,
                would="" if stay else would(settings),
            ),
            made,
        )
        try:
            self._records.write(opened.session)
        except OSError:
            made.close()
            raise
        self._keep(opened.session, OwnedFd(pidfd.detach()), OwnedFd(lifetime.detach()))
        if opened.session.would:
            _log.info("pilot: %s: would be %s", _line(opened.session), opened.session.would)
        asyncio.get_running_loop().call_soon(self.opened, opened.session)
        return opened

    def _check_manager(self, login: Login) -> None:
        """Tell of a user manager from before the switch, by which the user can get out.

        Raises:
            ManagerOutside: the policy does not let such a user in.
        """
        pid = usermanager.outside(login.uid, self.sessions)
        if not pid:
            return
        message = (
            f"the user manager of {login.user} (pid {pid}) is not confined, and starts programs for"
            f" whoever logs in: 'systemctl restart user@{login.uid}.service' restarts it"
        )
        if self._policy.strict_manager:
            raise ManagerOutside(message)
        _log.warning("%s", message)

    def close(self, session_id: str) -> None:
        """End a session.

        Raises:
            NoSuchSession: there is none with this id.
        """
        if session_id not in self._sessions:
            raise NoSuchSession(f"there is no session {session_id!r}")
        self._end(session_id, "closed")

    def recover(self, stored: dict[str, OwnedFd]) -> None:
        """Find sessions and domains again after a restart.

        Args:
            stored: what the manager of the service kept, by name; taken over.
        """
        for session in list(self._records.load()):
            pidfd = stored.pop(f"session-{session.id}", None) or leader.reopen(
                session.pid, session.start
            )
            if pidfd is None or not leader.alive(pidfd.fileno()):
                self._forget(session.id)
                if pidfd is not None:
                    pidfd.close()
                continue
            self._keep(session, pidfd, None)
        for name, fd in stored.items():
            uid = UserDomains.stored_uid(name)
            if uid is None:
                _log.warning("the manager kept an unknown descriptor %s", name)
                fd.close()
                self._notifier.drop(name)
            else:
                self._adopt(uid, fd)
        for session, watch in list(self._sessions.values()):
            if session.group == "user" and session.domain and not self.users.get(session.uid):
                self._reopen_domain(session, watch)
        self._retain_domains()
        self._look_at_idle_domains()

    def _adopt(self, uid: int, token: OwnedFd) -> None:
        ids = {s.domain for s in self.sessions if s.uid == uid and s.group == "user" and s.domain}
        enforcer = domains()
        if enforcer is None:  # the manager keeps it for a service that has
            token.close()
            return
        try:
            self.users.add(uid, token, ids, enforcer)
        except YamaSessionError as error:
            _log.warning("the kept domain of uid %d is none: %s", uid, error)
            token.close()

    def _reopen_domain(self, session: Session, watch: Watch) -> None:
        enforcer = domains()
        if enforcer is None:
            return
        try:
            token = enforcer.open(watch.pidfd)
            if enforcer.info(token).id == session.domain:
                self._adopt(session.uid, token)
            else:
                token.close()
        except YamaSessionError as error:
            _log.warning("no domain found again by session %s: %s", session.id, error)

    def _new_id(self) -> str:
        while (session_id := os.urandom(4).hex()) in self._sessions:
            continue
        return session_id

    def _keep(self, session: Session, pidfd: OwnedFd, lifetime: OwnedFd | None) -> None:
        self._notifier.store(f"session-{session.id}", pidfd.fileno())
        watch = Watch(
            pidfd,
            lifetime,
            exited=lambda: self._end(session.id, "its leader has exited"),
            look=lambda: self._look(session),
        )
        self._sessions[session.id] = (session, watch)

    def _look(self, session: Session) -> None:
        """See whether a login that let go of its lifetime descriptor ever took its domain."""
        if session.domain and domains() and present.domain_id(session.pid) != session.domain:
            self._end(session.id, "its leader never took or has left the domain")

    def _end(self, session_id: str, why: str) -> None:
        session, watch = self._sessions.pop(session_id)
        watch.close()
        self._forget(session_id)
        _log.info("ended %s: %s", _line(session), why)
        asyncio.get_running_loop().call_soon(self.ended, session)
        if session.domain:
            self._retain_domains()
            if session.group == "user":
                self._look_at_idle_domains()

    def _forget(self, session_id: str) -> None:
        self._records.remove(session_id)
        self._notifier.drop(f"session-{session_id}")

    def _idle(self) -> set[int]:
        """The uids whose domains no session uses."""
        used = {session.uid for session in self.sessions if session.group == "user"}
        return set(self.users.uids()) - used

    def _retain_domains(self) -> None:
        """Have no domain kept but those that a login is in, or may yet join."""
        enforcer = domains()
        if enforcer is None:
            return
        try:
            enforcer.retain({s.domain for s in self.sessions} | self.users.owners().keys())
        except YamaSessionError as error:
            _log.warning("domains that nobody joins any more are kept: %s", error)

    def _look_at_idle_domains(self) -> None:
        if self._idle_look is not None:
            self._idle_look.cancel()
            self._idle_look = None
        if self._idle() and self._idle_task is None:
            self._idle_task = asyncio.get_running_loop().create_task(self._drop_idle_domains())

    async def _drop_idle_domains(self) -> None:
        """Let go of domains that no process is in; what still has one is looked at later."""
        try:
            await self._drop_unpopulated(self._idle())
        finally:
            self._idle_task = None
            if self._idle():
                loop = asyncio.get_running_loop()
                self._idle_look = loop.call_later(IDLE_LOOK, self._look_at_idle_domains)

    async def _drop_unpopulated(self, uids: set[int]) -> None:
        enforcer = domains()
        if enforcer is None:
            return
        joins = {uid: self.users.joins(uid) for uid in uids}
        in_use = await asyncio.get_running_loop().run_in_executor(None, enforcer.populated)
        for uid in uids & self._idle():
            user = self.users.get(uid)
            # One that a session got meanwhile may have been joined behind the walk.
            if user and not user.ids & in_use and joins[uid] == self.users.joins(uid):
                self.users.remove(uid)
                self._retain_domains()
                _log.info("let go of the domain of uid %d: nothing is in it", uid)


def _nobody_asks(_: Session) -> None:
    """Do nothing."""


def _line(session: Session) -> str:
    return (
        f"{session.id}: {session.action} user={session.user} service={session.service} "
        f"leader={session.pid} enforcer={session.enforcer or 'none'} scope={session.scope} "
        f"view={View(session.view).word} proc={session.proc} group={session.group} "
        f"({session.source})"
    )
