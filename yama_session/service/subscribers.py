"""Who is told of changes: each only of what they may know."""

from __future__ import annotations

from collections.abc import Callable

from yama_session.service.caller import Caller
from yama_session.service.limits import check_count

#: How many connections of one user, and of all, may subscribe.
PER_USER = 8
IN_ALL = 128


class Subscribers:
    """The connections that have subscribed, until they end."""

    def __init__(self) -> None:
        self._callers: dict[str, Caller] = {}

    async def add(self, caller: Caller) -> None:
        """Subscribe a connection; again is no error.

        Raises:
            LimitExceeded: its user, or all together, have as many as there may be.
        """
        if caller.name in self._callers:
            return
        uids = (other.uid for other in self._callers.values())
        if caller.uid:
            check_count(uids, caller.uid, "subscribers", PER_USER, IN_ALL)
        self._callers[caller.name] = caller
        await caller.line.watch(lambda: self._drop(caller.name))

    async def remove(self, caller: Caller) -> None:
        """Let a connection be; one that has not subscribed is no error."""
        self._drop(caller.name)
        await caller.line.unwatch()

    def tell(
        self, signal: str, *args: object, whom: Callable[[Caller], bool] = lambda _: True
    ) -> None:
        """Send a signal.

        Args:
            signal: its name.
            args: what it tells.
            whom: whether a subscriber may know of it.
        """
        for caller in self._callers.values():
            if whom(caller):
                caller.line.signal(signal, *args)

    def _drop(self, name: str) -> None:
        self._callers.pop(name, None)
