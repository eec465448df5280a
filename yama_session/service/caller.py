"""Who is calling, and whether it may open a session for the process that it names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from yama_session.service import leader
from yama_session.service.refusal import AccessDenied, ForeignNamespace, InvalidArgument


@dataclass(frozen=True)
class Caller:
    """What the bus knows of the sender of a message.

    Args:
        name: its unique name on the bus.
        uid: its effective uid when it connected.
        pid: its pid then; another process may have the number by now.
        connected: asks the bus whether the sender is still connected.
    """

    name: str
    uid: int
    pid: int
    connected: Callable[[], Awaitable[bool]]

    def require_root(self) -> None:
        """Refuse anybody but uid 0.

        Raises:
            AccessDenied: the caller has another uid.
        """
        if self.uid != 0:
            raise AccessDenied(f"only uid 0 may ask for this, not uid {self.uid}")


async def check_leader(caller: Caller, pidfd: int) -> int:
    """Make sure that the caller is root, and itself the process behind ``pidfd``.

    The bus (dbus 1.14) knows only a bare pid. It is the leader's if the
    leader has that pid now and the sender is still connected after that was
    seen: then its process has not been replaced in between.

    Returns:
        The leader's pid.

    Raises:
        AccessDenied: the caller is not root, or names another process.
        InvalidArgument: no living process stands behind the descriptor.
        ForeignNamespace: the caller sees other pids or uids than the service.
    """
    caller.require_root()
    pid = leader.pid_of(pidfd)
    if pid != caller.pid:
        raise AccessDenied(f"leader is pid {pid}, but the caller is pid {caller.pid}")
    try:
        same = leader.namespaces(pid) == leader.namespaces("self")
    except OSError as error:
        raise InvalidArgument(f"leader {pid} cannot be looked at: {error.strerror}") from None
    if not await caller.connected():
        raise AccessDenied(f"the caller {caller.name} has gone")
    if not leader.alive(pidfd):
        raise InvalidArgument(f"leader {pid} has exited")
    if not same:
        raise ForeignNamespace(f"leader {pid} is in another pid or user namespace than the service")
    return pid
