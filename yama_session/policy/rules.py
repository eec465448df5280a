"""Rules, and which of them a login gets: the first that matches."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from yama_session.policy.words import DEFAULT, DEFAULT_ROOT, Settings


@dataclass(frozen=True)
class Login:
    """What a rule can match.

    Args:
        user: the account's name.
        uid: its number.
        groups: the names of all groups that it is in.
        service: the PAM service.
        tty: the terminal as PAM names it, empty if there is none.
        rhost: the remote host, empty for a local login.
    """

    user: str
    uid: int
    groups: Collection[str] = ()
    service: str = ""
    tty: str = ""
    rhost: str = ""


@dataclass(frozen=True)
class Match:
    """What a rule asks of a login; ``None`` asks nothing."""

    user: frozenset[str] | None = None
    group: frozenset[str] | None = None
    service: frozenset[str] | None = None
    tty: frozenset[str] | None = None
    remote: bool | None = None

    @property
    def by_login(self) -> bool:
        """Whether it depends on how one logs in, not only on who it is."""
        return not (self.service is None and self.tty is None and self.remote is None)

    def account(self, user: str, groups: Collection[str]) -> bool:
        """Whether the account fits, however it logs in."""
        return (self.user is None or user in self.user) and (
            self.group is None or not self.group.isdisjoint(groups)
        )

    def login(self, login: Login) -> bool:
        """Whether the login fits."""
        return (
            self.account(login.user, login.groups)
            and (self.service is None or login.service in self.service)
            and (self.tty is None or login.tty in self.tty)
            and (self.remote is None or self.remote is bool(login.rhost))
        )


@dataclass(frozen=True)
class Rule:
    """One rule of a policy file.

    Args:
        match: which logins it is for.
        settings: what they get.
        file: the file that it stands in.
        line: the line of its header, from 1.
    """

    match: Match
    settings: Settings
    file: Path
    line: int


@dataclass(frozen=True)
class Decision:
    """What a login gets, and the rule that says so (``None``: the built-in default)."""

    settings: Settings
    rule: Rule | None

    @property
    def source(self) -> str:
        """``file:line`` of the rule, or ``built-in default``."""
        return f"{self.rule.file}:{self.rule.line}" if self.rule else "built-in default"


@dataclass(frozen=True)
class Policy:
    """All rules, in the order in which they are asked."""

    rules: tuple[Rule, ...] = ()

    @property
    def needs_groups(self) -> bool:
        """Whether any rule asks for a group, so that the groups must be looked up."""
        return any(rule.match.group is not None for rule in self.rules)

    def resolve(self, login: Login) -> Decision:
        """Return what a login gets.

        A rule by service, terminal or remote host only ever makes a session
        stricter than what the account gets otherwise: ``systemd-user``, which
        opens first, knows neither terminal nor host, and every program that
        the user runs there would go round a looser or different answer.
        """
        base = self._first(login, by_login=False)
        first = self._first(login, by_login=True)
        if first.rule is None or not first.rule.match.by_login:
            return base
        return Decision(first.settings.stricter(base.settings), first.rule)

    def _first(self, login: Login, *, by_login: bool) -> Decision:
        for rule in self.rules:
            if (by_login or not rule.match.by_login) and rule.match.login(login):
                return Decision(rule.settings, rule)
        return Decision(DEFAULT_ROOT if login.uid == 0 else DEFAULT, None)
