"""Numbers that processes leave behind: in locks, System V's IPC, netlink, sockets, mounts."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from yama_session.audit.channel import (
    BY_VIEW,
    Channel,
    Family,
    Finding,
    is_closed,
    is_open,
    is_unknown,
)
from yama_session.audit.judge import told, told_outside
from yama_session.audit.scene import Scene
from yama_session.native import lib

_PORT = ("a network namespace of its own", "a port number, a process number by default only")
_BY_VIEW_OR_PROGRAMS = f"{BY_VIEW}, or BPF programs, which refuse the file"
_GETPID = 11  # semctl(2)
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_REQUEST_DUMP = 0x301
_NLMSG_DONE, _NLMSG_ERROR = 3, 2
_ALL_PROTOCOLS = 255

_libc = ctypes.CDLL(None, use_errno=True)


def channels() -> Iterator[Channel]:
    """Yield the channels of this family."""
    family = Family.TRACES
    yield Channel("traces.locks", family, "/proc/locks", _File(_locks), _BY_VIEW_OR_PROGRAMS)
    yield Channel("traces.getlk", family, "fcntl(F_GETLK)", _getlk, BY_VIEW)
    yield Channel(
        "traces.fdinfo-lock",
        family,
        "/proc/self/fdinfo: lock of a shared file",
        _fdinfo_lock,
        BY_VIEW,
    )
    for name, columns, probe in (
        ("shm", "cpid, lpid", _shm_file),
        ("msg", "lspid, lrpid", _msg_file),
    ):
        yield Channel(
            f"traces.{name}",
            family,
            f"/proc/sysvipc/{name}: {columns}",
            _File(probe),
            _BY_VIEW_OR_PROGRAMS,
        )
    yield Channel("traces.shmctl", family, "shmctl(IPC_STAT): shm_cpid", _shmctl, BY_VIEW)
    yield Channel("traces.msgctl", family, "msgctl(IPC_STAT): msg_lspid", _msgctl, BY_VIEW)
    yield Channel("traces.semctl", family, "semctl(GETPID)", _semctl, BY_VIEW)
    yield Channel("traces.netlink-file", family, "/proc/net/netlink: Pid", _netlink_file, *_PORT)
    yield Channel(
        "traces.netlink-diag", family, "netlink_diag: ndiag_portid", _netlink_diag, *_PORT
    )
    yield Channel(
        "traces.peercred",
        family,
        "getsockopt(SO_PEERCRED) of who listens",
        _peercred,
        "",
        "names the peer, who takes part",
    )
    yield Channel(
        "traces.autofs",
        family,
        "/proc/self/mountinfo: pgrp= of autofs",
        _autofs,
        "",
        "an option of the mount, set by root",
    )
    yield Channel(
        "traces.relations",
        family,
        "/proc/PID/stat of the visible: parent, group, session",
        _relations,
        "",
        "the relations of a process that is visible",
    )


class _File:
    """A probe that reads a file, which may be refused."""

    def __init__(self, probe: Callable[[Scene], Finding]) -> None:
        self._probe = probe

    def __call__(self, scene: Scene) -> Finding:
        try:
            return self._probe(scene)
        except PermissionError as error:
            return is_closed(f"{errno.errorcode[error.errno or 0]} for reading")


def _locks(scene: Scene) -> Finding:
    text = Path("/proc/locks").read_text(encoding="ascii")
    lines = [line.replace("->", "").split() for line in text.splitlines()]
    return told(scene, (int(fields[4]) for fields in lines), left=True)


def _getlk(scene: Scene) -> Finding:
    return told(scene, (_holder(scene.files.bytes, byte) for byte in (0, 1)), left=True)


def _holder(fd: int, byte: int) -> int:
    """Return who has locked a byte; ``struct flock``."""
    form = "hhqqi4x"
    lock = struct.pack(form, fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
    return int(struct.unpack(form, fcntl.fcntl(fd, fcntl.F_GETLK, lock))[4])


def _fdinfo_lock(scene: Scene) -> Finding:
    texts = (
        Path(f"/proc/self/fdinfo/{fd}").read_text(encoding="ascii") for fd in scene.files.whole
    )
    lines = [line.split() for text in texts for line in text.splitlines() if line[:5] == "lock:"]
    return told(scene, (int(fields[5]) for fields in lines), left=True)


def _column(path: str, *names: str) -> set[int]:
    """Return the numbers in some columns of a table with a head."""
    head, *rows = (line.split() for line in Path(path).read_text(encoding="ascii").splitlines())
    columns = [head.index(name) for name in names]
    return {int(row[column]) for row in rows for column in columns}


def _shm_file(scene: Scene) -> Finding:
    return told(scene, _column("/proc/sysvipc/shm", "cpid", "lpid"), left=True)


def _msg_file(scene: Scene) -> Finding:
    return told(scene, _column("/proc/sysvipc/msg", "lspid", "lrpid"), left=True)


def _object(scene: Scene, what: str) -> list[int]:
    """Return the ids of the objects that the audit's two processes have made."""
    ids = [getattr(left, what) for left in (scene.twin, scene.own) if left]
    return [number for number in ids if number >= 0]


