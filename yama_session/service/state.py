"""The policy in force, and the list of the exempt that goes with it."""

from __future__ import annotations

import logging
from pathlib import Path

from yama_session.errors import AccountError, PolicyError
from yama_session.policy import DEFAULT, Decision, Login, Match, Policy, exempt, load
from yama_session.service.accounts import Accounts
from yama_session.service.confinement import choose
from yama_session.service.records import write_atomically
from yama_session.service.refusal import EnforcerUnavailable, NoSuchUser, PolicyUnavailable

_log = logging.getLogger(__name__)


class PolicyState:
    """Holds the policy; a broken file never replaces one that was good.

    Args:
        directory: where the policy files are.
        exempt_file: where the PAM module's fallback reads who is exempt.
        accounts: for names.
    """

    def __init__(self, directory: Path, exempt_file: Path, accounts: Accounts) -> None:
        self._directory = directory
        self._exempt_file = exempt_file
        self._accounts = accounts
        self._policy: Policy | None = None
        self.error = ""
        self.unsupported: tuple[str, ...] = ()

    @property
    def loaded(self) -> bool:
        """Whether there is a policy to decide by."""
        return self._policy is not None

    async def reload(self) -> None:
        """Read the policy again.

        Raises:
            PolicyUnavailable: it is broken; the one in force stays.
        """
        try:
            policy = load(self._directory)
        except PolicyError as error:
            self.error = str(error)
            raise PolicyUnavailable(self.error) from None
        self._policy, self.error = policy, ""
        self._accounts.forget()
        self.unsupported = tuple(_unsupported(policy))
        for problem in self.unsupported:
            _log.error("the policy asks for what this kernel cannot do: %s", problem)
        await self._write_exempt(policy)

    async def decide(self, login: Login) -> Decision:
        """Return what a login gets; its groups are looked up only if a rule asks for one.

        Raises:
            PolicyUnavailable: no policy has been read, or the name service
                does not answer.
            NoSuchUser: the account does not exist.
        """
        if self._policy is None:
            raise PolicyUnavailable(self.error or "no policy has been read")
        if self._policy.needs_groups:
            try:
                groups = await self._accounts.groups(login.user)
            except AccountError as error:
                if isinstance(error.__context__, KeyError):
                    raise NoSuchUser(str(error)) from None
                raise PolicyUnavailable(str(error)) from None
            login = Login(login.user, login.uid, groups, login.service, login.tty, login.rhost)
        return self._policy.resolve(login)

    async def _write_exempt(self, policy: Policy) -> None:
        names = exempt(policy)
        lines = ["yama-session exempt 1"]
        for word, found, number in (
            ("uid", names.users, self._accounts.uid),
            ("gid", names.groups, self._accounts.gid),
        ):
            for name in found:
                try:
                    lines.append(f"{word} {await number(name)}")
                except AccountError as error:
                    _log.warning("not exempt while the service is down: %s", error)
        try:
            write_atomically(self._exempt_file, "\n".join([*lines, "end", ""]))
        except OSError as error:
            _log.error("cannot write %s: %s", self._exempt_file, error)


def _unsupported(policy: Policy) -> list[str]:
    answers = [(f"{rule.file}:{rule.line}", rule.settings) for rule in policy.rules]
    if not any(rule.match == Match() for rule in policy.rules):
        answers.append(("built-in default", DEFAULT))
    found = []
    for where, settings in answers:
        try:
            choose(settings)
        except EnforcerUnavailable as error:
            found.append(f"{where}: {error}")
    return found
