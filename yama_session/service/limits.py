"""Limits on what a user can make the service allocate, and write to the journal."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from yama_session.policy import Limits
from yama_session.service.refusal import LimitExceeded, MachineFull, TooManySessions

#: From which part of a limit on ``status`` warns.
NEARLY = 0.8

#: How many detached procfs instances one uid may take at once, and per second.
PROCFS_BURST = 64
PROCFS_PER_SECOND = 1.0

#: How many lines in the journal one uid may cause at once, and per second.
LINES_BURST = 20
LINES_PER_SECOND = 0.1

#: How many uids are remembered for these.
_MAX_UIDS = 1024


def check_sessions(uids: Iterable[int], uid: int, limits: Limits) -> None:
    """Refuse one session more than the limits allow.

    Args:
        uids: of all living sessions.
        uid: whose session is to be opened.
        limits: what the policy allows.

    Raises:
        TooManySessions: the user has as many as one may have.
        MachineFull: all users together have.
    """
    count = Counter(uids)
    if count[uid] >= limits.sessions_per_user:
        raise TooManySessions(
            f"uid {uid} has {count[uid]} sessions: end some, or raise sessions_per_user in the"
            " policy's [limits]"
        )
    if count.total() >= limits.sessions:
        raise MachineFull(
            f"there are {count.total()} sessions: end some, or raise sessions in the policy's"
            " [limits]"
        )


def nearly_full(uids: Iterable[int], limits: Limits) -> list[str]:
    """Return a warning for each limit of which most is used."""
    count = Counter(uids)
    found = []
    if count.total() >= NEARLY * limits.sessions:
        found.append(f"{count.total()} of {limits.sessions} sessions are open")
    for uid, number in count.items():
        if number >= NEARLY * limits.sessions_per_user:
            found.append(f"uid {uid} has {number} of {limits.sessions_per_user} sessions")
    return found


def check_count(uids: Iterable[int], uid: int, what: str, per_user: int, in_all: int) -> None:
    """Refuse one thing more than the limits allow.

    Args:
        uids: whose each of those is that there are.
        uid: whose the next one is to be.
        what: their name, for the message.
        per_user: how many one user may have.
        in_all: how many all users together may have.

    Raises:
        LimitExceeded: that many are there.
    """
    count = Counter(uids)
    if count[uid] >= per_user:
        raise LimitExceeded(f"uid {uid} has {per_user} {what}: end some first")
    if count.total() >= in_all:
        raise LimitExceeded(f"there are {in_all} {what}: wait until some have ended")


class Slots:
    """Lets each uid have a few things at once, and all together some more; root any number.

    Args:
        what: their name, for the message.
        per_user: how many one user may have.
        in_all: how many all users together may have.
    """

    def __init__(self, what: str, per_user: int = 4, in_all: int = 64) -> None:
        self._what = what
        self._per_user = per_user
        self._in_all = in_all
        self._taken: Counter[int] = Counter()

    @contextmanager
    def take(self, uid: int) -> Iterator[None]:
        """Hold one for ``uid``.

        Raises:
            LimitExceeded: it has, or all together have, as many as there may be.
        """
        if uid:
            check_count(self._taken.elements(), uid, self._what, self._per_user, self._in_all)
            self._taken[uid] += 1
        try:
            yield
        finally:
            if uid:
                self._taken -= Counter({uid: 1})  # keeps no uid with none


class Bucket:
    """Lets each uid have a number of things at once, then some per second."""

    def __init__(self, burst: int = PROCFS_BURST, per_second: float = PROCFS_PER_SECOND) -> None:
        self._burst = burst
        self._rate = per_second
        self._full_at: dict[int, float] = {}

    def take(self, uid: int) -> None:
        """Count one more for ``uid``.

        Raises:
            TooManySessions: it has had too many.
        """
        if not self.has_room(uid):
            raise TooManySessions(
                f"uid {uid} had {self._burst} procfs instances: wait {1 / self._rate:g} s"
            )

    def has_room(self, uid: int) -> bool:
        """Count one more for ``uid``, unless it has had too many."""
        now = time.monotonic()
        full_at = max(self._full_at.pop(uid, now), now) + 1 / self._rate
        if full_at - now > self._burst / self._rate:
            self._full_at[uid] = full_at - 1 / self._rate
            return False
        while len(self._full_at) >= _MAX_UIDS:
            del self._full_at[next(iter(self._full_at))]
        self._full_at[uid] = full_at
        return True


class Lines:
    """Lets each uid cause some lines in the journal at once, then few; root any number."""

    def __init__(self, burst: int = LINES_BURST, per_second: float = LINES_PER_SECOND) -> None:
        self._bucket = Bucket(burst, per_second)
        self._left_out: Counter[int] = Counter()

    def bounded(self, uid: int, line: str) -> str | None:
        """Return a line as it may be written, ``None`` if it may not.

        Args:
            uid: who has caused it.
            line: the line; it says how many of the same uid were left out before it.
        """
        if uid and not self._bucket.has_room(uid):
            if uid in self._left_out or len(self._left_out) < _MAX_UIDS:
                self._left_out[uid] += 1
            return None
        count = self._left_out.pop(uid, 0)
        return f"{line} ({count} more of uid {uid} are left out)" if count else line
