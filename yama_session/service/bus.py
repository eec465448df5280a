"""The calls on the system bus: which may be made when, and how their answers are sent.

dbus-next's high-level service classes hide the sender and send tracebacks to
the caller, so the messages are handled here. Descriptors that came with a
message are closed when it has been answered, those of a reply when it has been
written.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dbus_next.constants import MessageFlag
from dbus_next.message import Message

from yama_session.native import OwnedFd
from yama_session.service.caller import Caller
from yama_session.service.connection import (
    DBUS,
    POLKIT_LIMIT,
    BusLine,
    Connection,
    variant,
    variants,
)
from yama_session.service.interface import (
    INTERFACE,
    METHODS,
    OBJECT_PATH,
    PROPERTIES,
    Access,
    introspection,
)
from yama_session.service.limits import Lines, Slots
from yama_session.service.refusal import AccessDenied, InvalidArgument, Refusal

_log = logging.getLogger(__name__)

# Seconds; the PAM module gives up after 0.8 and takes its fallback.
_SLOW = 0.4

#: How many calls with descriptors may wait: the table of descriptors is for logins.
_MAX_HOLDING = 64

#: No text of a refusal is longer: it may repeat what the caller has sent.
_MAX_TEXT = 2048

#: The uid of a caller that has gone: no real one.
_NOBODY = -1

_MACHINE_ID = Path("/etc/machine-id")


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

    async def login(self, args: Sequence[Any], fds: Sequence[OwnedFd]) -> Reply:
        """Answer likewise the call of a process that proves itself who it is."""

    def properties(self, caller: Caller) -> Mapping[str, object]:
        """Return the value of every property of the interface for a caller."""


class Unknown(Refusal):
    """What is called or asked for is not there.

    Args:
        what: the rest of the standard error's name.
        text: for the caller.
    """

    def __init__(self, what: str, text: str) -> None:
        super().__init__(text)
        self._what = what

    @property
    def bus_name(self) -> str:
        """The error's full name on the bus."""
        return f"{DBUS}.Error.{self._what}"


