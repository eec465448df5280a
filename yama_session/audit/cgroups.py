"""Control groups: their lists of processes, and writing to them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from yama_session.audit.channel import BY_VIEW, Channel, Family, Finding, is_open, is_unknown
from yama_session.audit.judge import SUCCESS, compared, told
from yama_session.audit.scene import MISSING, Scene

_ROOT = Path("/sys/fs/cgroup")


def channels() -> Iterator[Channel]:
    """Yield the channels of this family."""
    for file in ("cgroup.procs", "cgroup.threads", "tasks"):
        yield Channel(
            f"cgroups.read-{file.replace('.', '-')}",
            Family.CGROUPS,
            f"{file} of every cgroup" + " (v1)" * (file == "tasks"),
            _Lists(file),
            f"{BY_VIEW}; or a mount namespace without /sys/fs/cgroup",
        )
    yield Channel(
        "cgroups.write-cgroup-procs",
        Family.CGROUPS,
        "cgroup.procs, write",
        _write,
        BY_VIEW,
    )
    yield Channel(
        "cgroups.names",
        Family.CGROUPS,
        "the tree: units, users and sessions that run something",
        _names,
        "a cgroup namespace and a mount of its own",
        "names units and users, and no process",
    )


class _Lists:
    """Reads one kind of list in the whole tree."""

    def __init__(self, file: str) -> None:
        self._file = file

    def __call__(self, scene: Scene) -> Finding:
        numbers: set[int] = set()
        found = 0
        for directory, _, files in os.walk(_ROOT):
            if self._file in files:
                found += 1
                with suppress(OSError):
                    text = Path(directory, self._file).read_text(encoding="ascii")
                    numbers.update(map(int, text.split()))
        if not found:
            return is_unknown(f"there is no such file below {_ROOT}")
        return told(scene, numbers)


def _own_group() -> Path | None:
    for line in Path("/proc/self/cgroup").read_text(errors="replace").splitlines():
        number, _, path = line.split(":", 2)
        if number == "0":
            for root in (_ROOT, _ROOT / "unified"):
                if (root / "cgroup.procs").exists() or (root / "cgroup.controllers").exists():
                    return root / path.lstrip("/")
    return None


def _write(scene: Scene) -> Finding:
    """Put processes into the cgroup that they are in: nothing changes."""
    group = _own_group()
    if scene.twin is None:
        return is_unknown("would move the target: asked only of a process of the audit's own")
    if group is None:
        return is_unknown("there is no cgroup2 here")
    try:
        fd = os.open(group / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
    except OSError as error:
        return is_unknown(f"the own cgroup may not be written to: {error.strerror}")
    try:
        return compared(*(_moved(fd, n) for n in (scene.target, MISSING, scene.own.pid)))
    finally:
        os.close(fd)


def _moved(fd: int, number: int) -> str:
    try:
        os.write(fd, str(number).encode())
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error.errno))
    return SUCCESS


def _names(scene: Scene) -> Finding:
    group = _own_group()
    own = str(group.relative_to(_ROOT)) if group and group.is_relative_to(_ROOT) else ""
    for directory, _, _ in os.walk(_ROOT):
        place = str(Path(directory).relative_to(_ROOT))
        if place.endswith((".service", ".scope")) and not own.startswith(place):
            return is_open(f"shows {place}")
    return is_unknown(f"no unit other than the own one below {_ROOT}")
