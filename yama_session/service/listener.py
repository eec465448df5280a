"""Looks at the sessions again whenever the session service says that one has come or gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from typing import Any

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import BusType, MessageType
from dbus_next.message import Message

from yama_session.errors import ServiceError
from yama_session.service.client import ask, plain
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
            bus: Any = await MessageBus(bus_type=BusType.SYSTEM, negotiate_unix_fd=True).connect()
        except OSError as error:
            yield ServiceError(f"the system bus cannot be reached: {error}")
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
        if message.message_type is MessageType.SIGNAL and message.interface == INTERFACE:
            changed.set()

    bus.add_message_handler(heard)
    while bus.connected:
        changed.clear()
        try:
            # Again and again: a service that was restarted does not know us.
            await ask(bus, "Subscribe")
            answer = await ask(bus, "ListSessions")
            yield plain(answer.body[0])
        except ServiceError as error:
            yield error
        with suppress(TimeoutError):
            await asyncio.wait_for(changed.wait(), interval)
