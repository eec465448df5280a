"""Rules, and which of them a login gets: the first that matches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path
from types import MappingProxyType

from yama_session.levels import Mode
from yama_session.policy.words import DEFAULT, DEFAULT_ROOT, LIMITS, LOGIN_KEYS, Limits, Settings


@dataclass(frozen=True)
class Login:
    """What a rule can match.

    Args:
        user: the account's own name.
        uid: its number.
        groups: those names of groups in the policy whose group it is in.
        service: the PAM service.
        tty: the terminal as PAM names it, empty if there is none.
        rhost: the remote host, empty for a local login.
        seat: the seat that the login sits at, empty for none.
        aliases: those names of users in the policy that are of its uid, too.
        addresses: where the remote host came as a name: what it resolves to;
            ``None`` if that cannot be told.
    """

    user: str
    uid: int
    groups: Collection[str] = ()
    service: str = ""
    tty: str = ""
    rhost: str = ""
    seat: str = ""
    aliases: Collection[str] = ()
    addresses: Collection[str] | None = ()


#: No account has a number above it: (uid_t)-1 is "no change" to the kernel.
MAX_UID = 0xFFFFFFFE


@dataclass(frozen=True, order=True)
class Uids:
    """Numbers of accounts, both ends included."""

    first: int
    last: int

    def __contains__(self, uid: int) -> bool:
        """Whether a number is one of them."""
        return self.first <= uid <= self.last

    def __str__(self) -> str:
        """As the policy writes them."""
        if self.first == self.last:
            return str(self.first)
        return f"{self.first}-" + ("" if self.last == MAX_UID else str(self.last))

    def without(self, others: Collection[Uids]) -> list[Uids]:
        """Return what is left of them, in order, if others are taken away."""
        left = []
        start = self.first
        for other in sorted(others):
            if start < other.first and start <= self.last:
                left.append(Uids(start, min(self.last, other.first - 1)))
            start = max(start, other.last + 1)
        return left + ([Uids(start, self.last)] if start <= self.last else [])


@dataclass(frozen=True)
class Match:
    """What a rule asks of a login; ``None`` asks nothing."""

    user: frozenset[str] | None = None
    group: frozenset[str] | None = None
    service: frozenset[str] | None = None
    tty: frozenset[str] | None = None
    seat: frozenset[str] | None = None
    rhost: frozenset[str] | None = None
    uid: frozenset[Uids] | None = None
    remote: bool | None = None

    @property
    def by_login(self) -> bool:
        """Whether it depends on how one logs in, not only on who it is."""
        return any(getattr(self, key) is not None for key in LOGIN_KEYS)

    def login(self, login: Login) -> bool:
        """Whether the login fits."""
        return not any(self.misfits(login))

    def might(self, login: Login) -> bool:
        """Whether it may fit, for all that is known of where it comes from."""
        if login.addresses is not None or self.rhost is None or not any(map(_network, self.rhost)):
            return self.login(login)
        return replace(self, rhost=None).login(login)

    def misfits(self, login: Login) -> Iterator[str]:
        """Yield, for a person, each thing asked for that the login is not."""
        if self.user is not None and self.user.isdisjoint((login.user, *login.aliases)):
            yield f"the user is not {_names(self.user)}"
        if self.group is not None and self.group.isdisjoint(login.groups):
            yield f"{login.user} is not in {_names(self.group)}"
        if self.uid is not None and not any(login.uid in uids for uids in self.uid):
            yield f"the uid {login.uid} is not {_names(map(str, sorted(self.uid)))}"
        if self.service is not None and login.service not in self.service:
            yield f"the service is not {_names(self.service)}"
        if self.tty is not None and _terminal(login.tty) not in map(_terminal, self.tty):
            yield f"the terminal is not {_names(self.tty)}"
        if self.seat is not None and login.seat not in self.seat:
            yield f"the seat is not {_names(self.seat)}"
        if self.rhost is not None and not any(
            _is_from(place, host)
            for host in self.rhost
            for place in (login.rhost, *(login.addresses or ()))
        ):
            yield f"the remote host is not {_names(self.rhost)}"
        if self.remote is not None and self.remote is not bool(login.rhost):
            yield f"the login is {'local' if self.remote else 'remote'}"


def _names(names: Iterable[str]) -> str:
    return " or ".join(sorted(names))


def _terminal(name: str) -> str:
    """``/dev/tty1`` as ``tty1``: login programs write either."""
    return name.removeprefix("/dev/")


def _is_from(rhost: str, host: str) -> bool:
    """Whether a remote host is ``host``: a name, an address or a network."""
    if rhost.casefold() == host.casefold():
        return True
    try:
        address = ip_address(rhost)
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return address in ip_network(host)
    except ValueError:  # one of them is a name
        return False


def _network(host: str) -> bool:
    """Whether a host in a rule is an address or a network, and no name."""
    try:
        ip_network(host)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Rule:
    """One rule of a policy file.

    Args:
        match: which logins it is for.
        settings: what they get.
        file: the file that it stands in.
        line: the line of its header, from 1.
        origins: where each setting comes from, by its key: ``file:line``, a
            preset or the default.
    """

    match: Match
    settings: Settings
    file: Path
    line: int
    origins: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({}), compare=False, repr=False
    )

    @property
    def place(self) -> str:
        """``file:line``."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Decision:
    """What a login gets, and the rule that says so (``None``: the built-in default).

    Args:
        settings: what it gets.
        rule: the rule that won.
        base: where that is a rule by login: the one whose settings it raised;
            else the same.
        otherwise: where the settings are from if no rule has won.
    """

    settings: Settings
    rule: Rule | None
    base: Rule | None
    otherwise: str = "built-in default"

    @property
    def source(self) -> str:
        """``file:line`` of the rule, or where else it is from."""
        return self.rule.place if self.rule else self.otherwise


