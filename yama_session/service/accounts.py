"""Who logs in: the account by its uid, and which of the names in the policy are its own.

The account decides, never the text that was typed: its name is the one that
its uid has, and a name in the policy means whoever has its number. A name
service that cannot answer is an error with its errno, never "in no group",
which would choose another rule.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from yama_session.errors import AccountError, AccountMissing
from yama_session.native import ffi, lib
from yama_session.policy import Login, Policy

#: Seconds that one look-up may take; the PAM module waits 0.8 for its answer.
LIMIT = 0.5

#: Seconds that a host's name may take to be resolved.
RESOLVER_LIMIT = 0.2

#: How many look-ups there are at once, those that hang included: each has a thread.
MAX_AT_ONCE = 16

#: Seconds for which an answer is remembered, and how many of them are.
TTL = 30.0
CACHE_SIZE = 1024

#: No name of an account or group is longer.
_NAME_MAX = 1024

#: Nobody is in more groups: NGROUPS_MAX.
_GROUPS_MAX = 65536

Kind = Literal["user", "group"]

_AnswerT = TypeVar("_AnswerT")


@dataclass(frozen=True)
class Account:
    """An account as the name service has it.

    Args:
        name: its name, by its uid.
        uid: its number.
        gid: its primary group.
    """

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Learned:
    """What the names in a policy mean.

    Args:
        users: the uid of each user, ``None`` if there is none of this name.
        groups: the gid of each group, likewise.
        errors: why the others cannot be told.
    """

    users: dict[str, int | None]
    groups: dict[str, int | None]
    errors: list[str]


class _Unknown(Exception):
    """What is asked is not remembered."""


class Directory:
    """The name service, asked for what a policy needs; answers are remembered for a time.

    A number that a name once had is known for good: while the service fails it
    still holds, and a name that has gone is an error, since a directory that is
    away may say that, too.

    Args:
        known: numbers that names had before.
    """

    def __init__(self, known: Mapping[str, Mapping[str, int]] | None = None) -> None:
        known = known or {}
        #: The numbers that names have had, by kind.
        self.known: dict[str, dict[str, int]] = {
            "user": dict(known.get("user", {})),
            "group": dict(known.get("group", {})),
        }
        self._remembered: dict[object, tuple[float, Any]] = {}

    def forget(self) -> None:
        """Drop the answers, but not what names have meant."""
        self._remembered.clear()

    def learn(self, policy: Policy) -> Learned:
        """Ask for all names of a policy, and forget those that it does not name any more."""
        learned = Learned({}, {}, [])
        kinds: tuple[tuple[Kind, dict[str, int | None]], ...] = (
            ("user", learned.users),
            ("group", learned.groups),
        )
        for kind, numbers in kinds:
            names = policy.names(kind)
            known = self.known[kind]
            self.known[kind] = {name: known[name] for name in known if name in names}
            for name in sorted(names):
                try:
                    numbers[name] = self.number(kind, name)
                except AccountError as error:
                    learned.errors.append(str(error))
        return learned

    def account(self, uid: int, *, ask: bool = True) -> Account:
        """Return the account of a uid.

        Args:
            uid: its number.
            ask: whether the name service may be asked.

        Raises:
            AccountMissing: there is none.
            AccountError: the name service cannot tell.
        """
        return self._cached(("account", uid), lambda: account_of(uid), ask)

    def number(self, kind: Kind, name: str, *, ask: bool = True) -> int | None:
        """Return the number of a user or group, ``None`` if there is none of this name.

        Raises:
            AccountError: the name service cannot tell, or the name was there before.
        """
        return self._cached((kind, name), lambda: self._number(kind, name), ask)

    def groups(self, account: Account, *, ask: bool = True) -> frozenset[int]:
        """Return the numbers of all groups that an account is in.

        Raises:
            AccountError: a name service that may know more cannot tell.
        """
        return self._cached(("groups", account), lambda: groups_of(account), ask)

    def explained(self, policy: Policy, login: Login) -> Login:
        """Return what :meth:`identify` does, with all of the account's groups.

        Names in rules that do not decide are asked for, too.
        """
        if policy.asks_for_addresses(login):
            login = replace(login, addresses=addresses_of(login.rhost))
        found = self.identify(policy, login)
        with suppress(AccountError):  # of a name that no login asks for
            found = self._with_names(policy.names("user"), policy.names("group"), found, ask=True)
        own = group_names(self.groups(self.account(login.uid)))
        return replace(found, groups=sorted({*own, *found.groups}))

    def identify(self, policy: Policy, login: Login, *, ask: bool = True) -> Login:
        """Return a login with its account's name, and those names in the policy that are its own.

        Only names are asked for whose rules may decide.

        Raises:
            AccountMissing: there is no account of this uid.
            AccountError: the name service cannot tell.
        """
        name = self.account(login.uid, ask=ask).name
        login = replace(login, user=name, aliases=(), groups=())
        return self._with_names(*policy.asked(login), login, ask=ask)

    def _with_names(
        self, users: Iterable[str], groups: Iterable[str], login: Login, *, ask: bool
    ) -> Login:
        aliases = [
            name
            for name in sorted(users)
            if name != login.user and self.number("user", name, ask=ask) == login.uid
        ]
        numbers = {name: self.number("group", name, ask=ask) for name in sorted(groups)}
        own = frozenset[int]()
        if any(number is not None for number in numbers.values()):
            own = self.groups(self.account(login.uid, ask=ask), ask=ask)
        return replace(login, aliases=aliases, groups=[n for n in numbers if numbers[n] in own])

    def _number(self, kind: Kind, name: str) -> int | None:
        before = self.known[kind].get(name)
        try:
            found = number_of(kind, name)
        except AccountError:
            if before is None:
                raise
            return before
        if found is not None:
            self.known[kind][name] = found
        elif before is not None:
            word = "uid" if kind == "user" else "gid"
            raise AccountError(
                f"{kind} {name!r}, which the policy names, was {word} {before} and is not to be"
                " found: if it has been removed for good, take it out of the policy"
            )
        return found

    def _cached(self, key: object, question: Callable[[], _AnswerT], ask: bool) -> _AnswerT:
        remembered = self._remembered.get(key)
        if remembered and remembered[0] > time.monotonic():
            answer: _AnswerT = remembered[1]
            return answer
        if not ask:
            raise _Unknown
        answer = question()
        while len(self._remembered) >= CACHE_SIZE:
            self._remembered.pop(next(iter(self._remembered)), None)
        self._remembered[key] = (time.monotonic() + TTL, answer)
        return answer


class Accounts:
    """A directory that cannot hold up a login for long: it is asked in threads of its own.

    Args:
        directory: the directory.
    """

    def __init__(self, directory: Directory | None = None) -> None:
        self.directory = directory or Directory()
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)

    async def identify(self, policy: Policy, login: Login) -> Login:
        """Return the login as :meth:`Directory.identify` does.

        Raises:
            AccountError: as there, or it took too long.
        """
        if policy.asks_for_addresses(login):
            try:
                what = f"addresses of {login.rhost!r}"
                found = await self.ask(what, lambda: addresses_of(login.rhost), RESOLVER_LIMIT)
            except AccountError:  # the stricter rule holds
                found = None
            login = replace(login, addresses=found)
        try:
            return self.directory.identify(policy, login, ask=False)
        except _Unknown:
            what = f"account of uid {login.uid}"
            return await self.ask(what, lambda: self.directory.identify(policy, login))

    async def learn(self, policy: Policy) -> Learned:
        """Learn the names of a policy as :meth:`Directory.learn` does; late is an error in it."""
        limit = LIMIT * max(1, min(10, len(policy.names("user") | policy.names("group"))))
        try:
            return await self.ask(
                "names in the policy", lambda: self.directory.learn(policy), limit
            )
        except AccountError as error:
            return Learned({}, {}, [str(error)])

    async def ask(
        self, what: str, question: Callable[[], _AnswerT], limit: float | None = None
    ) -> _AnswerT:
        """Have a thread answer a question, within a limit of seconds.

        The thread is a daemon: one that hangs does not keep the service from ending.

        Raises:
            AccountError: the answer took too long, perhaps since as many hang as may.
        """
        limit = LIMIT if limit is None else limit
        try:
            async with asyncio.timeout(limit):
                await self._slots.acquire()
                return await self._start(question)
        except TimeoutError:
            raise AccountError(f"{what}: no answer within {limit} s") from None

    def _start(self, question: Callable[[], _AnswerT]) -> asyncio.Future[_AnswerT]:
        """Answer in a thread, which gives its slot back when the name service has answered."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_AnswerT] = loop.create_future()

        def deliver(give: Callable[[Any], None], value: object) -> None:
            self._slots.release()
            if not answer.done():
                give(value)

        def work() -> None:
            give: Callable[[Any], None]
            value: object
            try:
                give, value = answer.set_result, question()
            except Exception as error:  # whoever waits gets it
                give, value = answer.set_exception, error
            with suppress(RuntimeError):  # the service has ended meanwhile
                loop.call_soon_threadsafe(deliver, give, value)

        try:
            threading.Thread(target=work, name="accounts", daemon=True).start()
        except RuntimeError:  # no thread is to be had
            self._slots.release()
            raise
        return answer


