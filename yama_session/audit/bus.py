"""The system bus: what systemd, logind and the bus itself tell of processes."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from yama_session.audit.channel import (
    Channel,
    Family,
    Finding,
    is_closed,
    is_open,
    is_unknown,
)
from yama_session.audit.judge import SUCCESS, compared, told_outside
from yama_session.audit.scene import MISSING, Scene

#: The file that closes some of them, and where it is after `make install`.
FRAGMENT = "yama-session-hide-units.conf"
_BY_FRAGMENT = f"the bus policy {FRAGMENT}, for the users named in it"
_LIMIT = 4.0

_SYSTEMD = "org.freedesktop.systemd1"
_SYSTEMD_PATH = "/org/freedesktop/systemd1"
_LOGIND = "org.freedesktop.login1"
_LOGIND_PATH = "/org/freedesktop/login1"
_DBUS = "org.freedesktop.DBus"
_DBUS_PATH = "/org/freedesktop/DBus"
_PROPERTIES = "org.freedesktop.DBus.Properties"
_DENIED = f"{_DBUS}.Error.AccessDenied"
_STATUS_NEEDS_IT = "systemctl status needs it; bus policies cannot tell properties apart"
_DESKTOP_NEEDS_IT = "desktops, polkit and loginctl need it"


def channels() -> Iterator[Channel]:
    """Yield the channels of this family."""
    # Once here, and not again in the child of each probe.
    with suppress(ImportError):
        import_module("dbus_next.aio.message_bus")
    for name, words, probe, closed_by, note in (
        ("unit-processes", "systemd: GetUnitProcesses", _unit_processes, _BY_FRAGMENT, ""),
        ("get-processes", "systemd: GetProcesses of a unit", _get_processes, _BY_FRAGMENT, ""),
        ("dump", "systemd: Dump", _dump, _BY_FRAGMENT, ""),
        ("unit-by-pid", "systemd: GetUnitByPID", _unit_by_pid, _BY_FRAGMENT, ""),
        (
            "attach-processes",
            "systemd: AttachProcessesToUnit",
            _attach_processes,
            "",
            "systemd --user needs it: systemd-run --user --scope",
        ),
        ("main-pid", "systemd: MainPID of a unit", _main_pid, "", _STATUS_NEEDS_IT),
        ("control-group", "systemd: ControlGroup of a unit", _control_group, "", _STATUS_NEEDS_IT),
        ("units", "systemd: ListUnits", _units, "", "systemctl status needs it"),
        ("sessions", "logind: sessions and their Leader", _sessions, "", _DESKTOP_NEEDS_IT),
        ("session-by-pid", "logind: GetSessionByPID", _session_by_pid, "", _DESKTOP_NEEDS_IT),
        ("inhibitors", "logind: ListInhibitors", _inhibitors, "", _DESKTOP_NEEDS_IT),
        (
            "connection-pid",
            "the bus: GetConnectionUnixProcessID",
            _connection_pid,
            "",
            "services ask it about their callers",
        ),
    ):
        yield Channel(f"bus.{name}", Family.BUS, words, _Asked(probe), closed_by, note)


class _Asked:
    """A probe that the bus may refuse."""

    def __init__(self, probe: Callable[[Scene], Finding]) -> None:
        self._probe = probe

    def __call__(self, scene: Scene) -> Finding:
        try:
            return self._probe(scene)
        except _Error as error:
            if error.name == _DENIED:
                return is_closed(f"refused: {error.text}")
            return is_unknown(f"{error.name}: {error.text}")
        except (ImportError, OSError, TimeoutError, EOFError) as error:
            return is_unknown(f"the system bus cannot be asked: {error or type(error).__name__}")


class _Error(Exception):
    """An error that came back.

    Args:
        name: its name.
        text: for a person.
        by_bus: whether the bus did not let the call through.
    """

    def __init__(self, name: str, text: str, *, by_bus: bool) -> None:
        super().__init__(name, text)
        self.name = name
        self.text = text
        self.by_bus = by_bus


@dataclass(frozen=True)
class _Call:
    """A method call."""

    destination: str
    path: str
    interface: str
    member: str
    signature: str = ""
    body: Sequence[object] = ()


def _results(call: _Call) -> list[Any]:
    """Make a call and return what it says.

    Raises:
        _Error: an error came back.
        OSError, EOFError, TimeoutError: there is no bus, or no answer.
        ImportError: the library for it is not installed.
    """
    return asyncio.run(asyncio.wait_for(_exchange(call), _LIMIT))


async def _exchange(call: _Call) -> list[Any]:
    from dbus_next.aio.message_bus import MessageBus
    from dbus_next.constants import BusType, MessageFlag, MessageType
    from dbus_next.message import Message

    bus: Any = await MessageBus(bus_type=BusType.SYSTEM).connect()
    try:
        answer: Message | None = await bus.call(
            Message(
                destination=call.destination,
                path=call.path,
                interface=call.interface,
                member=call.member,
                signature=call.signature,
                body=list(call.body),
                flags=MessageFlag.NO_AUTOSTART,
            )
        )
    finally:
        bus.disconnect()
    assert answer is not None  # a method call has one
    if answer.message_type is MessageType.ERROR:
        text = str(answer.body[0]) if answer.body else ""
        raise _Error(str(answer.error_name), text, by_bus=answer.sender == _DBUS)
    return list(answer.body)


def _manager(member: str, signature: str = "", *body: object) -> list[Any]:
    interface = f"{_SYSTEMD}.Manager"
    return _results(_Call(_SYSTEMD, _SYSTEMD_PATH, interface, member, signature, body))


def _logind(member: str, signature: str = "", *body: object) -> list[Any]:
    interface = f"{_LOGIND}.Manager"
    return _results(_Call(_LOGIND, _LOGIND_PATH, interface, member, signature, body))


def _property(destination: str, path: str, interface: str, name: str) -> Any:
    call = _Call(destination, path, _PROPERTIES, "Get", "ss", (interface, name))
    return _results(call)[0].value


def _answer(ask: Callable[[int], object], number: int) -> str:
    """Return what a method says of a number: success or the last word of the error.

    Raises:
        _Error: the bus does not let the call through.
    """
    try:
        ask(number)
    except _Error as error:
        if error.by_bus:
            raise
        # Texts repeat the number that was asked for.
        return error.name.rpartition(".")[2]
    return SUCCESS


def _compared(
    scene: Scene, ask: Callable[[int], object], *, sure: bool = True, why: str = ""
) -> Finding:
    numbers = (scene.target, MISSING, scene.own.pid)
    return compared(*(_answer(ask, number) for number in numbers), sure=sure, why=why)


# init.scope holds pid 1, on every machine with systemd.


def _unit_processes(scene: Scene) -> Finding:
    (processes,) = _manager("GetUnitProcesses", "s", "init.scope")
    return told_outside(scene, (int(pid) for _, pid, _ in processes), "GetUnitProcesses")


def _get_processes(scene: Scene) -> Finding:
    path = f"{_SYSTEMD_PATH}/unit/init_2escope"
    (processes,) = _results(_Call(_SYSTEMD, path, f"{_SYSTEMD}.Scope", "GetProcesses"))
    return told_outside(scene, (int(pid) for _, pid, _ in processes), "GetProcesses")


def _dump(scene: Scene) -> Finding:
    (text,) = _manager("Dump")
    return told_outside(scene, map(int, re.findall(r"\bPID: (\d+)", text)), "Dump")


def _unit_by_pid(scene: Scene) -> Finding:
    return _compared(scene, lambda number: _manager("GetUnitByPID", "u", number))


def _attach_processes(scene: Scene) -> Finding:
    """Ask for pid 1, which no user may move: systemd looks at it before it refuses."""
    uid = os.getuid()
    if not uid:
        return is_unknown("root's call would move the process: not asked")

    def attach(number: int) -> object:
        return _manager("AttachProcessesToUnit", "ssau", f"user@{uid}.service", "", [number])

    one, free = _answer(attach, 1), _answer(attach, MISSING)
    if one != free:
        return is_open(f"pid 1 answers {one}, a free number {free}")
    return is_unknown(f"{one} for pid 1 as for a free number")


def _main_pid(scene: Scene) -> Finding:
    path = f"{_SYSTEMD_PATH}/unit/dbus_2eservice"
    number = _property(_SYSTEMD, path, f"{_SYSTEMD}.Service", "MainPID")
    return told_outside(scene, [int(number)], "dbus.service")


def _control_group(scene: Scene) -> Finding:
    path = f"{_SYSTEMD_PATH}/unit/dbus_2eservice"
    group = _property(_SYSTEMD, path, f"{_SYSTEMD}.Service", "ControlGroup")
    if group:
        return is_open(f"dbus.service is in {group}")
    return is_unknown("dbus.service has none")


def _units(scene: Scene) -> Finding:
    (units,) = _manager("ListUnits")
    running = [unit[0] for unit in units if unit[4] == "running"]
    if running:
        return is_open(f"names {len(running)} units that run, {running[0]} the first")
    return is_unknown("no unit runs")


def _sessions(scene: Scene) -> Finding:
    (sessions,) = _logind("ListSessions")
    interface = f"{_LOGIND}.Session"
    leaders = [_property(_LOGIND, session[4], interface, "Leader") for session in sessions]
    return told_outside(scene, map(int, leaders), "the Leader of a session")


def _session_by_pid(scene: Scene) -> Finding:
    return _compared(
        scene,
        lambda number: _logind("GetSessionByPID", "u", number),
        sure=scene.twin is not None,
        why="whether it is in a session is not known",
    )


def _inhibitors(scene: Scene) -> Finding:
    (inhibitors,) = _logind("ListInhibitors")
    return told_outside(scene, (int(item[5]) for item in inhibitors), "an inhibitor")


def _connection_pid(scene: Scene) -> Finding:
    call = _Call(_DBUS, _DBUS_PATH, _DBUS, "GetConnectionUnixProcessID", "s", (_SYSTEMD,))
    return told_outside(scene, [int(_results(call)[0])], "the bus")