@dataclass(frozen=True)
class Policy:
    """All rules, in the order in which they are asked, and what holds for all logins.

    Args:
        rules: the rules; in a policy that is only logged each one is.
        mode: whether the policy is applied, or only logged, built-in default included.
        limits: how many sessions there may be.
        strict_manager: whether a user whose service manager is not confined,
            though the user would be, may not log in.
        ignored: PAM services that open sessions and are no logins.
    """

    rules: tuple[Rule, ...] = ()
    mode: Mode = Mode.ENFORCE
    limits: Limits = LIMITS
    strict_manager: bool = False
    ignored: frozenset[str] = frozenset()

    @property
    def default(self) -> Settings:
        """What a user gets whom no rule matches."""
        return replace(DEFAULT, mode=self.mode)

    def names(self, kind: str) -> frozenset[str]:
        """Return all names of a kind, ``user`` or ``group``, that stand in it."""
        found = (getattr(rule.match, kind) for rule in self.rules)
        return frozenset(name for names in found if names is not None for name in names)

    def asked(self, login: Login) -> tuple[frozenset[str], frozenset[str]]:
        """Return the names of users and of groups whose numbers decide what a login gets.

        Args:
            login: with its own name, but without aliases and groups.
        """
        users, groups = frozenset[str](), frozenset[str]()
        for rule in self.rules:
            match = rule.match
            if not replace(match, user=None, group=None).might(login):
                continue
            sure = match.user is None or login.user in match.user
            if match.user is not None and not sure:
                users |= match.user
            groups |= match.group or frozenset()
            if sure and match.group is None and not match.by_login:
                break  # what comes after it is asked by nobody
        return users, groups

    @property
    def needs_seat(self) -> bool:
        """Whether any rule asks for a seat, so that it must be looked up."""
        return any(rule.match.seat is not None for rule in self.rules)

    def resolve(self, login: Login) -> Decision:
        """Return what a login gets.

        A rule by login (service, terminal, seat, remote host) only ever makes
        a session stricter than what the account gets otherwise:
        ``systemd-user``, which opens first, knows neither terminal nor host,
        and every program that the user runs there would go round a looser or
        different answer. Where a login comes from may not be known: then each
        rule that might fit counts, up to the first that does.
        """
        if login.service in self.ignored:
            return Decision(DEFAULT_ROOT, None, None, "[services] ignore")
        decision = self.account(login)
        for rule in self.rules:
            sure = rule.match.login(login)
            if rule.match.by_login and (sure or rule.match.might(login)):
                decision = raised(rule, decision)
            if sure:
                break
        return decision

    def asks_for_addresses(self, login: Login) -> bool:
        """Return whether what the remote host's name resolves to may decide."""
        if not login.rhost or _network(login.rhost.partition("%")[0]):
            return False
        return any(
            _network(host) for rule in self.rules for host in rule.match.rhost or frozenset()
        )

    def account(self, login: Login) -> Decision:
        """Return what the account gets, however it logs in."""
        for rule in self.rules:
            if not rule.match.by_login and rule.match.login(login):
                return Decision(rule.settings, rule, rule)
        return Decision(DEFAULT_ROOT if login.uid == 0 else self.default, None, None)


def raised(rule: Rule, base: Decision) -> Decision:
    """Return what a rule by login makes of the account's decision."""
    return Decision(rule.settings.stricter(base.settings), rule, base.rule)