def account_of(uid: int) -> Account:
    """Return the account of a uid.

    Raises:
        AccountMissing: there is none.
        AccountError: the name service cannot tell.
    """
    name, gid = ffi.new(f"char[{_NAME_MAX}]"), ffi.new("gid_t *")
    if not _told(f"uid {uid}", lib.ys_user(uid, name, _NAME_MAX, gid)):
        raise AccountMissing(f"uid {uid}: there is no such account")
    found = os.fsdecode(ffi.string(name))
    if not found.isprintable():  # it goes to the journal, the bus and terminals
        raise AccountError(f"uid {uid}: its name {found!r} is none that can be printed")
    return Account(found, uid, int(gid[0]))


def account_named(name: str) -> Account:
    """Return the account that a name, in whatever spelling, stands for.

    Raises:
        AccountMissing: there is none.
        AccountError: the name service cannot tell.
    """
    uid = number_of("user", name)
    if uid is None:
        raise AccountMissing(f"user {name!r}: there is no such account")
    return account_of(uid)


def number_of(kind: Kind, name: str) -> int | None:
    """Return the number of a user or group, ``None`` if there is none of this name.

    Raises:
        AccountError: the name service cannot tell.
    """
    if "\0" in name:
        return None
    user = kind == "user"
    number = ffi.new("uid_t *" if user else "gid_t *")
    ask = lib.ys_user_id if user else lib.ys_group_id
    if not _told(f"{kind} {name!r}", ask(os.fsencode(name), number)):
        return None
    return int(number[0])


