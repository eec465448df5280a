"""The service on the system bus: the only place, with the client, that knows dbus-next.

Its high-level service classes hide the sender and send tracebacks to the
caller, so the messages are handled here. It neither duplicates nor closes
descriptors, and writes replies later: those that came with a message are
closed when it has been answered, those of a reply when it has been written.
It also takes a full socket for a broken one if it has a second message to
write, so it is given one at a time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import BusType, MessageFlag, MessageType, RequestNameReply
from dbus_next.message import Message
from dbus_next.signature import Variant

from yama_session.errors import ServiceError
from yama_session.native import OwnedFd
from yama_session.service.caller import Caller
from yama_session.service.interface import (
    BUS_NAME,
    INTERFACE,
    METHODS,
    OBJECT_PATH,
    introspection,
)
from yama_session.service.refusal import AccessDenied, InvalidArgument, Refusal

_log = logging.getLogger(__name__)

_DBUS = "org.freedesktop.DBus"

# What the bus lets every user call. One after the other: however many a user
# sends, a login waits for one of them at most.
_EVERYBODYS = ("ListSessions", "Status", "GetDetachedProcfs")

# Seconds; the PAM module gives up after 0.8 and takes its fallback.
_SLOW = 0.4


@dataclass
class Reply:
    """The results of a method, and the descriptors that their indices name.

    Args:
        results: one value for each; a ``dict`` becomes ``a{sv}``.
        fds: are closed when the reply has been written.
    """

    results: Sequence[object] = ()
    fds: list[OwnedFd] = field(default_factory=list)


class Handler(Protocol):
    """What answers the methods of the interface."""

    async def call(
        self, method: str, caller: Caller, args: Sequence[Any], fds: Sequence[OwnedFd]
    ) -> Reply:
        """Answer one call, whose arguments have the types that the interface says.

        Raises:
            Refusal: goes to the caller under its name. Anything else goes to
                the journal, and the caller only learns that it happened.
        """


class Service:
    """One connection to the bus, and the calls on it.

    Args:
        handler: answers them.
    """

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._bus: MessageBus | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writing = asyncio.Lock()
        self._turn = asyncio.Lock()
        self._asked: dict[int, asyncio.Future[Message]] = {}

    async def connect(self) -> None:
        """Connect to the system bus and take the name.

        Raises:
            ServiceError: somebody has the name.
            OSError: there is no bus.
        """
        self._bus = await MessageBus(bus_type=BusType.SYSTEM, negotiate_unix_fd=True).connect()
        self._bus.add_message_handler(self._on_message)
        if await self._bus.request_name(BUS_NAME) is not RequestNameReply.PRIMARY_OWNER:
            raise ServiceError(f"the name {BUS_NAME} is taken: is the service running already?")

    async def wait(self) -> None:
        """Return when the connection is lost."""
        bus: Any = self._bus  # the method has no types
        await bus.wait_for_disconnect()

    def _on_message(self, message: Message) -> bool:
        fds = [OwnedFd(fd) for fd in message.unix_fds]
        call = message.message_type is MessageType.METHOD_CALL
        # A call that waits for its turn must not fill the table of descriptors.
        if not call or message.member in _EVERYBODYS:
            for fd in fds:
                fd.close()
            fds = []
        if not call:
            asked = self._asked.pop(message.reply_serial, None)
            if asked is None:
                return False
            asked.set_result(message)
            return True
        task = asyncio.get_running_loop().create_task(self._serve(message, fds))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _serve(self, message: Message, fds: list[OwnedFd]) -> None:
        if message.member in _EVERYBODYS:
            async with self._turn:
                await self._serve_now(message, fds)
        else:
            await self._serve_now(message, fds)

    async def _serve_now(self, message: Message, fds: list[OwnedFd]) -> None:
        what = f"{message.member} of {message.sender}"
        reply = Reply()
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            answer, reply = await self._answer(message, fds)
        except Refusal as error:
            _log.info("refused %s: %s", what, error)
            answer = Message.new_error(message, error.bus_name, str(error))
        except Exception:
            _log.exception("%s failed", what)
            answer = Message.new_error(
                message, f"{_DBUS}.Error.Failed", "internal error: see the journal of the service"
            )
        finally:
            for fd in fds:
                fd.close()
        if loop.time() - start > _SLOW:
            _log.warning("%s took %.0f ms", what, 1000 * (loop.time() - start))
        try:
            if not message.flags & MessageFlag.NO_REPLY_EXPECTED:
                await self._send(answer)
        finally:
            for fd in reply.fds:
                fd.close()

    async def _send(self, message: Message) -> None:
        assert self._bus is not None
        async with self._writing:
            await self._bus.send(message)

    async def _answer(self, message: Message, fds: Sequence[OwnedFd]) -> tuple[Message, Reply]:
        wanted = (message.interface or INTERFACE, message.member, message.signature)
        if wanted == (f"{_DBUS}.Introspectable", "Introspect", ""):
            reply = Reply([introspection() if message.path == OBJECT_PATH else "<node/>"])
            return Message.new_method_return(message, "s", list(reply.results)), reply
        if wanted[:2] == (f"{_DBUS}.Peer", "Ping"):
            return Message.new_method_return(message), Reply()
        method = METHODS.get(message.member)
        if message.path != OBJECT_PATH or wanted[0] != INTERFACE or method is None:
            text = f"there is no {wanted[0]}.{message.member} at {message.path}"
            return Message.new_error(message, f"{_DBUS}.Error.UnknownMethod", text), Reply()
        if message.signature != method.signature:
            raise InvalidArgument(
                f"{method.name} takes '{method.signature}', not '{message.signature}'"
            )
        caller = await self._caller(message.sender)
        reply = await self._handler.call(method.name, caller, message.body, fds)
        answer = Message.new_method_return(
            message,
            method.result_signature,
            [_variants(result) for result in reply.results],
            [fd.fileno() for fd in reply.fds],
        )
        return answer, reply

    async def _caller(self, name: str) -> Caller:
        reply = await self._ask("GetConnectionCredentials", name)
        if reply is None:
            raise AccessDenied(f"the caller {name} has gone")
        facts = {key: value.value for key, value in reply.items()}

        async def connected() -> bool:
            return bool(await self._ask("NameHasOwner", name))

        try:
            return Caller(name, int(facts["UnixUserID"]), int(facts["ProcessID"]), connected)
        except KeyError as error:
            raise AccessDenied(f"the bus does not know the {error} of {name}") from None

    async def _ask(self, member: str, name: str) -> Any:
        """Ask the bus itself; ``None`` for an error."""
        assert self._bus is not None
        question = Message(
            destination=_DBUS,
            path="/org/freedesktop/DBus",
            interface=_DBUS,
            member=member,
            signature="s",
            body=[name],
            serial=self._bus.next_serial(),
        )
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._asked[question.serial] = reply
        await self._send(question)
        answer = await reply
        return answer.body[0] if answer.message_type is MessageType.METHOD_RETURN else None


def _variants(value: object) -> object:
    """Give each value of a dictionary its type on the bus."""
    if isinstance(value, list):
        return [_variants(item) for item in value]
    if isinstance(value, dict):
        return {key: Variant(_type_of(item), item) for key, item in value.items()}
    return value


def _type_of(value: object) -> str:
    match value:
        case bool():
            return "b"
        case int():
            return "t"
        case float():
            return "d"
        case list():
            return "as"
        case dict():
            return "a{ss}"
        case _:
            return "s"
