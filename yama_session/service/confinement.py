"""What a new session is confined with: the enforcer, its token and the procfs."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from yama_session.enforcers import DomainEnforcer, Enforcer, best, by_name
from yama_session.errors import EnforcerError, SystemCallError, YamaSessionError
from yama_session.levels import Group, Mode
from yama_session.native import OwnedFd
from yama_session.policy import Settings
from yama_session.service.domains import UserDomains
from yama_session.service.refusal import EnforcerUnavailable


@dataclass
class Confinement:
    """What the login has to apply; the owner closes it.

    Args:
        enforcer: its name, empty if there is nothing to apply.
        scope: the level that then holds.
        view: the view that then holds.
        domain: the id of the domain, 0 where there is none.
        token: what the enforcer applies.
        mount: the detached procfs.
    """

    enforcer: str
    scope: int
    view: int
    domain: int = 0
    token: OwnedFd | None = None
    mount: OwnedFd | None = None

    def close(self) -> None:
        """Close what the login has been sent."""
        for fd in (self.token, self.mount):
            if fd is not None:
                fd.close()


def choose(settings: Settings) -> Enforcer | None:
    """Return the enforcer for these settings, ``None`` if they need none.

    Raises:
        EnforcerUnavailable: the kernel has none that honours them, or not the
            one that the policy names.
    """
    if settings.unconfined:
        return None
    try:
        enforcer = by_name(settings.enforcer) if settings.enforcer else best()
        enforcer.require(settings, named=settings.enforcer is not None)
    except (EnforcerError, SystemCallError) as error:
        raise EnforcerUnavailable(str(error)) from None
    return enforcer


def would(settings: Settings) -> str:
    """Return what would be applied of settings that are only logged; empty for nothing."""
    if settings.mode is not Mode.LOG or settings.loose:
        return ""
    enforced = replace(settings, mode=Mode.ENFORCE)
    try:
        enforcer = choose(enforced)
    except EnforcerUnavailable as error:
        return f"left to the fallback: {error}"
    assert enforcer is not None  # they are not loose
    return (
        f"confined by {enforcer.name}: scope={settings.scope.word} view={settings.view.word} "
        f"proc={settings.proc.value} group={settings.group.value}"
    )


def confine(settings: Settings, uid: int, users: UserDomains) -> Confinement:
    """Make what confines a new session.

    Raises:
        EnforcerUnavailable: as for :func:`choose`, or the kernel refused.
    """
    enforcer = choose(settings)
    if enforcer is None:
        living = users.get(uid)
        if settings.group is not Group.USER or living is None:
            return Confinement("", 0, 0)
        # The policy has just exempted a user whose domain lives: that waits.
        enforcer = living.enforcer
    made = Confinement(enforcer.name, settings.scope, settings.view)
    try:
        if settings.group is Group.USER:
            assert isinstance(enforcer, DomainEnforcer)  # no other one honours it
            user = users.join(uid, settings, enforcer)
            made.scope, made.view, made.domain = user.info.scope, user.info.view, user.info.id
            made.token = OwnedFd(os.dup(user.token.fileno()))
        else:
            made.token = enforcer.token(settings)
            if isinstance(enforcer, DomainEnforcer):
                made.domain = enforcer.info(made.token).id
        made.mount = enforcer.procfs(settings)
    except YamaSessionError as error:
        made.close()
        raise EnforcerUnavailable(f"{enforcer.name}: {error}") from None
    return made