def groups_of(account: Account) -> frozenset[int]:
    """Return the numbers of all groups that an account is in.

    Raises:
        AccountError: a name service that may know more cannot tell.
    """
    room = 64
    while True:
        gids = ffi.new(f"gid_t[{room}]")
        count = lib.ys_groups(os.fsencode(account.name), account.gid, gids, room)
        _told(f"groups of {account.name!r}", count)
        if count <= room or room >= _GROUPS_MAX:
            return frozenset(int(gid) for gid in gids[0 : min(count, room)])
        room = min(count, _GROUPS_MAX)


def addresses_of(host: str) -> list[str] | None:
    """Return what the name of a host resolves to, ``None`` if that cannot be told."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return None
    return sorted({str(address[0]) for *_, address in found})


def group_names(gids: Iterable[int]) -> list[str]:
    """Return the names of groups, sorted; of one that has none, its number.

    Raises:
        AccountError: the name service cannot tell.
    """
    name = ffi.new(f"char[{_NAME_MAX}]")
    return sorted(
        os.fsdecode(ffi.string(name))
        if _told(f"gid {gid}", lib.ys_group(gid, name, _NAME_MAX))
        else str(gid)
        for gid in gids
    )


def _told(what: str, result: int) -> int:
    if result < 0:
        raise AccountError(f"{what}: the name service cannot tell: {os.strerror(-result)}")
    return result
