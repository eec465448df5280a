"""User managers that have run since before the policy confined their users."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from yama_session.cli._steps import Step, command
from yama_session.errors import AccountError, ServiceError
from yama_session.policy import Login, Policy, Source, load, understand
from yama_session.service import usermanager
from yama_session.service.accounts import Directory
from yama_session.service.records import Session


@dataclass(frozen=True)
class Outside:
    """A user whose manager is not confined, though logins are.

    Args:
        user: the account.
        uid: its number.
        pid: the manager.
    """

    user: str
    uid: int
    pid: int

    def __str__(self) -> str:
        return (
            f"{self.user}: user@{self.uid}.service (pid {self.pid}) is not confined, and starts"
            " programs for whoever logs in"
        )

    def restart(self) -> Step:
        """Return the step that has it start again, inside; what it has started ends."""
        return command(["systemctl", "restart", f"user@{self.uid}.service"])


def outside() -> Iterator[Outside]:
    """Yield the managers that are outside; root may ask.

    Raises:
        PolicyError: the policy cannot be read.
    """
    policy, sessions = _policy(), _sessions()
    directory = Directory()
    for uid in usermanager.uids():
        try:
            login = directory.identify(policy, Login("", uid))
        except AccountError:  # what it should get is not known
            continue
        pid = usermanager.outside(uid, sessions)
        if pid and not policy.account(login).settings.unconfined:
            yield Outside(login.user, uid, pid)


def _policy() -> Policy:
    from yama_session.service import client

    with suppress(ServiceError):
        sources = [Source(Path(file), text) for file, text in client.policy_sources()]
        return understand(sources).policy
    return load()


def _sessions() -> list[Session]:
    from yama_session.service import client

    with suppress(ServiceError):
        return [Session(**session) for session in client.list_sessions()]
    return []
