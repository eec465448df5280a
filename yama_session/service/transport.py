"""The socket to the system bus: messages and their descriptors, in and out."""

from __future__ import annotations

import array
import asyncio
import os
import socket
from collections.abc import Callable
from itertools import count

from yama_session.errors import ServiceError
from yama_session.native import OwnedFd
from yama_session.service.wire import Incoming, Message

_STANDARD = "unix:path=/run/dbus/system_bus_socket"
_PATH = "unix:path="

#: Bytes that are read at once, and room for as many descriptors as the kernel passes at once.
_READ = 1 << 16
_ROOM = socket.CMSG_SPACE(253 * array.array("i").itemsize)


class Transport:
    """A connection, nothing said on it yet.

    Args:
        on_message: is given each message that comes, and its descriptors,
            which it owns.
    """

    def __init__(self, on_message: Callable[[Message, list[OwnedFd]], None]) -> None:
        self._on_message = on_message
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._serials = count(1)
        self._writing = asyncio.Lock()
        self._incoming = Incoming()
        self._fds: list[OwnedFd] = []
        self._lost = asyncio.Event()

    async def connect(self) -> None:
        """Connect, and say who we are.

        Raises:
            OSError: there is no bus.
            ServiceError: its address is of a kind that is not known here, or
                it does not let us in.
        """
        address = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS", _STANDARD)
        if not address.startswith(_PATH):
            raise ServiceError(f"DBUS_SYSTEM_BUS_ADDRESS = {address!r}: give {_PATH}...")
        path = address.removeprefix(_PATH).partition(",")[0]
        await self._loop.sock_connect(self._socket, path)
        user = str(os.getuid()).encode().hex()
        lines = f"\0AUTH EXTERNAL {user}\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"
        await self._loop.sock_sendall(self._socket, lines.encode())
        said = b""
        while said.count(b"\n") < 2:
            part = await self._loop.sock_recv(self._socket, _READ)
            if not part:
                raise ConnectionResetError(f"the bus at {path} has closed the connection")
            said += part
        if [answer.split()[0] for answer in said.splitlines()] != [b"OK", b"AGREE_UNIX_FD"]:
            raise ServiceError(f"the bus at {path} does not let us in: {said!r}")
        self._loop.add_reader(self._socket, self._readable)

    async def wait(self) -> None:
        """Return when the connection is lost."""
        await self._lost.wait()

    def next_serial(self) -> int:
        """Return a number that no message had."""
        return next(self._serials)

    async def send(self, message: Message) -> None:
        """Write a message, when those before it have been written.

        Raises:
            OSError: the connection is lost.
        """
        message.serial = message.serial or self.next_serial()
        data = memoryview(message.encode())
        fds = array.array("i", message.fds)
        async with self._writing:
            while data:
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)] if fds else []
                try:
                    data = data[self._socket.sendmsg([data], rights) :]
                    del fds[:]
                except BlockingIOError:
                    await self._writable()

    async def _writable(self) -> None:
        writable = asyncio.Event()
        self._loop.add_writer(self._socket, writable.set)
        try:
            await writable.wait()
        finally:
            self._loop.remove_writer(self._socket)

    def _readable(self) -> None:
        try:
            data, ancillary, flags, _ = self._socket.recvmsg(_READ, _ROOM, socket.MSG_CMSG_CLOEXEC)
            for _, _, numbers in ancillary:
                self._fds += map(OwnedFd, array.array("i", numbers))
            if not data or flags & socket.MSG_CTRUNC:
                raise ConnectionResetError("the bus has closed the connection")
            messages = self._incoming.feed(data)
        except BlockingIOError:
            return
        except (OSError, ServiceError):
            self._loop.remove_reader(self._socket)
            self._lost.set()
            return
        for message in messages:
            # Descriptors come with the first byte of the message that has them.
            own, self._fds = self._fds[: message.n_fds], self._fds[message.n_fds :]
            self._on_message(message, own)
