"""A second process of the audit's own, with everything that processes leave behind.

It holds locks, a netlink socket, a listening socket, and objects of System V's
IPC, and takes them away when its parent is gone.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Self

from yama_session.errors import YamaSessionError

#: Seconds to wait for its answers.
_PATIENCE = 10.0
_IPC_PRIVATE, _IPC_RMID = 0, 0
_OWN_ONLY = 0o600

_libc = ctypes.CDLL(None, use_errno=True)
_libc.shmat.restype = ctypes.c_void_p
_libc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
_libc.msgsnd.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


@dataclass(frozen=True)
class LockFiles:
    """Files for locks, open before the processes start so that these share them.

    Args:
        bytes: in which each process has a byte of its own.
        whole: one for each process.
    """

    bytes: int
    whole: tuple[int, int]


@dataclass(frozen=True)
class Left:
    """What the process has left behind.

    Args:
        pid: its number, which is also that of its process group.
        shm: id of its shared memory, -1 if it could have none.
        msg: id of its message queue, likewise.
        sem: id of its semaphore, likewise.
        listens: the abstract name of the socket that it listens on, in hexadecimal.
    """

    pid: int
    shm: int
    msg: int
    sem: int
    listens: str


class StandIn:
    """The process, seen from its parent.

    Args:
        files: what it holds locks in.
        which: 0 for the target, 1 for a process that is seen.

    Raises:
        YamaSessionError: it did not start.
    """

    def __init__(self, files: LockFiles, which: int) -> None:
        self._socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._pid = os.fork()
        if not self._pid:
            _live(self._socket, other, files, which)
        other.close()
        self._socket.settimeout(_PATIENCE)
        try:
            self.left = Left(**json.loads(self._socket.recv(4096)))
        except (OSError, ValueError) as error:
            self.stop()
            raise YamaSessionError(f"the audit's second process did not start: {error}") from None

    def forks(self, times: int) -> int:
        """Let it start processes that exit at once, one after the other; return the last one."""
        self._socket.send(struct.pack("i", times))
        return int(struct.unpack("i", self._socket.recv(64))[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it, and wait until it has taken away what it left."""
        self._socket.close()
        # It ends by itself, unless a child of the audit still holds the socket.
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGTERM)
        os.waitpid(self._pid, 0)


def _live(parents: socket.socket, mine: socket.socket, files: LockFiles, which: int) -> None:
    """Runs in the child: whatever happens, it must not return to the caller's code."""
    try:
        parents.close()
        _serve(mine, files, which)
    finally:
        os._exit(0)


class _Ended(BaseException):
    """Its parent wants it to end."""


def _serve(mine: socket.socket, files: LockFiles, which: int) -> None:
    def end(*_: object) -> None:
        raise _Ended

    undo: list[Callable[[], object]] = []
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its parent's business
    try:
        os.setpgid(0, 0)
        # Of lockf() the process is the owner, of flock() the open file, which is inherited.
        fcntl.lockf(files.bytes, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, which)
        fcntl.flock(files.whole[which], fcntl.LOCK_EX | fcntl.LOCK_NB)
        port = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        port.bind((0, 0))
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("")
        listener.listen()
        name = listener.getsockname()
        left = Left(os.getpid(), _memory(), _queue(undo), _semaphore(undo), name.hex())
        mine.send(json.dumps(asdict(left)).encode())
        while request := mine.recv(64):
            mine.send(struct.pack("i", _fork(*struct.unpack("i", request))))
    except _Ended:
        pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for step in undo:
            step()


def _memory() -> int:
    """Shared memory that goes with the process that is attached to it."""
    found: int = _libc.shmget(_IPC_PRIVATE, 4096, _OWN_ONLY)
    if found >= 0:
        _libc.shmat(found, None, 0)
        _libc.shmctl(found, _IPC_RMID, None)
    return found


def _queue(undo: list[Callable[[], object]]) -> int:
    found: int = _libc.msgget(_IPC_PRIVATE, _OWN_ONLY)
    if found >= 0:
        undo.append(lambda: _libc.msgctl(found, _IPC_RMID, None))
        _libc.msgsnd(found, struct.pack("lb", 1, 0), 1, 0)
    return found


def _semaphore(undo: list[Callable[[], object]]) -> int:
    found: int = _libc.semget(_IPC_PRIVATE, 1, _OWN_ONLY)
    if found >= 0:
        undo.append(lambda: _libc.semctl(found, 0, _IPC_RMID))
        _libc.semop(found, struct.pack("Hhh", 0, 1, 0), 1)
    return found


def _fork(times: int) -> int:
    child = 0
    for _ in range(times):
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
    return child
