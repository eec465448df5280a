"""What tells of processes as they come and go: the process connector, the kernel's log."""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
from collections.abc import Iterator

from yama_session.audit.channel import (
    BY_VIEW,
    Channel,
    Family,
    Finding,
    is_closed,
    is_open,
    is_unknown,
)
from yama_session.audit.scene import Scene

_NETLINK_CONNECTOR = 11
_CN_IDX_PROC, _CN_VAL_PROC = 1, 1
_LISTEN, _IGNORE = 1, 2
_FORK = 1
#: Seconds to wait for an event.
_PATIENCE = 2.0
_HEADS = struct.Struct("IHHIIIIIIHH")


def channels() -> Iterator[Channel]:
    """Yield the channels of this family."""
    yield Channel(
        "events.connector",
        Family.EVENTS,
        "the process connector: every fork, exec and exit",
        _connector,
        f"{BY_VIEW}; on a stock kernel RestrictAddressFamilies= or a seccomp filter",
    )
    yield Channel(
        "events.kmsg",
        Family.EVENTS,
        "/dev/kmsg: the kernel's log",
        _kmsg,
        "the sysctl kernel.dmesg_restrict = 1",
    )


def _connector(scene: Scene) -> Finding:
    try:
        connector = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_CONNECTOR)
    except PermissionError:
        return is_closed("EPERM for the socket")
    except OSError as error:
        if error.errno == errno.EPROTONOSUPPORT:
            return is_closed("this kernel has none")
        raise
    with connector:
        try:
            connector.bind((0, _CN_IDX_PROC))
        except PermissionError:
            return is_closed("EPERM for its group")
        return _listen(scene, connector)


def _listen(scene: Scene, connector: socket.socket) -> Finding:
    """Let the target start a process, and wait for the event."""
    connector.settimeout(_PATIENCE)
    connector.send(_request(_LISTEN))
    try:
        if scene.twin is None:
            seen = struct.unpack_from("I", connector.recv(4096), _HEADS.size)[0]
            return is_open(f"sends events of all processes, one of kind {seen} at once")
        scene.twin_forks(1)
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            if scene.target in _parents(connector.recv(4096)):
                return is_open("told that the target started a process")
    except TimeoutError:
        pass
    finally:
        # Else an older kernel goes on for ever.
        connector.send(_request(_IGNORE))
    return is_unknown("could be joined, and sent no event of the target")


def _request(what: int) -> bytes:
    head = _HEADS.pack(_HEADS.size + 4, 3, 0, 0, 0, _CN_IDX_PROC, _CN_VAL_PROC, 0, 0, 4, 0)
    return head + struct.pack("I", what)


def _parents(event: bytes) -> tuple[int, ...]:
    """Return the process of whom a fork is told; ``struct proc_event``."""
    if len(event) < _HEADS.size + 32:
        return ()
    what, _, _, _, parent = struct.unpack_from("=IIQII", event, _HEADS.size)
    return (parent,) if what == _FORK else ()


def _kmsg(scene: Scene) -> Finding:
    try:
        fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError as error:
        return is_closed(f"{errno.errorcode[error.errno or 0]}")
    except FileNotFoundError:
        return is_unknown("there is no /dev/kmsg")
    try:
        os.read(fd, 8192)
    except BlockingIOError:
        return is_unknown("may be read, and is empty")
    except PermissionError:
        return is_closed("EPERM for reading")
    finally:
        os.close(fd)
    return is_open("may be read: segfaults, OOM kills and audit lines name processes")
