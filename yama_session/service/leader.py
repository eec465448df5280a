"""The process that logs in, and facts about any that a pidfd stands for.

What is read by number from ``/proc`` is right if the pidfd shows *afterwards*
that the process has not exited: until then the kernel gives the number to no
other. Source: pidfd_open(2), proc(5).
"""

from __future__ import annotations

import os
import select
import socket
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from yama_session.native import OwnedFd
from yama_session.service.refusal import AccessDenied, ForeignNamespace, InvalidArgument

#: No chain of parents is followed further.
_MAX_ANCESTORS = 64

#: No file that is read here is longer.
_PAGE = 4096

#: struct ucred of unix(7)
_UCRED = struct.Struct("iII")


def check(pidfd: int, lifetime: int) -> int:
    """Make sure that a login comes from the process behind ``pidfd``, and from root.

    The kernel remembers who made a pair of sockets, as it does for the bus who
    made a connection: the login need not wait for the bus to be asked. Only root
    may call, and that is for the bus policy to say. Where it has been loosened,
    a pair of one's own proves nothing, but one that a living root process made
    and passed on would do.

    Args:
        pidfd: the leader.
        lifetime: one end of a pair of sockets that the leader has made as root.

    Returns:
        The leader's pid.

    Raises:
        AccessDenied: another process or another uid has made the pair, or the
            leader is not root's any more, or it does not wait any more.
        InvalidArgument: no living process stands behind the descriptor, or
            ``lifetime`` is no end of such a pair.
        ForeignNamespace: the leader sees other pids or uids than the service.
    """
    pid = pid_of(pidfd)
    maker, *uids = _maker(lifetime)
    if pid != maker:
        raise AccessDenied(f"leader is pid {pid}, but lifetime was made by pid {maker}")
    try:
        same = namespaces(pid) == own_namespaces()
        uids.append(_effective_uid(pid))
    except OSError as error:
        raise InvalidArgument(f"leader {pid} cannot be looked at: {error.strerror}") from None
    if not alive(pidfd):
        raise InvalidArgument(f"leader {pid} has exited")
    if not same:
        raise ForeignNamespace(f"leader {pid} is in another pid or user namespace than the service")
    require_waiting(pid, lifetime)
    if any(uids):
        raise AccessDenied(f"only uid 0 may ask for this, not uid {max(uids)}")
    return pid


def require_waiting(pid: int, lifetime: int) -> None:
    """Refuse a login that waits no longer: it has taken its fallback by now.

    Raises:
        AccessDenied: the other end of ``lifetime`` has been closed.
    """
    if _readable(lifetime):
        raise AccessDenied(f"leader {pid} has given up")


def _maker(fd: int) -> tuple[int, int]:
    """Return the pid and the effective uid of the process that made a pair of sockets.

    Anybody can be connected to a daemon of root's, or have one connect to them,
    and is told that it is the peer: but then one of the two ends has a name, and
    those of a pair have none. Source: SO_PEERCRED in unix(7).
    """
    try:
        end = socket.socket(fileno=fd)
    except OSError:
        raise InvalidArgument(_no_pair(fd)) from None
    try:
        kind = (end.family, end.type, end.getsockname(), end.getpeername())
        if kind != (socket.AF_UNIX, socket.SOCK_SEQPACKET, "", ""):
            raise InvalidArgument(_no_pair(fd))
        creds = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    except OSError as error:
        raise InvalidArgument(f"{_no_pair(fd)}: {error.strerror}") from None
    finally:
        end.detach()
    pid, uid, _ = _UCRED.unpack(creds)
    return pid, uid


def _no_pair(fd: int) -> str:
    return f"lifetime is {_kind(fd)}: send an end of a socketpair of AF_UNIX and SOCK_SEQPACKET"


def _kind(fd: int) -> str:
    """Return what a descriptor is, for a person and for comparison."""
    try:
        name = os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115 - a login waits for it
    except OSError as error:  # its path is too long
        return f"without a name ({error.strerror})"
    return os.fsencode(name).decode(errors="replace")  # what the bus can carry


def _readable(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))


def alive(pidfd: int) -> bool:
    """Whether the process has not exited yet."""
    return not _readable(pidfd)


def pid_of(pidfd: int, what: str = "leader") -> int:
    """Return the pid of the process behind a pidfd.

    Args:
        pidfd: the descriptor.
        what: what the process is to the caller, for the message.

    Raises:
        InvalidArgument: the descriptor is no pidfd, or the process has exited
            or does not exist in this pid namespace.
    """
    # An anonymous inode, and since Linux 6.9 one of pidfs.
    kind = _kind(pidfd)
    if not kind.startswith(("anon_inode:[pidfd]", "pidfd:[")):
        raise InvalidArgument(f"{what} is {kind}: send a pidfd")
    _, _, rest = read(f"/proc/self/fdinfo/{pidfd}").partition("\nPid:")
    pid = int(rest.partition("\n")[0] or -1)
    if pid <= 0:
        raise InvalidArgument(f"the {what} has exited, or is in another pid namespace")
    return pid


def read(file: str) -> str:
    """Return the text of a small file of the kernel's.

    Not by way of :mod:`pathlib` and :mod:`io`, which take ten times as long.

    Raises:
        OSError: it cannot be read.
    """
    fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, _PAGE).decode(errors="replace")
    finally:
        os.close(fd)


def namespaces(pid: int | str) -> tuple[tuple[int, int], ...]:
    """Return the identity of a process's pid and user namespace."""
    found = (os.stat(f"/proc/{pid}/ns/{kind}") for kind in ("pid", "user"))  # noqa: PTH116
    return tuple((status.st_dev, status.st_ino) for status in found)


@cache
def own_namespaces() -> tuple[tuple[int, int], ...]:
    """Return the same of this process, which stays where it is."""
    return namespaces("self")


def _stat(pid: int) -> list[str]:
    """The fields of ``/proc/PID/stat`` after the name, which may hold anything."""
    return read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def start_time(pid: int) -> int:
    """Return when a process started, in clock ticks since boot."""
    return int(_stat(pid)[19])


def reopen(pid: int, start: int) -> OwnedFd | None:
    """Return a pidfd of the process that had this number, if that is still the same one."""
    try:
        pidfd = OwnedFd(os.pidfd_open(pid))
        if start_time(pid) == start:
            return pidfd
        pidfd.close()
    except OSError:
        pass
    return None


def real_uid(pid: int) -> int:
    """Return the real uid of a process."""
    return int(status(pid)["Uid"].split()[0])


def _effective_uid(pid: int) -> int:
    _, _, rest = read(f"/proc/{pid}/status").partition("\nUid:")
    return int(rest.split(maxsplit=2)[1])


def status(pid: int) -> dict[str, str]:
    """Return the lines of ``/proc/PID/status``."""
    text = Path(f"/proc/{pid}/status").read_text(errors="replace")
    return {key: value.strip() for key, _, value in (s.partition(":") for s in text.splitlines())}


def lineage(pid: int) -> Iterator[int]:
    """Yield a process and its parents, the nearest first, init left out."""
    for _ in range(_MAX_ANCESTORS):
        if pid <= 1:
            return
        yield pid
        try:
            pid = int(_stat(pid)[1])
        except OSError:
            return
