"""Asks the session service, for programs that do nothing else meanwhile."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import BusType, MessageFlag, MessageType
from dbus_next.message import Message
from dbus_next.signature import Variant

from yama_session.errors import ServiceError
from yama_session.service.interface import BUS_NAME, INTERFACE, OBJECT_PATH

#: Seconds to wait for an answer.
LIMIT = 5.0

#: What the bus says when nobody has the service's name.
_NOBODY = {
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
}


def status() -> dict[str, Any]:
    """Return the service's status, as far as the caller may know it.

    Raises:
        ServiceError: the service cannot be reached, or refused.
    """
    answer: dict[str, Any] = _plain(_call("Status")[0])
    return answer


def list_sessions() -> list[dict[str, Any]]:
    """Return the sessions that the caller may know of, one dictionary each.

    Raises:
        ServiceError: as for :func:`status`.
    """
    answer: list[dict[str, Any]] = _plain(_call("ListSessions")[0])
    return answer


def detached_procfs() -> int:
    """Return the descriptor of a new ``hidepid=ptraceable`` procfs, the caller's own.

    Raises:
        ServiceError: as for :func:`status`; or too many were asked for.
    """
    _, fds = _exchange("GetDetachedProcfs")
    if len(fds) != 1:
        for fd in fds:
            os.close(fd)
        raise ServiceError(f"the session service sent {len(fds)} descriptors instead of one")
    os.set_inheritable(fds[0], False)
    return fds[0]


def reload() -> None:
    """Have the policy read again.

    Raises:
        ServiceError: as for :func:`status`; or the policy is broken, and the
            message says in which file and line.
    """
    _call("Reload")


def policy_sources() -> list[tuple[str, str]]:
    """Return file and text of each part of the policy in force; for root only.

    Raises:
        ServiceError: as for :func:`status`; or there is no policy.
    """
    return [(file, text) for file, text in _call("GetPolicy")[0]]


def _call(member: str) -> list[Any]:
    body, fds = _exchange(member)
    for fd in fds:
        os.close(fd)
    return body


def _exchange(member: str) -> tuple[list[Any], list[int]]:
    try:
        message = asyncio.run(asyncio.wait_for(_send(member), LIMIT))
    except TimeoutError:
        raise ServiceError(f"the session service did not answer within {LIMIT:g} s") from None
    except OSError as error:
        raise ServiceError(f"the system bus cannot be reached: {error}") from None
    if message.error_name in _NOBODY:
        raise ServiceError("the session service is not running: 'systemctl status yama-session'")
    if message.message_type is MessageType.ERROR:
        reason = message.body[0] if message.body else message.error_name
        raise ServiceError(f"the session service refused {member}: {reason}")
    return message.body, message.unix_fds


async def _send(member: str) -> Message:
    bus: Any = await MessageBus(bus_type=BusType.SYSTEM, negotiate_unix_fd=True).connect()
    try:
        answer: Message | None = await bus.call(
            Message(
                destination=BUS_NAME,
                path=OBJECT_PATH,
                interface=INTERFACE,
                member=member,
                # Looking must not start what an administrator has switched off.
                flags=MessageFlag.NO_AUTOSTART,
            )
        )
        assert answer is not None  # a method call has one
        return answer
    finally:
        bus.disconnect()


def _plain(value: Any) -> Any:
    """Return a value of the bus without its types."""
    if isinstance(value, Variant):
        return _plain(value.value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
