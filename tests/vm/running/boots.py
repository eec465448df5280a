"""Which files share a boot, and what each of them said there."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kernel_lab import GuestResult
from wanted import Wanted

#: Seconds of tests in one guest that files share: more in one leave others nothing to do.
ROOM = 400.0
_SECTION = re.compile(
    r"^guest: begin (\S+)\n(.*?)(?:^guest: end \1 (\d+)$|\Z)", re.MULTILINE | re.S
)
_COUNTED = re.compile(r"^guest: counted (.*)$", re.MULTILINE)
_KILLED = (124, 137)  # what timeout(1) says, or the shell of it


@dataclass(frozen=True)
class Boot:
    """One guest, and the files that run in it one after the other."""

    files: tuple[Wanted, ...]

    @property
    def timeout(self) -> float:
        """Seconds for all of it."""
        return sum(file.timeout for file in self.files)

    @property
    def name(self) -> str:
        """The files and what they run on."""
        first = self.files[0]
        names = " ".join(file.module.stem.removeprefix("test_") for file in self.files)
        return " ".join([*first.row[1:], first.cmdline]).strip() + f": {names}"


def boots(wanted: Iterable[Wanted], seconds: Callable[[Wanted], float]) -> list[Boot]:
    """Divide files among guests: those that do not ask to be alone share them.

    Args:
        wanted: what is to run.
        seconds: how long a file takes, about.

    Returns:
        All of what is wanted, each once; the guest that takes longest is the first.
    """
    shared: list[list[Wanted]] = []
    for file in sorted(wanted, key=seconds, reverse=True):
        for others in shared:
            fits = sum(map(seconds, others)) + seconds(file) <= ROOM
            if fits and others[0].machine == file.machine:
                others.append(file)
                break
        else:
            shared.append([file])
    shared.sort(key=lambda files: sum(map(seconds, files)), reverse=True)
    return [Boot(tuple(sorted(files, key=lambda file: file.name))) for files in shared]


@dataclass(frozen=True)
class Said:
    """What one file said in a guest. `status` is that of its tests, None if they did not end."""

    output: str
    status: int | None

    @property
    def last(self) -> str:
        """The line that sums up: pytest's last in a frame, else the last."""
        lines = self.output.rstrip().splitlines() or [""]
        framed = [line for line in lines if line.startswith("=")]
        return (framed or lines)[-1].strip("= ")

    @property
    def counted(self) -> str:
        """What the tests have counted, for the page of results; "" if nothing."""
        found = _COUNTED.search(self.output)
        return f"; {found[1].strip()}" if found else ""


def said(output: str) -> dict[str, Said]:
    """Return what each file said, by its name, in the order in which they ran."""
    return {
        name: Said(text, int(status) if status else None)
        for name, text, status in _SECTION.findall(output)
    }


def problem(file: Wanted, result: GuestResult) -> str | None:
    """Return what is wrong with a file's guest, or with how its tests ended, or None.

    The guest's kernel is judged as a whole: nothing that ran on one that
    complained has shown anything. Who ran last is named then.
    """
    everyone = said(result.output)
    own = everyone.get(file.module.name)
    if result.problem:
        last = [name for name, one in everyone.items() if one.status is None]
        return f"{result.problem} (in {last[-1]})" if last else result.problem
    if own is None or own.status is None:
        return "the guest ended before these tests did"
    if own.status in _KILLED:
        return f"the tests were still running after {file.timeout:.0f} s"
    return None
