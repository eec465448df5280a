"""`list --watch` is told by the service, and sees it again after a restart."""

from __future__ import annotations

import json
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from service_bench import LIMIT, PYTHON, ServiceBench, service_bench

pytestmark = [pytest.mark.host, pytest.mark.usefixtures("as_root")]

CODE = "import sys; from yama_session.cli import main; sys.exit(main())"


@contextmanager
def watcher(bench: ServiceBench, interval: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command; its end by an interrupt is an orderly one."""
    process = subprocess.Popen(
        [PYTHON, "-c", CODE, "list", "--watch", "--json", "--interval", interval],
        bufsize=0,  # a line in a buffer is none for select
        stdout=subprocess.PIPE,
        env=bench.environ,
        cwd="/",
    )
    try:
        yield process
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT) == 0
    finally:
        process.kill()
        process.communicate()


def event(process: subprocess.Popen[bytes]) -> tuple[str, Any]:
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], LIMIT)[0], "it says nothing"
    line = json.loads(process.stdout.readline())
    return line["event"], line.get("session", {}).get("id")


def test_watching_needs_no_polling() -> None:
    with service_bench() as bench:
        bench.start()
        with bench.login() as first, watcher(bench, "3600") as process:
            ids = [first["body"][0]]
            assert event(process) == ("new", ids[0])
            with bench.login() as second:
                ids.append(second["body"][0])
                assert event(process) == ("new", ids[1])
            assert event(process) == ("removed", ids[1])


def test_watching_goes_on_over_a_restart() -> None:
    with service_bench() as bench:
        bench.start()
        with bench.login() as first, watcher(bench, "0.2") as process:
            assert event(process) == ("new", first["body"][0])
            bench.kill()
            assert event(process) == ("unreachable", None)
            bench.start()
            with bench.login() as second:
                assert event(process) == ("new", second["body"][0])


def test_service_that_hangs_is_said_so() -> None:
    with service_bench() as bench:
        bench.start()
        assert bench.service is not None
        with bench.login() as first, watcher(bench, "0.2") as process:
            assert event(process) == ("new", first["body"][0])
            bench.service.send_signal(signal.SIGSTOP)
            assert event(process) == ("unreachable", None)
            bench.service.send_signal(signal.SIGCONT)
            with bench.login() as second:
                assert event(process) == ("new", second["body"][0])


def test_descriptors_of_uninvited_signals_are_closed() -> None:
    send = """
import asyncio, os, sys
from dbus_next.aio import MessageBus
from dbus_next.constants import BusType, MessageType
from dbus_next.message import Message

async def main():
    bus = await MessageBus(bus_type=BusType.SYSTEM, negotiate_unix_fd=True).connect()
    for _ in range(int(sys.argv[2])):
        await bus.send(Message(destination=sys.argv[1], path="/x", interface="a.b", member="C",
            message_type=MessageType.SIGNAL, signature="h", body=[0], unix_fds=[0]))
    await bus.call(Message(destination="org.freedesktop.DBus", path="/org/freedesktop/DBus",
        interface="org.freedesktop.DBus", member="GetId"))

asyncio.run(main())
"""
    with service_bench() as bench:
        bench.start()
        with watcher(bench, "3600") as process:
            fds = Path(f"/proc/{process.pid}/fd")
            with bench.login() as first:
                assert event(process) == ("new", first["body"][0])
                before = len(list(fds.iterdir()))
                subprocess.run(
                    [PYTHON, "-c", send, _name_of(bench, process.pid), "40"],
                    env=bench.environ, stdin=subprocess.DEVNULL, check=True, timeout=LIMIT,
                )  # fmt: skip
            assert event(process) == ("removed", first["body"][0])
            assert len(list(fds.iterdir())) == before


def _name_of(bench: ServiceBench, pid: int) -> str:
    """The name of a process on the bus."""
    address = f"--address=unix:path={bench.directory}/bus"
    command = ["busctl", "--json=short", address, "list"]
    listed = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return next(str(peer["name"]) for peer in listed if peer["pid"] == pid)
