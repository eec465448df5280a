"""A login for the tests: opens a session as its own leader and lives until stdin ends.

A line on stdin is the same again for a child; an empty one ends that.

Arguments: JSON with ``args`` (those after the descriptors), and perhaps ``leader``
(the pid to name instead of one's own), ``fd`` (a file to send instead of a pidfd)
or ``pair`` (what to send instead of an own pair of sockets), or ``euid`` (what to
become before). Prints one JSON line: the reply with what its descriptors are, or the
error.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import BusType, MessageType
from dbus_next.message import Message


def _by_a_process_before() -> int:
    fd = _pair()
    if child := os.fork():
        os.waitpid(child, 0)
        os._exit(0)
    return fd


def _by_a_user() -> int:
    os.seteuid(65534)
    fd = _pair()
    os.seteuid(0)
    return fd


def _to_a_daemon() -> int:
    """Be connected to a socket that has a name: who listens there is the peer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind("")  # any abstract name
        listener.listen()
        end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        end.connect(listener.getsockname())
        kept.append(listener.accept()[0])
    return end.detach()


def _from_a_client() -> int:
    """Have a client connect: who that is shows as the peer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind("")
        listener.listen()
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        client.connect(listener.getsockname())
        kept.append(client)
        return listener.accept()[0].detach()


def _given_up() -> int:
    fd = _pair()
    kept.pop().close()
    return fd


def _pair(kind: int = socket.SOCK_SEQPACKET) -> int:
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    kept.append(ours)
    return theirs.detach()


kept: list[socket.socket] = []
PAIRS: dict[str, Callable[[], int]] = {
    "own": _pair,
    "of a process before": _by_a_process_before,
    "of a user": _by_a_user,
    "to a daemon": _to_a_daemon,
    "from a client": _from_a_client,
    "given up": _given_up,
    "stream": lambda: _pair(socket.SOCK_STREAM),
    "inet": lambda: socket.socket(socket.AF_INET).detach(),
    "file": lambda: os.open("/dev/null", os.O_RDONLY),
}


async def main(wish: dict[str, Any], lifetime: int) -> None:
    bus = await MessageBus(bus_type=BusType.SYSTEM, negotiate_unix_fd=True).connect()
    if "fd" in wish:
        fd = os.open(wish["fd"], os.O_RDONLY)
    else:
        fd = os.pidfd_open(wish.get("leader", os.getpid()))
    os.seteuid(wish.get("euid", 0))
    call = bus.call(
        Message(
            destination="org.yama.Session1",
            path="/org/yama/Session1",
            interface="org.yama.Session1.Manager",
            member="OpenSession",
            signature=wish.get("signature", "hhussssu"),
            body=[0, 1, *wish["args"]] if wish.get("signature") != "" else [],
            unix_fds=[fd, lifetime] if wish.get("signature") != "" else [],
        )
    )
    answer: Message | None = await asyncio.wait_for(call, 30)
    assert answer is not None
    kinds = [str(Path(f"/proc/self/fd/{fd}").readlink()) for fd in answer.unix_fds]
    error = answer.error_name if answer.message_type is MessageType.ERROR else None
    print(json.dumps({"error": error, "body": answer.body, "fds": kinds}), flush=True)
    # The next line is a login below this one; an empty one ends that.
    # Unbuffered, since a child reads from the same pipe.
    with open(0, "rb", buffering=0, closefd=False) as lines:
        while line := lines.readline().strip():
            subprocess.run([sys.executable, __file__, line], check=True)


wish = json.loads(sys.argv[1])
asyncio.run(main(wish, PAIRS[wish.get("pair", "own")]()))
