"""What each enforcer honours: the one table that code, tests and documentation use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from yama_session.levels import Group, Proc, Scope, View


class Request(Protocol):
    """The settings that an enforcer is asked for; a policy's ``Settings`` is one."""

    @property
    def scope(self) -> Scope: ...
    @property
    def view(self) -> View: ...
    @property
    def group(self) -> Group: ...
    @property
    def proc(self) -> Proc: ...
    @property
    def override(self) -> bool: ...


class Honour(Enum):
    """How far an enforcer honours a word.

    ``PARTLY`` is accepted only where the enforcer was named: whoever names it
    has chosen what it lacks. ``NO`` is an error always.
    """

    YES = "yes"
    PARTLY = "partly"
    NO = "no"


@dataclass(frozen=True)
class Cell:
    """One enforcer's answer: how far, and what that means where it is not plain."""

    honour: Honour
    note: str = ""


@dataclass(frozen=True)
class Row:
    """One word of the policy, or one property that no word asks for.

    Attributes:
        word: the word with its value, or the name of the property.
        asked: whether a request asks for it; ``None`` for a property.
        cells: the answer by the name of the enforcer.
    """

    word: str
    asked: Callable[[Request], bool] | None
    cells: Mapping[str, Cell]


_YES = Cell(Honour.YES)


def _row(
    word: str, asked: Callable[[Request], bool] | None, yama: Cell, bpf: Cell, landlock: Cell
) -> Row:
    return Row(word, asked, {"yama": yama, "bpf": bpf, "landlock": landlock})


_NO_LEVELS = Cell(
    Honour.PARTLY,
    "no levels: attach reaches the session's processes as far as the sysctl allows, none outside",
)
_ALWAYS_PTRACEABLE = Cell(
    Honour.YES,
    "always ptraceable: it hides the session's set-uid, more capable and non-dumpable processes, "
    "such as sudo, ssh-agent and the login's leader",
)
_NAMES_VISIBLE = Cell(Honour.PARTLY, "the names of all processes stay visible")
_BY_INSTANCE = Cell(Honour.PARTLY, "open and chdir may say EPERM; the link count tells the number")
_NEEDS_SERVICE = Cell(Honour.PARTLY, "a private /proc needs the session service or a pid namespace")

