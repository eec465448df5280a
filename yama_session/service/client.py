"""Asks the session service, for programs that do nothing else meanwhile."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import BusType, MessageFlag, MessageType
from dbus_next.errors import AuthError, InvalidAddressError, InvalidMessageError
from dbus_next.message import Message
from dbus_next.signature import Variant

from yama_session.errors import ServiceError
from yama_session.service.interface import BUS_NAME, INTERFACE, OBJECT_PATH
from yama_session.service.refusal import ERRORS

#: Seconds to wait for an answer.
LIMIT = 5.0

#: Seconds where a person may be asked first; the service gives up before.
PATIENT_LIMIT = 130.0

#: What dbus-next raises where there is no bus, or one that is none.
BUS_ERRORS = (OSError, EOFError, AuthError, InvalidAddressError, InvalidMessageError)

_DENIED = "org.freedesktop.DBus.Error.AccessDenied"

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
    answer: dict[str, Any] = plain(_call("Status")[0])
    return answer


def list_sessions() -> list[dict[str, Any]]:
    """Return the sessions that the caller may know of, one dictionary each.

    Raises:
        ServiceError: as for :func:`status`.
    """
    answer: list[dict[str, Any]] = plain(_call("ListSessions")[0])
    return answer


def detached_procfs() -> int:
    """Return the descriptor of a new ``hidepid=ptraceable`` procfs, the caller's own.

    Raises:
        ServiceError: as for :func:`status`; or too many were asked for.
    """
    fds = _exchange("GetDetachedProcfs").unix_fds
    if len(fds) != 1:
        for fd in fds:
            os.close(fd)
        raise ServiceError(f"the session service sent {len(fds)} descriptors instead of one")
    os.set_inheritable(fds[0], False)
    return fds[0]


def list_all_sessions() -> list[dict[str, Any]]:
    """Return the sessions of all users; polkit may ask who the caller is.

    Raises:
        ServiceError: as for :func:`status`; or polkit says no.
    """
    answer: list[dict[str, Any]] = plain(_call("ListAllSessions", patient=True)[0])
    return answer


def reload() -> None:
    """Have the policy read again; polkit may ask who the caller is.

    Raises:
        ServiceError: as for :func:`status`; or polkit says no, or the policy
            is broken, and the message says in which file and line.
    """
    _call("Reload", patient=True)


def policy_sources() -> list[tuple[str, str]]:
    """Return file and text of each part of the policy in force; for root only.

    Raises:
        ServiceError: as for :func:`status`; or there is no policy.
    """
    return [(file, text) for file, text in _call("GetPolicy")[0]]


def allow_attach(tracee: int, tracer: int, seconds: int) -> str:
    """Let a process be traced by another one for a time; polkit may ask who the caller is.

    What :func:`yama_session.allow` does, for those without the capability.

    Args:
        tracee: pidfd of the process to be traced.
        tracer: pidfd of the process that may trace it.
        seconds: for how long; an attach made until then stays.

    Returns:
        The id of the grant, for :func:`revoke_attach`.

    Raises:
        ServiceError: as for :func:`status`; or polkit says no, or one of the
            processes is not what it should be.
    """
    # The indices are those of the descriptors in the message.
    body = _call("AllowAttach", "hhu", [0, 1, seconds], [tracee, tracer], patient=True)
    return str(body[0])


def revoke_attach(grant: str) -> None:
    """Withdraw a grant: an attach already made stays.

    Raises:
        ServiceError: as for :func:`status`; or there is none with this id.
    """
    _call("RevokeAttach", "s", [grant])


def list_grants() -> list[dict[str, Any]]:
    """Return the grants that the caller may know of, one dictionary each.

    Raises:
        ServiceError: as for :func:`status`.
    """
    answer: list[dict[str, Any]] = plain(_call("ListGrants")[0])
    return answer


async def ask(
    bus: Any,
    member: str,
    signature: str = "",
    body: Sequence[object] = (),
    fds: Sequence[int] = (),
    *,
    patient: bool = False,
) -> Message:
    """Call a method of the service on a connection to the bus, and return the answer.

    Args:
        bus: the connection.
        member: the method.
        signature: the types of its arguments.
        body: its arguments.
        fds: the descriptors whose indices are among them.
        patient: polkit may ask a person before.

    Raises:
        ServiceError: there is no service, or it refused.
    """
    # Looking must not start what an administrator has switched off.
    flags = MessageFlag.NO_AUTOSTART
    if patient:
        flags |= MessageFlag.ALLOW_INTERACTIVE_AUTHORIZATION
    question = Message(
        destination=BUS_NAME,
        path=OBJECT_PATH,
        interface=INTERFACE,
        member=member,
        flags=flags,
        signature=signature,
        body=list(body),
        unix_fds=list(fds),
    )
    answer: Message | None = await bus.call(question)
    assert answer is not None  # a method call has one
    if answer.error_name in _NOBODY:
        raise ServiceError("the session service is not running: 'systemctl status yama-session'")
    if answer.error_name == _DENIED:  # by the bus: the service was not asked
        raise ServiceError(f"only root may ask the session service for {member}")
    if answer.message_type is MessageType.ERROR:
        reason = answer.body[0] if answer.body else answer.error_name
        kind = ERRORS.get(answer.error_name, ServiceError)
        raise kind(f"the session service refused {member}: {reason}")
    return answer


def _call(
    member: str,
    signature: str = "",
    body: Sequence[object] = (),
    fds: Sequence[int] = (),
    *,
    patient: bool = False,
) -> list[Any]:
    answer = _exchange(member, signature, body, fds, patient=patient)
    for fd in answer.unix_fds:
        os.close(fd)
    results: list[Any] = answer.body
    return results


def _exchange(
    member: str,
    signature: str = "",
    body: Sequence[object] = (),
    fds: Sequence[int] = (),
    *,
    patient: bool = False,
) -> Message:
    async def once() -> Message:
        bus: Any = await MessageBus(bus_type=BusType.SYSTEM, negotiate_unix_fd=True).connect()
        try:
            return await ask(bus, member, signature, body, fds, patient=patient)
        finally:
            bus.disconnect()

    limit = PATIENT_LIMIT if patient else LIMIT
    try:
        return asyncio.run(asyncio.wait_for(once(), limit))
    except TimeoutError:
        raise ServiceError(f"the session service did not answer within {limit:g} s") from None
    except BUS_ERRORS as error:
        raise unreachable(error) from None


def unreachable(error: Exception) -> ServiceError:
    """Return what to raise in place of one of ``BUS_ERRORS``."""
    reason = str(error) or type(error).__name__
    return ServiceError(f"the system bus cannot be reached: {reason}")


def plain(value: Any) -> Any:
    """Return a value of the bus without its types."""
    if isinstance(value, Variant):
        return plain(value.value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value
