"""Watches the leaders: tells when one has exited, and when a lifetime socket has closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from yama_session.native import OwnedFd
from yama_session.service import leader


class Watch:
    """The descriptors of one session, watched by the event loop.

    Args:
        pidfd: the leader.
        lifetime: one end of the pair whose other end the login holds;
            ``None`` after a restart, which loses it.
        exited: called once the leader has exited.
        look: called once when the other end has closed while the leader lives:
            that proves nothing, since a user's process may hold it.
    """

    def __init__(
        self,
        pidfd: OwnedFd,
        lifetime: OwnedFd | None,
        exited: Callable[[], None],
        look: Callable[[], None],
    ) -> None:
        self.pidfd = pidfd
        self.lifetime = lifetime
        self._exited = exited
        self._look = look
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(pidfd.fileno(), exited)
        if lifetime is not None:
            self._loop.add_reader(lifetime.fileno(), self._lifetime_readable)

    @property
    def alive(self) -> bool:
        """Whether the leader has not exited."""
        return leader.alive(self.pidfd.fileno())

    def close(self) -> None:
        """Stop watching and close the descriptors."""
        if not self.pidfd.closed:
            self._loop.remove_reader(self.pidfd.fileno())
            self.pidfd.close()
        self._close_lifetime()

    def _close_lifetime(self) -> None:
        if self.lifetime is not None:
            self._loop.remove_reader(self.lifetime.fileno())
            self.lifetime.close()
            self.lifetime = None

    def _lifetime_readable(self) -> None:
        # Data in it, which nobody sends, means no more than the end does.
        self._close_lifetime()
        if self.alive:
            self._look()
        else:
            self._exited()