HONOURS: tuple[Row, ...] = (
    _row("scope=classic", lambda r: r.scope == Scope.CLASSIC, _YES, _YES, _YES),
    _row("scope=relational", lambda r: r.scope == Scope.RELATIONAL, _YES, _YES, _NO_LEVELS),
    _row("scope=capability", lambda r: r.scope == Scope.CAPABILITY, _YES, _YES, _NO_LEVELS),
    _row("scope=no-attach", lambda r: r.scope == Scope.NO_ATTACH, _YES, _YES, _NO_LEVELS),
    _row(
        "view=all",
        lambda r: r.view == View.ALL,
        _YES,
        _YES,
        Cell(Honour.NO, "every Landlock domain hides what is outside it"),
    ),
    _row(
        "view=user",
        lambda r: r.view == View.USER,
        _YES,
        _YES,
        Cell(
            Honour.NO,
            "a Landlock domain hides the user's own processes outside it, too: use view=domain",
        ),
    ),
    _row("view=domain", lambda r: r.view == View.DOMAIN, _YES, _YES, _YES),
    _row(
        "view=inferiors",
        lambda r: r.view == View.INFERIORS,
        _YES,
        _YES,
        Cell(Honour.NO, "a Landlock domain knows no descendants"),
    ),
    _row("group=session", lambda r: r.group == Group.SESSION, _YES, _YES, _YES),
    _row(
        "group=user",
        lambda r: r.group == Group.USER,
        _YES,
        _YES,
        Cell(Honour.NO, "a process cannot join a Landlock domain: use group=session"),
    ),
    _row(
        "proc=private",
        lambda r: r.proc == Proc.PRIVATE,
        _YES,
        _ALWAYS_PTRACEABLE,
        _ALWAYS_PTRACEABLE,
    ),
    _row("proc=ptraceable", lambda r: r.proc == Proc.PTRACEABLE, _YES, _YES, _YES),
    _row("proc=host", lambda r: r.proc == Proc.HOST, _YES, _NAMES_VISIBLE, _NAMES_VISIBLE),
    _row(
        "override",
        lambda r: r.override,
        _YES,
        Cell(Honour.NO, "a BPF program can refuse what the sysctl allows, not the reverse"),
        Cell(Honour.PARTLY, "the sysctl counts as for everybody"),
    ),
    _row("capable processes inside see all", None, _YES, _YES, Cell(Honour.NO, "sudo included")),
    _row("PR_SET_PTRACER across domains", None, _YES, Cell(Honour.NO), Cell(Honour.NO)),
    _row(
        "a hidden name answers as a missing one",
        None,
        _YES,
        Cell(Honour.PARTLY, f"{_BY_INSTANCE.note}; system calls tell that a process is there"),
        _BY_INSTANCE,
    ),
    _row(
        "no procfs that is mounted elsewhere shows more",
        None,
        _YES,
        Cell(
            Honour.PARTLY,
            "covered when the session begins; one that is mounted later shows names as its "
            "options allow, and opens no file of a hidden process",
        ),
        Cell(
            Honour.PARTLY,
            "covered when the session begins; one that is mounted later shows what its options "
            "allow",
        ),
    ),
    _row(
        "a directory that a login hands on leads nowhere else",
        None,
        _YES,
        Cell(
            Honour.YES,
            "none is handed on: each is close-on-exec, and none may be a standard stream",
        ),
        Cell(
            Honour.YES,
            "none is handed on: each is close-on-exec, and none may be a standard stream",
        ),
    ),
    _row(
        "a hidden parent or child is there for job control alone",
        None,
        _YES,
        Cell(Honour.YES, "a parent that adopts is none"),
        Cell(Honour.NO, "each is there for every call but signals and access"),
    ),
    _row(
        "a set-uid program looks up no hidden name for its caller",
        None,
        _YES,
        _YES,
        _YES,
    ),
    _row(
        "nothing is done to hidden processes of the same user",
        None,
        _YES,
        Cell(Honour.PARTLY, "cgroups that the user may write to reach them"),
        Cell(Honour.NO, "limits, priorities and cgroups reach them, and a limit dumps their core"),
    ),
    _row(
        "the sysctl reads as the session's own level",
        None,
        _YES,
        Cell(Honour.NO),
        Cell(Honour.NO),
    ),
    _row("unprivileged use", None, _YES, _NEEDS_SERVICE, _NEEDS_SERVICE),
)


@dataclass(frozen=True)
class Shortfall:
    """A word of a request that an enforcer honours partly or not at all."""

    enforcer: str
    word: str
    cell: Cell

    def __str__(self) -> str:
        said = "cannot honour" if self.cell.honour is Honour.NO else "honours only in part"
        note = f" ({self.cell.note})" if self.cell.note else ""
        return f"{self.enforcer} {said} {self.word}{note}"


def shortfalls(enforcer: str, request: Request) -> tuple[Shortfall, ...]:
    """Return what the enforcer called ``enforcer`` lacks for ``request``, worst first."""
    found = [
        Shortfall(enforcer, row.word, row.cells[enforcer])
        for row in HONOURS
        if row.asked is not None
        and row.cells[enforcer].honour is not Honour.YES
        and row.asked(request)
    ]
    return tuple(sorted(found, key=lambda item: item.cell.honour is not Honour.NO))


def honours_markdown() -> str:
    """Return the table as the documentation shows it."""
    names = list(HONOURS[0].cells)
    lines = ["| | " + " | ".join(f"`{name}`" for name in names) + " |"]
    lines.append("| --- |" + " --- |" * len(names))
    for row in HONOURS:
        cells = (row.cells[name] for name in names)
        texts = (f"{c.honour.value}: {c.note}" if c.note else c.honour.value for c in cells)
        word = row.word if row.asked is None else f"`{row.word}`"
        lines.append(f"| {word} | " + " | ".join(texts) + " |")
    return "\n".join(lines) + "\n"
