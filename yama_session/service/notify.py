"""What the service tells its manager: ready, status, and descriptors to keep over a restart.

Source: sd_notify(3), sd_pid_notify_with_fds(3), sd_listen_fds(3).
"""

from __future__ import annotations

import array
import logging
import os
import socket
from collections.abc import Mapping, Sequence

from yama_session.native import OwnedFd

_log = logging.getLogger(__name__)

#: Where the manager passes descriptors, from 3 on.
_FIRST_FD = 3


class Notifier:
    """Speaks to the manager that started this process, if there is one.

    Args:
        address: the value of ``NOTIFY_SOCKET``; empty: nobody listens.
    """

    def __init__(self, address: str) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        # Never connected: the manager may make its end anew.
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def ready(self) -> None:
        """Say that requests are answered from now on."""
        self._send("READY=1")

    def extend(self, seconds: int) -> None:
        """Ask for time: until then nothing is said, and nobody is to think it has failed."""
        self._send(f"EXTEND_TIMEOUT_USEC={seconds * 1_000_000}")

    def store(self, name: str, fd: int) -> None:
        """Have a copy of ``fd`` kept under ``name`` and passed after a restart."""
        self._send(f"FDSTORE=1\nFDNAME={name}", (fd,))

    def drop(self, name: str) -> None:
        """Have what is kept under ``name`` closed."""
        self._send(f"FDSTOREREMOVE=1\nFDNAME={name}")

    def _send(self, text: str, fds: Sequence[int] = ()) -> None:
        if not self._address:
            return
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self._socket.sendmsg([text.encode()], rights, 0, self._address)
        except OSError as error:
            # Sessions outlive it: a restart finds them by their records.
            _log.warning("the manager did not take %r: %s", text.splitlines()[0], error)


def stored_fds(environ: Mapping[str, str]) -> dict[str, OwnedFd]:
    """Take the descriptors that the manager kept, by name.

    Args:
        environ: has ``LISTEN_PID``, ``LISTEN_FDS`` and ``LISTEN_FDNAMES``, or not.
    """
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    found: dict[str, OwnedFd] = {}
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    for fd, name in enumerate(names[: int(environ.get("LISTEN_FDS", "0"))], _FIRST_FD):
        os.set_inheritable(fd, False)
        found.setdefault(name, OwnedFd(fd))
    return found