def _shmctl(scene: Scene) -> Finding:
    return told(scene, map(lib.ys_shm_creator, _object(scene, "shm")), left=True)


def _msgctl(scene: Scene) -> Finding:
    return told(scene, map(lib.ys_msg_sender, _object(scene, "msg")), left=True)


def _semctl(scene: Scene) -> Finding:
    numbers = [_libc.semctl(number, 0, _GETPID) for number in _object(scene, "sem")]
    return told(scene, numbers, left=True)


def _netlink_file(scene: Scene) -> Finding:
    return told(scene, _column("/proc/net/netlink", "Pid"), left=True)


def _netlink_diag(scene: Scene) -> Finding:
    request = struct.pack("BBHIIII", socket.AF_NETLINK, _ALL_PROTOCOLS, 0, 0, 0, 0, 0)
    head = struct.pack("IHHII", 16 + len(request), _SOCK_DIAG_BY_FAMILY, _NLM_REQUEST_DUMP, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as diag:
        diag.send(head + request)
        ports: set[int] = set()
        while _take_ports(diag.recv(65536), ports):
            pass
    return told(scene, ports, left=True)


def _take_ports(data: bytes, ports: set[int]) -> bool:
    """Add the ports of one datagram of answers; tell whether there are more to come."""
    while len(data) >= 16:
        length, kind = struct.unpack_from("IH", data)
        if kind == _NLMSG_ERROR:
            number = -struct.unpack_from("i", data, 16)[0]
            raise OSError(number, os.strerror(number))
        if kind == _NLMSG_DONE:
            return False
        ports.add(struct.unpack_from("I", data, 20)[0])
        data = data[(length + 3) & ~3 :]
    return True


def _peercred(scene: Scene) -> Finding:
    numbers = []
    for left in filter(None, (scene.twin, scene.own)):
        with socket.socket(socket.AF_UNIX) as peer, suppress(OSError):
            peer.connect(bytes.fromhex(left.listens))
            credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            numbers.append(struct.unpack("iII", credentials)[0])
    return told(scene, numbers, left=True)


def _autofs(scene: Scene) -> Finding:
    text = Path("/proc/self/mountinfo").read_text(errors="replace")
    numbers = {int(number) for number in re.findall(r"\bpgrp=(\d+)", text)}
    if not numbers:
        return is_closed("no mount has the option")
    return told_outside(scene, numbers, "an autofs mount")


def _relations(scene: Scene) -> Finding:
    visible = [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208
    for number in visible:
        with suppress(OSError):
            text = Path(f"/proc/{number}/stat").read_text(errors="replace")
            fields = text.rpartition(")")[2].split()
            for what, value in zip(("parent", "group", "session"), fields[1:4], strict=True):
                if scene.outside(int(value)):
                    return is_open(f"the {what} of {number} is {value}")
    return is_unknown("no visible process has a parent, group or session outside")
