"""Counts of processes, which name nobody, but tell that something was started."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path

from yama_session.audit.channel import Channel, Family, Finding, is_open, is_unknown
from yama_session.audit.scene import Scene

_NOTE = "a count, which names nobody"
_CLOSED_BY = "a pid namespace of its own"
_STARTED = 5


def channels() -> Iterator[Channel]:
    """Yield the channels of this family."""
    for name, words, read in (
        ("last-pid", "/proc/loadavg: last pid", _last_pid),
        ("ns-last-pid", "/proc/sys/kernel/ns_last_pid", _ns_last_pid),
        ("forks", "/proc/stat: processes", _forks),
    ):
        probe = _Grows(read)
        yield Channel(f"counts.{name}", Family.COUNTS, words, probe, _CLOSED_BY, _NOTE)
    for name, words, read in (
        ("threads", "/proc/loadavg: number of threads", _threads),
        ("sysinfo", "sysinfo(2): procs", _sysinfo),
    ):
        total = _Total(read)
        yield Channel(f"counts.{name}", Family.COUNTS, words, total, _CLOSED_BY, _NOTE)


class _Grows:
    """Looks if a number grows while a process outside starts others."""

    def __init__(self, read: Callable[[], int]) -> None:
        self._read = read

    def __call__(self, scene: Scene) -> Finding:
        before = self._read()
        if scene.twin is None:
            return is_unknown("whether it counts the target cannot be tried")
        scene.twin_forks(_STARTED)
        grown = self._read() - before
        if grown >= _STARTED:
            return is_open(f"grew by {grown} when the target started {_STARTED} processes")
        return is_unknown(f"grew by {grown} when the target started {_STARTED} processes")


class _Total:
    """Looks if a number is larger than what is visible."""

    def __init__(self, read: Callable[[], int]) -> None:
        self._read = read

    def __call__(self, scene: Scene) -> Finding:
        visible = sum(1 for _ in Path("/proc").glob("[0-9]*/task/[0-9]*"))
        total = self._read()
        target = Path(f"/proc/{scene.target}").exists()
        if target or total > visible + 2:  # it may have grown meanwhile
            return is_open(f"{total} threads, of which {visible} are visible")
        return is_unknown(f"{total} threads, and {visible} are visible")


def _loadavg() -> list[str]:
    return Path("/proc/loadavg").read_text(encoding="ascii").split()


def _last_pid() -> int:
    return int(_loadavg()[4])


def _threads() -> int:
    return int(_loadavg()[3].partition("/")[2])


def _ns_last_pid() -> int:
    return int(Path("/proc/sys/kernel/ns_last_pid").read_text(encoding="ascii"))


def _forks() -> int:
    text = Path("/proc/stat").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("processes "))


class _Sysinfo(ctypes.Structure):
    _fields_ = (
        ("uptime", ctypes.c_long),
        ("loads", ctypes.c_ulong * 3),
        ("memory", ctypes.c_ulong * 6),
        ("procs", ctypes.c_ushort),
        ("rest", ctypes.c_char * 64),
    )


def _sysinfo() -> int:
    info = _Sysinfo()
    ctypes.CDLL(None).sysinfo(ctypes.byref(info))
    return int(info.procs)
