"""A subscriber for the tests: prints each signal of the service as a JSON line.

The first line is the answer to ``Subscribe``, ``true`` or the error's name. A
line on stdin unsubscribes, and is answered likewise.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import BusType, MessageType
from dbus_next.message import Message
from dbus_next.signature import Variant


def plain(value: Any) -> Any:
    if isinstance(value, Variant):
        return value.value
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def say(line: object) -> None:
    print(json.dumps(line), flush=True)


def on_message(message: Message) -> None:
    if message.message_type is MessageType.SIGNAL and message.path == "/org/yama/Session1":
        say([message.member, *map(plain, message.body)])


async def main() -> None:
    bus: Any = await MessageBus(bus_type=BusType.SYSTEM).connect()
    bus.add_message_handler(on_message)

    async def ask(member: str) -> None:
        names = ("org.yama.Session1", "/org/yama/Session1", "org.yama.Session1.Manager", member)
        answer = await bus.call(Message(*names))
        say(answer.error_name or True)

    await ask("Subscribe")
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        await ask("Unsubscribe")


asyncio.run(main())
