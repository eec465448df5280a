"""Facts about the process behind a pidfd, read so that they cannot be another's.

What is read by number from ``/proc`` is right if the pidfd shows *afterwards*
that the process has not exited: until then the kernel gives the number to no
other. Source: pidfd_open(2), proc(5).
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from yama_session.native import OwnedFd
from yama_session.service.refusal import InvalidArgument

#: No chain of parents is followed further.
_MAX_ANCESTORS = 64

#: No file that is read here is longer.
_PAGE = 4096


def alive(pidfd: int) -> bool:
    """Whether the process has not exited yet."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return not poll.poll(0)


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
    kind = os.readlink(f"/proc/self/fd/{pidfd}")  # noqa: PTH115 - a login waits for it
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
