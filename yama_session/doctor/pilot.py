"""What users would no longer see or reach if a policy that is only logged were applied."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from yama_session.levels import Scope, View
from yama_session.policy import Settings

_SLICE = re.compile(r"/user-(\d+)\.slice/")
_UNIT = re.compile(r"[^/\s]+\.(?:service|scope)")


@dataclass(frozen=True)
class Task:
    """A process as the pilot looks at it.

    Args:
        pid: its number.
        parent: its parent's.
        uid: its real uid.
        name: its name.
        tracer: who traces it, 0 for nobody.
        cgroup: the text of its ``/proc/PID/cgroup``.
    """

    pid: int
    parent: int
    uid: int
    name: str
    tracer: int = 0
    cgroup: str = ""

    @property
    def unit(self) -> str:
        """The unit that it runs in, empty for none."""
        found = _UNIT.findall(self.cgroup)
        return str(found[0]) if found else ""


@dataclass(frozen=True)
class Losses:
    """What the sessions of one user would lose.

    Args:
        members: how many processes are in the sessions.
        others: how many processes of each other uid would not be seen.
        own: the user's own processes outside the sessions, which would not be seen.
        traced: tracers in the sessions, each with what it could not have attached to.
    """

    members: int
    others: Mapping[int, int]
    own: tuple[Task, ...]
    traced: tuple[tuple[Task, Task], ...]


def tasks() -> Iterator[Task]:
    """Yield all processes of the machine."""
    for directory in Path("/proc").iterdir():
        if not directory.name.isdecimal():
            continue
        with suppress(OSError, KeyError):  # it may exit while it is looked at
            text = (directory / "status").read_text(errors="replace")
            status = dict(line.partition(":\t")[::2] for line in text.splitlines())
            yield Task(
                int(directory.name),
                int(status["PPid"]),
                int(status["Uid"].split()[0]),
                status["Name"],
                int(status["TracerPid"]),
                (directory / "cgroup").read_text(errors="replace"),
            )


def losses(
    found: Collection[Task], uid: int, leaders: Collection[int], settings: Settings
) -> Losses:
    """Return what the sessions of a user would lose.

    A session is what descends from its leader or is below the user's slice, as
    all is that the user's service manager starts.

    Args:
        found: all processes.
        uid: the user.
        leaders: the leaders of the user's sessions.
        settings: what the sessions would get.
    """
    by_pid = {task.pid: task for task in found}
    members = {
        task.pid
        for task in found
        if _slice(task) == uid or not leaders_above(task.pid, by_pid).isdisjoint(leaders)
    }
    hidden = [
        task
        for task in found
        if settings.view is not View.ALL
        and task.pid not in members
        and not (settings.view is View.USER and task.uid == uid)
        and task.parent != 2  # threads of the kernel
        and task.pid != 2
    ]
    traced = [
        (by_pid[task.tracer], task)
        for task in found
        if task.tracer in members and task.tracer in by_pid
        if not _may_attach(by_pid, task, settings.scope) or task in hidden
    ]
    return Losses(
        len(members),
        Counter(task.uid for task in hidden if task.uid != uid),
        tuple(task for task in hidden if task.uid == uid),
        tuple(traced),
    )


def by_user(sessions: Iterable[Mapping[str, object]]) -> dict[int, list[int]]:
    """Return the leaders of the sessions that are only logged, by uid."""
    found: dict[int, list[int]] = defaultdict(list)
    for session in sessions:
        if session["would"]:
            found[int(str(session["uid"]))].append(int(str(session["pid"])))
    return found


def leaders_above(pid: int, by_pid: Mapping[int, Task]) -> set[int]:
    """Return a process and all that it descends from."""
    found: set[int] = set()
    while pid in by_pid and pid not in found:
        found.add(pid)
        pid = by_pid[pid].parent
    return found


def _slice(task: Task) -> int | None:
    found = _SLICE.search(task.cgroup)
    return int(found[1]) if found else None


def _may_attach(by_pid: Mapping[int, Task], task: Task, scope: Scope) -> bool:
    if scope is Scope.CLASSIC:
        return True
    return scope is Scope.RELATIONAL and task.tracer in leaders_above(task.parent, by_pid)
