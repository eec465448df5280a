"""Looks at the sessions again whenever the session service says that one has come or gone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from typing import Any

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import BusType, MessageType
from dbus_next.message import Message

from yama_session.errors import ServiceError
from yama_session.service.client import BUS_ERRORS, LIMIT, ask, plain, unreachable
from yama_session.service.interface import INTERFACE

Look = list[dict[str, Any]] | ServiceError


def looks(interval: float) -> Iterator[Look]:
    """Yield the sessions that the caller may know of: now, and after every change.

    While the service is away, what is wrong with it.

    Args:
        interval: seconds after which it looks in any case; what changes of a
            session without a signal is seen then, and a service that is back.
    """
    with asyncio.Runner() as runner:
        found = _looks(interval)

        async def next_look() -> Look:
            return await anext(found)

        try:
            while True:
                yield runner.run(next_look())
        finally:
            runner.run(found.aclose())


async def _looks(interval: float) -> AsyncGenerator[Look, None]:
    while True:
        try:
            connecting = MessageBus(bus_type=BusType.SYSTEM, negotiate_unix_fd=True).connect()
            bus: Any = await asyncio.wait_for(connecting, LIMIT)
        except TimeoutError:
            yield ServiceError(f"the system bus did not answer within {LIMIT:g} s")
            continue
        except BUS_ERRORS as error:
            yield unreachable(error)
            await asyncio.sleep(interval)
            continue
        try:
            async for look in _looks_by(bus, interval):
                yield look
        finally:
            bus.disconnect()


async def _looks_by(bus: Any, interval: float) -> AsyncGenerator[Look, None]:
    changed = asyncio.Event()

    def heard(message: Message) -> None:
        if message.message_type is MessageType.SIGNAL:
            for fd in message.unix_fds:  # anybody may send one, with descriptors
                os.close(fd)
        if message.message_type is MessageType.SIGNAL and message.interface == INTERFACE:
            changed.set()

    bus.add_message_handler(heard)
    while bus.connected:
        changed.clear()
        try:
            # Again and again: a service that was restarted does not know us.
            await asyncio.wait_for(ask(bus, "Subscribe"), LIMIT)
            answer = await asyncio.wait_for(ask(bus, "ListSessions"), LIMIT)
            yield plain(answer.body[0])
        except TimeoutError:
            yield ServiceError(f"the session service did not answer within {LIMIT:g} s")
        except ServiceError as error:
            yield error
        with suppress(TimeoutError):
            await asyncio.wait_for(changed.wait(), interval)
