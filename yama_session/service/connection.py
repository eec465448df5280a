"""The service's connection to the system bus, and what it asks there.

With ``bus`` and ``client`` the only place that knows dbus-next, which neither
duplicates nor closes descriptors, and writes messages later. It also takes a
full socket for a broken one if it has a second message to write, so it is given
one at a time.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import BusType, MessageType, RequestNameReply
from dbus_next.message import Message
from dbus_next.signature import Variant

from yama_session.errors import ServiceError
from yama_session.native import OwnedFd
from yama_session.service.caller import Authorization
from yama_session.service.interface import BUS_NAME, INTERFACE, OBJECT_PATH, SIGNALS

DBUS = "org.freedesktop.DBus"
_POLKIT = "org.freedesktop.PolicyKit1"

#: Seconds for polkit's answer, without and with a person who is asked.
POLKIT_LIMIT = 10.0
PERSON_LIMIT = 120.0

# CheckAuthorizationFlags
_ALLOW_USER_INTERACTION = 1


class Connection:
    """One connection to the bus.

    Args:
        on_call: is given each method call, and the descriptors that came with
            it, which it owns.
        polkit_limit: seconds for an answer of polkit's that no person is asked for.
    """

    def __init__(
        self,
        on_call: Callable[[Message, list[OwnedFd]], None],
        polkit_limit: float = POLKIT_LIMIT,
    ) -> None:
        self._on_call = on_call
        self._polkit_limit = polkit_limit
        self._bus: MessageBus | None = None
        self._writing = asyncio.Lock()
        self._asked: dict[int, tuple[str, asyncio.Future[Message]]] = {}
        self._gone: dict[str, Callable[[], None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

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

    async def send(self, message: Message) -> None:
        """Write a message."""
        assert self._bus is not None
        async with self._writing:
            await self._bus.send(message)

    async def signal(self, name: str, signal: str, args: Sequence[object]) -> None:
        """Tell one connection something.

        Args:
            name: the connection's unique name.
            signal: ``PropertiesChanged``, or one of the interface's own.
            args: a ``dict`` becomes ``a{sv}``.
        """
        own = SIGNALS.get(signal)
        message = Message(
            message_type=MessageType.SIGNAL,
            destination=name,
            path=OBJECT_PATH,
            interface=INTERFACE if own else f"{DBUS}.Properties",
            member=signal,
            signature=own.signature if own else "sa{sv}as",
            body=[variants(arg) for arg in args],
        )
        await self.send(message)

    async def credentials(self, name: str) -> dict[str, Any] | None:
        """Return what the bus knows of a connection, ``None`` if it has gone."""
        answer = await self._ask_bus("GetConnectionCredentials", name)
        return None if answer is None else {key: value.value for key, value in answer.items()}

    async def connected(self, name: str) -> bool:
        """Tell whether a connection is still there."""
        return bool(await self._ask_bus("NameHasOwner", name))

    async def watch(self, name: str, gone: Callable[[], None]) -> None:
        """Have ``gone`` called once when a connection ends, at once if it has."""
        self._gone[name] = gone
        await self._ask_bus("AddMatch", _match(name))
        if not await self.connected(name):
            self._vanished(name)

    async def unwatch(self, name: str) -> None:
        """Watch a connection no longer; again is no error."""
        if self._gone.pop(name, None) is not None:
            await self._ask_bus("RemoveMatch", _match(name))

    def soon(self, doing: Coroutine[Any, Any, None]) -> None:
        """Have something done that nobody waits for."""
        task = asyncio.get_running_loop().create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def authorized(
        self, name: str, action: str, details: Mapping[str, str], *, interactive: bool
    ) -> Authorization:
        """Ask polkit about a connection.

        Args:
            name: the connection's unique name.
            action: the id of the action.
            details: what polkit shows of it to a person, and to its rules.
            interactive: a person may be asked, and may take their time.
        """
        cancellation = os.urandom(8).hex()
        question = _polkit_call(
            "CheckAuthorization",
            "(sa{sv})sa{ss}us",
            [
                ["system-bus-name", {"name": Variant("s", name)}],
                action,
                dict(details),
                _ALLOW_USER_INTERACTION if interactive else 0,
                cancellation,
            ],
        )
        limit = PERSON_LIMIT if interactive else self._polkit_limit
        try:
            answer = await self._ask(question, limit)
        except TimeoutError:
            await self.send(_polkit_call("CancelCheckAuthorization", "s", [cancellation]))
            return Authorization(False, False, f"polkit did not answer within {limit:g} s")
        if answer.message_type is not MessageType.METHOD_RETURN:
            return Authorization(False, False, f"polkit cannot be asked: {answer.error_name}")
        if answer.sender != await self._ask_bus("GetNameOwner", _POLKIT):
            return Authorization(False, False, "the answer did not come from polkit")
        granted, challenge, told = answer.body[0]
        reason = "the dialog was dismissed" if "polkit.dismissed" in told else "not authorized"
        return Authorization(granted, challenge, reason)

    def _on_message(self, message: Message) -> bool:
        fds = [OwnedFd(fd) for fd in message.unix_fds]
        for fd in fds:  # the library lets them pass to programs
            os.set_inheritable(fd.fileno(), False)
        if message.message_type is MessageType.METHOD_CALL:
            self._on_call(message, fds)
            return True
        for fd in fds:
            fd.close()
        if message.message_type is MessageType.SIGNAL:
            # Anybody may send a signal of this name; only the bus has that of the sender.
            if (message.sender, message.member) == (DBUS, "NameOwnerChanged"):
                name, _, owner = message.body
                if not owner:
                    self._vanished(name)
            return False
        whom, asked = self._asked.get(message.reply_serial, ("", None))
        # The bus cannot be somebody else; of others it tells the unique name only.
        if asked is None or asked.done() or (whom == DBUS and message.sender != DBUS):
            return False
        asked.set_result(message)
        return True

    def _vanished(self, name: str) -> None:
        gone = self._gone.get(name)
        if gone is not None:
            gone()
            self.soon(self.unwatch(name))

    async def _ask_bus(self, member: str, text: str) -> Any:
        """Ask the bus itself; ``None`` for an error."""
        answer = await self._ask(
            Message(
                destination=DBUS,
                path="/org/freedesktop/DBus",
                interface=DBUS,
                member=member,
                signature="s",
                body=[text],
            )
        )
        if answer.message_type is not MessageType.METHOD_RETURN:
            return None
        return answer.body[0] if answer.body else True

    async def _ask(self, question: Message, limit: float | None = None) -> Message:
        assert self._bus is not None
        question.serial = self._bus.next_serial()
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._asked[question.serial] = (question.destination, reply)
        try:
            await self.send(question)  # a limit must not end the writing
            return await asyncio.wait_for(reply, limit)
        finally:
            self._asked.pop(question.serial, None)


@dataclass(frozen=True)
class BusLine:
    """See :class:`yama_session.service.caller.Line`.

    Args:
        connection: the service's own.
        name: the unique name of the other one.
        interactive: its call allows that a person is asked.
    """

    connection: Connection
    name: str
    interactive: bool

    async def connected(self) -> bool:
        """Tell whether it is still there."""
        return await self.connection.connected(self.name)

    async def authorized(self, action: str, details: Mapping[str, str]) -> Authorization:
        """Ask polkit about it."""
        return await self.connection.authorized(
            self.name, action, details, interactive=self.interactive
        )

    async def watch(self, gone: Callable[[], None]) -> None:
        """Have ``gone`` called when it ends."""
        await self.connection.watch(self.name, gone)

    async def unwatch(self) -> None:
        """Watch it no longer."""
        await self.connection.unwatch(self.name)

    def signal(self, signal: str, *args: object) -> None:
        """Tell it something."""
        self.connection.soon(self.connection.signal(self.name, signal, args))


def variants(value: object) -> object:
    """Give each value of a dictionary its type on the bus."""
    if isinstance(value, list):
        return [variants(item) for item in value]
    if isinstance(value, dict):
        return {key: variant(item) for key, item in value.items()}
    return value


def variant(value: object, kind: str = "") -> Variant:
    """Give a value its type on the bus, where none is named that of its class."""
    return Variant(kind or _type_of(value), value)


def _type_of(value: object) -> str:
    match value:
        case Variant():
            return "v"
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


def _match(name: str) -> str:
    return f"type='signal',sender='{DBUS}',member='NameOwnerChanged',arg0='{name}'"


def _polkit_call(member: str, signature: str, body: list[object]) -> Message:
    return Message(
        destination=_POLKIT,
        path="/org/freedesktop/PolicyKit1/Authority",
        interface=f"{_POLKIT}.Authority",
        member=member,
        signature=signature,
        body=body,
    )
