"""Programs that gain something by execve(2), as `deputies.toml` lists them.

Run by itself it prints `docs/deputies.md`.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("deputies.toml")
RELEASES = {"bookworm": "12", "trixie": "13"}
SUFFIXES = ("/root", "/exe", "/stat")  # what {name} stands for, below /proc/N

_PAGE = """\
# Deputies: set-uid programs and the names that they are given

Made from `tests/vm/guest/deputies.toml`, as `tests/vm/guest/deputies.py` prints it.

A program that gains a uid or a capability by `execve(2)` looks up names that
somebody without it has chosen. In a session it must not tell what the session
cannot see: a name of a hidden process answers as one of a free number. Here is
what Debian has of such programs, and what they take. Where there is a number, the
program was run in a confined login so often, with names of two hidden processes
(another user's, and one of the same user outside of the session) and of a free
number: status, standard output and standard error were the same. *Blind* are ways
in which it answers alike for a visible process too, since it refuses earlier.
Programs that were not run have the reason there.

Two tasks are not hidden from a set-uid program: PID 1, as `pam_limits` in `su` and
`sudo` reads `/proc/1/limits`, and kthreadd, without which `firejail` takes the
machine for a container and runs the program without its sandbox. Who has the
capability with real and effective uid alike sees all, as a root shell and `sudo ps`
do. A program that `super` runs has its caller's real uid, unless `super.tab` says
`uid=root`, and sees what the caller sees. `pkexec` asks for its parent, and aborts
if that is hidden.

| program | package | Debian | gains | takes from its caller | ways tried |
| --- | --- | --- | --- | --- | --- |
"""


@dataclass(frozen=True)
class Program:
    """A program, and how it is given names."""

    path: str
    package: str
    gains: str
    takes: str
    release: str = ""  # "" if both have it
    installed: bool = True  # in the guests
    tries: tuple[str, ...] = ()
    blind: tuple[str, ...] = ()
    untried: str = ""
    tells: str = ""  # why it tells all the same

    def row(self) -> str:
        """Return the program's line of the page."""
        tried = str(len(self.tries)) if self.tries else ""
        if self.blind:
            tried = f"{tried}, " if tried else ""
            tried += f"{len(self.blind)} blind"
        if self.tells:
            tried += f"; **tells**: {self.tells}"
        debian = RELEASES.get(self.release, ", ".join(RELEASES.values()))
        paths = self.path.split() if self.path.startswith("/") else [self.path]
        path = ", ".join(f"`{path}`" if self.path.startswith("/") else path for path in paths)
        cells = (path, self.package, debian, self.gains, self.takes, tried or self.untried)
        return f"| {' | '.join(cells)} |\n"


def programs() -> list[Program]:
    """Return all programs of the table."""
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return [_program(entry) for entry in table["program"]]


def _program(entry: dict[str, Any]) -> Program:
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
    }
    return Program(**fields)


def commands(template: str, pid: int) -> list[str]:
    """Return the commands that a template of the table stands for."""
    names = [f"/proc/{pid}{suffix}" for suffix in SUFFIXES] if "{name}" in template else [""]
    return [template.replace("{name}", name).replace("{pid}", str(pid)) for name in names]


def page() -> str:
    """Return `docs/deputies.md`."""
    return _PAGE + "".join(program.row() for program in programs())


if __name__ == "__main__":
    print(page(), end="")
