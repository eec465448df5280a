"""One call for the tests: prints the error's name and text, or the results, as a JSON line.

Arguments: interface, member, and perhaps the signature with its arguments, all
of them strings, where ``v`` is a string, too.
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


async def main(interface: str, member: str, signature: str = "", *args: str) -> None:
    bus: Any = await MessageBus(bus_type=BusType.SYSTEM).connect()
    body: list[object] = list(args)
    if signature.endswith("v"):
        *rest, kind, value = args
        body = [*rest, Variant(kind, value)]
    names = ("org.yama.Session1", "/org/yama/Session1", interface, member)
    answer = await bus.call(Message(*names, signature=signature, body=body))
    if answer.message_type is MessageType.ERROR:
        print(json.dumps([answer.error_name, *answer.body]), flush=True)
    else:
        print(json.dumps(answer.body), flush=True)


asyncio.run(main(*sys.argv[1:]))
