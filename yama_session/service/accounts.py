"""Account look-ups that cannot hold up a login for long.

A name service may hang (a directory server that is away). Then the answer is
an error, never "in no group": that would choose another rule.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from yama_session.errors import AccountError

#: Seconds that one look-up may take; the PAM module waits 0.8 for its answer.
LIMIT = 0.5

#: Seconds for which an answer is remembered, and how many of them are.
TTL = 30.0
CACHE_SIZE = 1024

_AnswerT = TypeVar("_AnswerT")


class Accounts:
    """Looks accounts up in a few threads of its own."""

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None
        self._groups: dict[str, tuple[float, frozenset[str]]] = {}

    async def groups(self, user: str) -> frozenset[str]:
        """Return the names of all groups that ``user`` is in.

        Raises:
            AccountError: there is no such user, or the look-up failed or took
                too long.
        """
        known = self._groups.get(user)
        if known and known[0] > time.monotonic():
            return known[1]
        found = await self._ask(f"groups of {user!r}", lambda: _groups(user))
        while len(self._groups) >= CACHE_SIZE:
            del self._groups[next(iter(self._groups))]
        self._groups[user] = (time.monotonic() + TTL, found)
        return found

    async def uid(self, user: str) -> int:
        """Return the uid of ``user``.

        Raises:
            AccountError: as for :meth:`groups`.
        """
        return await self._ask(f"user {user!r}", lambda: _uid(user))

    async def gid(self, group: str) -> int:
        """Return the gid of ``group``.

        Raises:
            AccountError: as for :meth:`groups`.
        """
        return await self._ask(f"group {group!r}", lambda: _gid(group))

    def forget(self) -> None:
        """Drop what is remembered."""
        self._groups.clear()

    async def _ask(self, what: str, question: Callable[[], _AnswerT]) -> _AnswerT:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(4, thread_name_prefix="accounts")
        answer = asyncio.get_running_loop().run_in_executor(self._executor, question)
        try:
            return await asyncio.wait_for(answer, LIMIT)
        except TimeoutError:
            raise AccountError(f"{what}: no answer within {LIMIT} s") from None
        except KeyError:
            raise AccountError(f"{what}: does not exist") from None
        except OSError as error:
            raise AccountError(f"{what}: {error.strerror}") from None


def lookup(user: str) -> tuple[int, frozenset[str]]:
    """Return the uid of ``user`` and the names of all groups that it is in.

    For programs that may wait: a name service that hangs holds them up.

    Raises:
        AccountError: there is no such user, or the look-up failed.
    """
    try:
        return _uid(user), _groups(user)
    except KeyError:
        raise AccountError(f"user {user!r}: does not exist") from None
    except OSError as error:
        raise AccountError(f"user {user!r}: {error.strerror}") from None


def _groups(user: str) -> frozenset[str]:
    import grp
    import pwd

    gids = os.getgrouplist(user, pwd.getpwnam(user).pw_gid)
    names = set()
    for gid in gids:
        try:
            names.add(grp.getgrgid(gid).gr_name)
        except KeyError:  # a gid without a name: no rule can name it
            continue
    return frozenset(names)


def _uid(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_uid


def _gid(group: str) -> int:
    import grp

    return grp.getgrnam(group).gr_gid