class Service:
    """The calls on one connection to the bus.

    Args:
        handler: answers them.
        polkit_limit: see :class:`yama_session.service.connection.Connection`.
    """

    def __init__(self, handler: Handler, polkit_limit: float = POLKIT_LIMIT) -> None:
        self._handler = handler
        self._connection = Connection(self._on_call, polkit_limit)
        self._turn = asyncio.Lock()
        self._patient = Slots("calls that wait for an answer")
        self._lines = Lines()
        self._holding = 0

    async def connect(self) -> None:
        """Connect to the system bus and take the name.

        Raises:
            ServiceError: somebody has the name.
            OSError: there is no bus.
        """
        await self._connection.connect()

    async def wait(self) -> None:
        """Return when the connection is lost."""
        await self._connection.wait()

    def _on_call(self, message: Message, fds: list[OwnedFd]) -> None:
        access = _access(message)
        # A call that waits for its turn must not fill the table of descriptors.
        full = access is Access.PATIENT and self._holding >= _MAX_HOLDING
        if access is Access.ANYONE or full:
            for fd in fds:
                fd.close()
            fds = []  # without them a method that wants some refuses
        self._holding += bool(fds)
        self._connection.soon(self._serve(message, access, fds))

    async def _serve(self, message: Message, access: Access, fds: list[OwnedFd]) -> None:
        try:
            if access is Access.LEADER:  # a login does not wait for the bus to be asked
                await self._serve_now(message, fds, None)
            elif access is Access.ROOT:
                await self._serve_at_once(message, fds)
            elif access is Access.ANYONE:
                async with self._turn:
                    await self._serve_at_once(message, fds)
            else:
                await self._serve_patiently(message, fds)
        finally:
            self._holding -= bool(fds)
            for fd in fds:
                fd.close()

    async def _serve_at_once(self, message: Message, fds: list[OwnedFd]) -> None:
        try:
            caller = await self._caller(message)
        except Refusal as error:
            await self._send(message, self._refused(message, error, None))
            return
        await self._serve_now(message, fds, caller)

    async def _serve_patiently(self, message: Message, fds: list[OwnedFd]) -> None:
        """Let the call wait outside the line, if its user has not too many that do."""
        with ExitStack() as slot:
            async with self._turn:
                caller = None
                try:
                    caller = await self._caller(message)
                    slot.enter_context(self._patient.take(caller.uid))
                except Refusal as error:
                    await self._send(message, self._refused(message, error, caller))
                    return
            await self._serve_now(message, fds, caller, patient=True)

    async def _serve_now(
        self,
        message: Message,
        fds: list[OwnedFd],
        caller: Caller | None,
        *,
        patient: bool = False,
    ) -> None:
        what = f"{message.member} of {message.sender}"
        reply = Reply()
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            answer, reply = await self._answer(message, fds, caller)
        except Refusal as error:
            answer = self._refused(message, error, caller)
        except Exception:
            _log.exception("%s failed", what)
            answer = Message.new_error(
                message, f"{DBUS}.Error.Failed", "internal error: see the journal of the service"
            )
        if not patient and loop.time() - start > _SLOW:
            _log.warning("%s took %.0f ms", what, 1000 * (loop.time() - start))
        try:
            await self._send(message, answer)
        finally:
            for fd in reply.fds:
                fd.close()

    async def _send(self, message: Message, answer: Message) -> None:
        if not message.flags & MessageFlag.NO_REPLY_EXPECTED:
            await self._connection.send(answer)

    async def _answer(
        self, message: Message, fds: Sequence[OwnedFd], caller: Caller | None
    ) -> tuple[Message, Reply]:
        interface = message.interface or INTERFACE
        if interface == f"{DBUS}.Introspectable" or interface == f"{DBUS}.Peer":
            return _anywhere(message), Reply()
        if message.path != OBJECT_PATH:
            raise Unknown("UnknownObject", f"there is no object {message.path}")
        if interface == f"{DBUS}.Properties":
            return self._property(message, _known(caller)), Reply()
        method = METHODS.get(message.member) if interface == INTERFACE else None
        if method is None:
            raise Unknown("UnknownMethod", f"there is no {interface}.{message.member}")
        _check_signature(message, method.signature)
        if method.access is Access.LEADER:
            reply = await self._handler.login(message.body, fds)
        else:
            reply = await self._handler.call(method.name, _known(caller), message.body, fds)
        answer = Message.new_method_return(
            message,
            method.result_signature,
            [variants(result) for result in reply.results],
            [fd.fileno() for fd in reply.fds],
        )
        return answer, reply

    def _property(self, message: Message, caller: Caller) -> Message:
        takes = {"Get": "ss", "GetAll": "s", "Set": "ssv"}.get(message.member)
        if takes is None:
            raise Unknown("UnknownMethod", f"there is no {message.interface}.{message.member}")
        _check_signature(message, takes)
        interface = message.body[0]
        if interface not in (INTERFACE, ""):
            raise Unknown("UnknownInterface", f"no interface {interface!r} has properties here")
        if message.member == "GetAll":
            values = self._handler.properties(caller)
            found = {name: variant(values[name], item.kind) for name, item in PROPERTIES.items()}
            return Message.new_method_return(message, "a{sv}", [found])
        item = PROPERTIES.get(message.body[1])
        if item is None:
            raise Unknown("UnknownProperty", f"there is no property {message.body[1]!r}")
        if message.member == "Set":
            raise Unknown("PropertyReadOnly", f"{item.name} cannot be set")
        value = variant(self._handler.properties(caller)[item.name], item.kind)
        return Message.new_method_return(message, "v", [value])

    def _refused(self, message: Message, error: Refusal, caller: Caller | None) -> Message:
        """Return the answer that refuses a call, and say so in the journal, not too often."""
        text = str(error)
        if len(text) > _MAX_TEXT:
            text = f"{text[:_MAX_TEXT]}…"
        uid, who = _whose(message, caller)
        line = self._lines.bounded(uid, f"refused {message.member} {who}: {text}")
        if line is not None:
            _log.info("%s", line)
        return Message.new_error(message, error.bus_name, text)

    async def _caller(self, message: Message) -> Caller:
        name = message.sender
        facts = await self._connection.credentials(name)
        if facts is None:
            raise AccessDenied(f"the caller {name} has gone")
        interactive = bool(message.flags & MessageFlag.ALLOW_INTERACTIVE_AUTHORIZATION)
        line = BusLine(self._connection, name, interactive)
        try:
            return Caller(name, int(facts["UnixUserID"]), int(facts["ProcessID"]), line)
        except KeyError as error:
            raise AccessDenied(f"the bus does not know the {error} of {name}") from None


def _access(message: Message) -> Access:
    method = METHODS.get(message.member)
    own = message.interface in (INTERFACE, None)
    return method.access if own and method is not None else Access.ANYONE


def _anywhere(message: Message) -> Message:
    """Answer what every object, and every path to one, is asked."""
    match message.member:
        case "Introspect":
            _check_signature(message, "")
            return Message.new_method_return(message, "s", [introspection(message.path)])
        case "Ping":
            return Message.new_method_return(message)
        case "GetMachineId":
            return Message.new_method_return(message, "s", [_MACHINE_ID.read_text().strip()])
        case _:
            raise Unknown("UnknownMethod", f"there is no {message.interface}.{message.member}")


def _check_signature(message: Message, signature: str) -> None:
    if message.signature != signature:
        raise InvalidArgument(f"{message.member} takes '{signature}', not '{message.signature}'")


def _known(caller: Caller | None) -> Caller:
    """Return the caller, whom only a login is served without."""
    assert caller is not None
    return caller


def _whose(message: Message, caller: Caller | None) -> tuple[int, str]:
    """Return the uid that has caused a refusal, and who that is for the journal."""
    if caller is not None:
        return caller.uid, f"of uid {caller.uid} (pid {caller.pid}, {message.sender})"
    login = METHODS["OpenSession"]
    if _access(message) is login.access and message.signature == login.signature:
        uid = int(message.body[2])
        return uid, f"for uid {uid} ({message.sender})"
    return _NOBODY, f"of {message.sender}, whom the bus does not know"
