"""In the place of polkit, for what the real one cannot be made to do: hang, or say what we want.

Arguments: the answer, ``yes``, ``no``, ``challenge`` or ``hang``. Prints a line
when it has the name, and each question as a JSON line.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import BusType, MessageType
from dbus_next.message import Message

ANSWERS = {"yes": [True, False, {}], "no": [False, False, {}], "challenge": [False, True, {}]}


async def main(answer: str) -> None:
    bus: Any = await MessageBus(bus_type=BusType.SYSTEM).connect()

    def on_message(message: Message) -> Message | bool:
        if message.message_type is not MessageType.METHOD_CALL:
            return False
        body = message.body
        if message.member != "CheckAuthorization":
            print(json.dumps([message.member, *body]), flush=True)
            return Message.new_method_return(message)
        subject = [body[0][0], {key: value.value for key, value in body[0][1].items()}]
        print(json.dumps([message.member, subject, *body[1:]]), flush=True)
        if answer == "hang":
            return True
        return Message.new_method_return(message, "(bba{ss})", [ANSWERS[answer]])

    bus.add_message_handler(on_message)
    await bus.request_name("org.freedesktop.PolicyKit1")
    print(json.dumps("ready"), flush=True)
    await bus.wait_for_disconnect()


asyncio.run(main(sys.argv[1]))
