"""Who looks, as ``--as`` says it: a process, or a login of a user as the policy has it now."""

from __future__ import annotations

import os
from argparse import ArgumentTypeError
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from yama_session.cli._arguments import pid
from yama_session.errors import AccountError, AccountMissing, ProcessMissing, ServiceError
from yama_session.levels import Group, Proc, Scope, View
from yama_session.policy import Login, Policy, Settings, Source, load, understand
from yama_session.reach import Ids, Reach, Task, look
from yama_session.reach.answer import all_of, no, unknown
from yama_session.reach.domains import Process, processes
from yama_session.reach.facts import NEW_DOMAIN
from yama_session.scope import DomainInfo

#: More capabilities than there are.
_EVERY_CAPABILITY = (1 << 64) - 1


@dataclass(frozen=True)
class Viewer:
    """A viewer, and where what is known of it comes from.

    Args:
        task: as :func:`yama_session.reach.reach` takes it.
        member: a process of its domain, if it is a login to come.
        user: the account, if it is a login to come.
        source: the rule of the policy that its domain is by, as ``file:line``.
        enforcer: what confines it, if it is a login to come; empty for nothing.
    """

    task: Task | int | None
    member: int = 0
    user: str | None = None
    source: str | None = None
    enforcer: str = ""

    def adjusted(self, found: Reach) -> Reach:
        """Return the answers with what an enforcer refuses whose domains no file shows."""
        if self.enforcer in ("", "yama"):
            return found
        assert isinstance(self.task, Task)
        if self.enforcer == "bpf":
            refusal = unknown("bpf", "which processes share its domain only the service knows")
        else:  # it takes in nothing that runs already
            reason = f"{self.task} is in a Landlock domain of its own, and the target is outside"
            refusal = no("landlock", reason, "another enforcer, or no view, in the policy")
        names = found.visible
        if self.task.hidepid != "off":
            names = all_of(refusal, names)
        return replace(
            found,
            visible=names,
            readable=all_of(refusal, found.readable),
            attachable=all_of(refusal, found.attachable),
        )


def viewer_from(text: str | None) -> Viewer:
    """Return the viewer that an option names; ``None`` is the caller.

    Raises:
        AccountError: no such user.
        PolicyError: the policy cannot be read.
        ServiceError: what is needed of the user's sessions is not told.
    """
    if text is None or text.isdecimal():
        return Viewer(None if text is None else _pid(text))
    return _login(text)


def _pid(text: str) -> int:
    try:
        return pid(text)
    except ArgumentTypeError as error:
        raise ProcessMissing(str(error)) from None


def source_of(domain: int) -> str | None:
    """Return the rule by which a session got its domain, ``None`` if the caller is told of none."""
    try:
        from yama_session.service import client

        sessions = client.list_sessions()
    except (ImportError, ServiceError):
        return None
    return next((str(s["source"]) for s in sessions if s["domain"] == domain), None)


def _login(user: str) -> Viewer:
    # Imported here: only this form of the command has to do with the service.
    from yama_session.service.accounts import Directory, account_named, groups_of
    from yama_session.service.confinement import choose

    try:
        account = account_named(user)
    except AccountMissing:
        raise AccountError(f"there is no user {user!r}: --as takes a pid or a user") from None
    user, uid = account.name, account.uid
    policy = _policy()
    decision = policy.resolve(Directory().identify(policy, Login("", uid)))
    settings = decision.settings
    enforcer = choose(settings)
    capabilities = 0 if uid else _EVERY_CAPABILITY
    task = Task(
        pid=0,
        name=f"a login of {user}",
        uid=Ids(*4 * (uid,)),
        gid=Ids(*4 * (account.gid,)),
        effective=capabilities,
        permitted=capabilities,
        user_ns=look.task(os.getpid()).user_ns,
        hidepid=_hidepid(settings, enforcer.name if enforcer else "", groups_of(account)),
    )
    viewer = Viewer(task, 0, user, decision.source, enforcer.name if enforcer else "")
    if enforcer is None or enforcer.name != "yama":
        return viewer
    domain, member = _domain(uid, settings)
    return replace(viewer, task=replace(task, domain=domain), member=member)


def _policy() -> Policy:
    """The policy in force where the service tells it, else what the files say."""
    from yama_session.service import client

    with suppress(ServiceError):
        sources = [Source(Path(file), text) for file, text in client.policy_sources()]
        return understand(sources).policy
    return load()


def _hidepid(settings: Settings, enforcer: str, groups: Collection[int]) -> str | None:
    if not enforcer or settings.proc is Proc.HOST or settings.view is View.ALL:
        return look.hidepid(1 if Path("/proc/1").exists() else os.getpid(), groups)
    plain = enforcer == "yama" and settings.proc is Proc.PRIVATE
    return "off" if plain else "ptraceable"


def _domain(uid: int, settings: Settings) -> tuple[DomainInfo, int]:
    """The domain that a login would be in now, and a process that is in it."""
    new = DomainInfo(settings.scope, settings.view, 1, NEW_DOMAIN, settings.override)
    if settings.group is Group.SESSION:
        return new, 0
    living = _living(uid)
    if living is None:
        return new, 0
    info = living.domain
    assert info is not None  # that is what it was chosen by
    scope = settings.scope
    if info.override and not settings.override:
        scope = max(scope, look.machine().level or Scope.CLASSIC)
    if scope <= info.scope and settings.view <= info.view:
        return info, living.pid
    # As the service does it: what is stricter nests.
    scope, view = max(scope, info.scope), max(settings.view, info.view)
    return DomainInfo(scope, view, info.depth + 1, NEW_DOMAIN, info.override), 0


def _living(uid: int) -> Process | None:
    """Return a process of the domain that all logins of a user share, ``None`` if there is none."""
    from yama_session.service import client

    if os.getuid() not in (0, uid):
        raise ServiceError(f"only root and uid {uid} are told which domain a login would share")
    sessions = [s for s in client.list_sessions() if s["uid"] == uid and s["group"] == "user"]
    ids = [s["domain"] for s in sorted(sessions, key=lambda s: float(s["since"])) if s["domain"]]
    confined = [item for item in processes() if item.domain]
    if ids:
        return next((item for item in confined if item.domain and item.domain.id == ids[-1]), None)
    left = [item.pid for item in confined if item.uid == uid]
    if left:
        raise ServiceError(
            f"pid {left[0]} has outlived the sessions of uid {uid}: whether a login would share "
            f"its domain is not told; ask with --as {left[0]}"
        )
    return None
