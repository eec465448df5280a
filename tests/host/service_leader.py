"""A login for the tests: opens a session as its own leader and lives until stdin ends.

A line on stdin is the same again for a child; an empty one ends that.

Arguments: JSON with ``args`` (those after the leader), and perhaps ``leader``
(the pid to name instead of one's own) or ``fd`` (a file to send instead of a
pidfd). Prints one JSON line: the reply with what its descriptors are, or the error.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import BusType, MessageType
from dbus_next.message import Message


async def main(wish: dict[str, Any]) -> None:
    bus = await MessageBus(bus_type=BusType.SYSTEM, negotiate_unix_fd=True).connect()
    if "fd" in wish:
        fd = os.open(wish["fd"], os.O_RDONLY)
    else:
        fd = os.pidfd_open(wish.get("leader", os.getpid()))
    answer: Message | None = await bus.call(
        Message(
            destination="org.yama.Session1",
            path="/org/yama/Session1",
            interface="org.yama.Session1.Manager",
            member="OpenSession",
            signature=wish.get("signature", "hussssu"),
            body=[0, *wish["args"]] if wish.get("signature") != "" else [],
            unix_fds=[fd] if wish.get("signature") != "" else [],
        )
    )
    assert answer is not None
    kinds = [str(Path(f"/proc/self/fd/{fd}").readlink()) for fd in answer.unix_fds]
    error = answer.error_name if answer.message_type is MessageType.ERROR else None
    print(json.dumps({"error": error, "body": answer.body, "fds": kinds}), flush=True)
    # The next line is a login below this one; an empty one ends that.
    # Unbuffered, since a child reads from the same pipe.
    with open(0, "rb", buffering=0, closefd=False) as lines:
        while line := lines.readline().strip():
            subprocess.run([sys.executable, __file__, line], check=True)


asyncio.run(main(json.loads(sys.argv[1])))
