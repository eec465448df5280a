"""The domains that all sessions of one user share (``group = "user"``)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import prctl

from yama_session.enforcers import DomainEnforcer
from yama_session.levels import Scope, View
from yama_session.native import OwnedFd
from yama_session.policy import Settings
from yama_session.scope import Domain, DomainInfo
from yama_session.service.notify import Notifier

_SYSCTL = Path("/proc/sys/kernel/yama/ptrace_scope")
_STORED = "domain-"


@dataclass
class UserDomain:
    """The domain that the next session of a user joins.

    Args:
        enforcer: whose it is.
        token: what a login applies.
        info: what the enforcer says about it.
        ids: its id and those of the domains round it that are the user's too.
        pending: a looser policy waits until the user has logged out.
    """

    enforcer: DomainEnforcer
    token: OwnedFd
    info: DomainInfo
    ids: set[int]
    pending: bool = False


class UserDomains:
    """All of them, by uid.

    Args:
        notifier: keeps the descriptors over a restart.
    """

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._by_uid: dict[int, UserDomain] = {}
        self._joins: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._by_uid)

    def get(self, uid: int) -> UserDomain | None:
        """Return the domain of a user, if there is one."""
        return self._by_uid.get(uid)

    def uids(self) -> tuple[int, ...]:
        """Return whose domains there are."""
        return tuple(self._by_uid)

    def joins(self, uid: int) -> int:
        """Return how often a user's domain was handed out."""
        return self._joins[uid]

    def owners(self) -> dict[int, int]:
        """Return whose each domain is, by its id."""
        return {id_: uid for uid, user in self._by_uid.items() for id_ in user.ids}

    def fits(self, uid: int, settings: Settings) -> bool:
        """Tell whether a user's living domain is what these settings ask for."""
        info = self._by_uid[uid].info
        return (info.scope, info.view, info.override) == (
            settings.scope,
            settings.view,
            settings.override,
        )

    def join(self, uid: int, settings: Settings, enforcer: DomainEnforcer) -> UserDomain:
        """Return the domain that a new session of a user with these settings joins.

        A living domain is joined even if the policy has changed: where the
        new settings are stricter a domain is nested in it, where they are
        looser, or take an override back, they wait.

        Args:
            uid: the user.
            settings: of the session.
            enforcer: makes a domain where there is none.

        Raises:
            YamaSessionError: it cannot be made.
        """
        self._joins[uid] += 1
        user = self._by_uid.get(uid)
        if user is None:
            return self.add(uid, enforcer.token(settings), (), enforcer)
        scope = settings.scope
        if user.info.override and not settings.override:
            # A nested domain inherits the override: count the sysctl in by hand.
            scope = max(scope, _sysctl())
        if scope > user.info.scope or settings.view > user.info.view:
            nested = user.enforcer.create(
                Scope(max(scope, user.info.scope)),
                View(max(settings.view, user.info.view)),
                around=user.token,
            )
            user = self.add(uid, nested, user.ids, user.enforcer)
        # An override that is withdrawn stays: a sysctl that rises will not be followed.
        user.pending = (
            scope < user.info.scope
            or settings.view < user.info.view
            or settings.override != user.info.override
        )
        return user

    def add(
        self, uid: int, token: OwnedFd, around: Iterable[int], enforcer: DomainEnforcer
    ) -> UserDomain:
        """Let the sessions of ``uid`` join the domain of ``token``, in place of any other.

        Raises:
            YamaSessionError: it is no domain of the enforcer's; the token stays the caller's.
        """
        info = enforcer.info(token)
        user = UserDomain(enforcer, token, info, {info.id, *around})
        self.remove(uid)
        self._by_uid[uid] = user
        self._notifier.store(f"{_STORED}{uid}", token.fileno())
        return user

    def remove(self, uid: int) -> None:
        """Let go of a user's domain: it lives on in the processes that are in it."""
        user = self._by_uid.pop(uid, None)
        if user is not None:
            user.token.close()
            self._notifier.drop(f"{_STORED}{uid}")

    @staticmethod
    def stored_uid(name: str) -> int | None:
        """Return whose domain the manager kept under this name, if it is one."""
        uid = name.removeprefix(_STORED)
        return int(uid) if uid != name and uid.isascii() and uid.isdigit() else None


def level(domain: DomainInfo | None) -> Scope:
    """Return the level that binds a tracer in a domain, or in none."""
    if domain is None:
        return _sysctl()
    if domain.override and _sysctl() is not Scope.NO_ATTACH:
        return domain.scope
    return max(domain.scope, _sysctl())


def sees(domain: Domain, pid: int) -> bool:
    """Return whether a process exists for a process of a domain that is not related to it.

    Raises:
        DomainError: the kernel refused to let anybody look from there.
    """

    def look() -> bool:
        # The capability would see all.
        prctl.cap_effective.limit()
        try:
            os.close(os.pidfd_open(pid))
        except ProcessLookupError:
            return False
        return True

    return domain.inside(look)


def _sysctl() -> Scope:
    return Scope(int(_SYSCTL.read_text()))
