"""Find where the kernel's source takes the number of a process, and where it tells one.

A place is a function, or a macro, with such a call in it:

- a *taker* turns a number that came from outside into a task: `find_vpid()` and its like;
- a *teller* turns a task into a number: `task_pid_vnr()` and its like, or `->pid` itself.

A function of the kernel that is handed a number and looks it up is a taker as well,
and one that returns a number is a teller: whoever calls them is a place, too. So the
places end at the system calls, files and drivers.

Two kinds are left out, because one row of the table of channels stands for all of
them: what is only printed to the log, and tracepoints.

This is no parser of C. It knows how the kernel's source is laid out: what starts in
the first column is the head of a definition, and `}` in the first column ends it.
"""

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from kernel_lab.command import run
from kernel_lab.errors import CommandFailed

_TAKERS = (
    "find_vpid",
    "find_pid_ns",
    "find_ge_pid",
    "find_get_pid",
    "find_task_by_vpid",
    "find_task_by_pid_ns",
    "find_get_task_by_vpid",
    "clockid_to_kclock",
    # of the series
    "find_user_task",
    "find_get_user_task",
    "find_user_pid",
    "find_user_pgrp",
)
_TELLERS = (
    "pid_nr",
    "pid_vnr",
    "pid_nr_ns",
    "__task_pid_nr_ns",
    *(
        f"task_{which}_{how}"
        for which in ("pid", "tgid", "pgrp", "session", "ppid")
        for how in ("nr", "vnr", "nr_ns")
    ),
    # in Rust
    "pid_in_current_ns",
    "tgid_nr_ns",
)
# A task's own number
_OWN = r"->\s*(?:pid|tgid)\b"
# The owner of a file lock, the numbers of a struct pid, the last that was given out
_OTHERS = r"(?:->|\.)\s*flc?_pid\b|->\s*numbers\s*\[|pid_ns(?:\([^()]*\))?\s*->\s*idr\b"
_RUST = r"\.(?:pid|tgid)\(\)"
# A call, or an object of a class that is made by one: CLASS(find_get_task, p)(pid)
_CALLED = r"(?:\(|, \w+\)\()"
_TASK = re.compile(
    r"\bstruct\s+task_struct\s+(?:(?:__rcu|const)\s+)*\*+\s*(?:const\s+)?(\w+)\s*(;?)"
)
_BEFORE_MEMBER = re.compile(r"(\w+)\s*\)*\s*(?:\[[^\]]*\])?\s*$")
_BEFORE_BRACKET = re.compile(r"(\w+)\s*$")
_NEAR = 80  # characters before a position in which its owner's name is

# Who calls such a function takes or tells, too.
_HANDED_ONE = re.compile(r"\b(?:(?:pid_t|clockid_t)\s+\w+|\w+\s+\w*(?:pid|tgid))\s*[,)]")
_RETURNS_ONE = re.compile(r"\bpid_t\b|\b(?:int|u32|long)\s+\w*(?:pid|tgid)(?:_v?nr|_type)?$")
_RETURNS_TASK = re.compile(r"\bstruct\s+(?:task_struct|pid|net|mm_struct)\s*\*")

_BESIDE = ("Documentation/", "samples/", "scripts/", "tools/", "include/trace/")
_TRACEPOINTS = re.compile(r"^#define TRACE_SYSTEM\b", re.MULTILINE)
_LOG = re.compile(
    r"_?printk\w*|(?:pr|dev|netdev|netif|drm)_(?:info|error|warning|devel|cont|printk)\w*"
    r"|(?:\w+_)?(?:emerg|alert|crit|err|warn|notice|debug|dbg)\d?(?:_once|_ratelimited)?"
    r"|[A-Z_]*(?:DBG|DEBUG)[A-Z_]*|DRM_[A-Z_]+|(?:\w+_)?WARN(?:_ON)?(?:_ONCE)?|trace_\w+"
)

# Comments, strings and characters: no code is in them.
_NO_CODE = re.compile(
    r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\[^'\n]*|[^'\\\n])'", re.DOTALL
)
# A directive with its continuation lines; or a definition or declaration
_PIECE = re.compile(
    r"^[ \t]*#(?:[ \t]*define[ \t]+(?P<macro>\w+))?(?:[^\n]*\\\n)*[^\n]*$"
    r"|^(?P<head>[A-Za-z_][^;{}]*)(?:;|(?P<body>\{)(?:[^\n]*\}[^\n}]*$|.*?^\}))",
    re.DOTALL | re.MULTILINE,
)
_BLANK_LINE = re.compile(r"\n[ \t]*\n(?=.*\S)", re.DOTALL)
_FUNCTION = re.compile(
    r"^(?!__(?:acquires|releases|must_hold|attribute__)\b)(?=\w)[^(\n]*?(\w+)\s*\(", re.MULTILINE
)
_NAMED_INSIDE = re.compile(r"\b(?:(?:COMPAT_)?SYSCALL(?:32)?_DEFINE|BPF_CALL_)\d\(\s*(\w+)")
_RUST_FUNCTION = re.compile(r"\bfn (\w+)")
_NOTHING_FOUND = 1  # status of grep


@dataclass(frozen=True, order=True)
class Place:
    """A function or macro that takes or tells a number."""

    file: str  # in the kernel's tree
    function: str
    line: int  # of the first such call in it
    word: str  # what is called there

    @property
    def name(self) -> str:
        """How the list names it."""
        return f"{self.file}:{self.function}"


@dataclass(frozen=True)
class _Piece:
    """A definition, a declaration, or a directive."""

    start: int
    body: int  # where its head ends
    end: int
    name: str  # "" where nothing can be called
    head: str  # "" of a macro


@dataclass(frozen=True)
class _Call:
    piece: _Piece
    position: int
    word: str
    taker: bool


# (file, function) -> whether it is a taker; no file if it can be called from every one
_Words = dict[tuple[str, str], bool]


class _File:
    """One file of the kernel's source."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._text = _NO_CODE.sub(_blank, text)
        self._rust = name.endswith(".rs")
        self._pieces = list(self._rust_pieces() if self._rust else self._split())
        self._starts = [piece.start for piece in self._pieces]
        self._tasks = {"current"} | {found[1] for found in _TASK.finditer(self._text)}

    def calls(self, words: _Words) -> Iterator[_Call]:
        """Yield the calls of functions that take or tell, except for the log."""
        takers = {word: taker for (file, word), taker in words.items() if file in ("", self.name)}
        if takers:
            for found in re.finditer(rf"\b({'|'.join(takers)})\s*{_CALLED}", self._text):
                yield from self._call(found.start(), found[1], takers[found[1]])

    def members(self, of_tasks: Collection[str]) -> Iterator[_Call]:
        """Yield the uses of members that are a number, except for the log.

        Args:
            of_tasks: the members of structures that are a task.
        """
        for found in re.finditer(_RUST if self._rust else f"(?P<own>{_OWN})|{_OTHERS}", self._text):
            if self._rust or not found["own"] or self._of_a_task(found.start(), of_tasks):
                yield from self._call(found.start(), found[0], False)

    def line(self, position: int) -> int:
        """Return the number of the line of a position."""
        return self._text.count("\n", 0, position) + 1

    def _call(self, position: int, word: str, taker: bool) -> Iterator[_Call]:
        piece = self._piece_of(position)
        if not piece.name or position < piece.body:
            return
        if not any(map(_LOG.fullmatch, self._around(position, piece))):
            yield _Call(piece, position, word, taker)

    def _split(self) -> Iterator[_Piece]:
        for found in _PIECE.finditer(self._text):
            start, end = found.span()
            if found["body"]:
                head = _BLANK_LINE.split(found["head"])[-1]
                yield _Piece(start, found.start("body"), end, _name_in(head), head)
            elif found["macro"]:
                yield _Piece(start, found.end("macro"), end, found["macro"], "")
            else:
                yield _Piece(start, start, end, "", "")

    def _rust_pieces(self) -> Iterator[_Piece]:
        for found in _RUST_FUNCTION.finditer(self._text):
            yield _Piece(found.start(), found.end(), found.end(), found[1], "")

    def _piece_of(self, position: int) -> _Piece:
        """Return the piece that a position is in, or else the last definition before it."""
        number = bisect_right(self._starts, position) - 1
        while number >= 0:
            piece = self._pieces[number]
            if piece.name or position < piece.end:
                return piece
            number -= 1
        return _Piece(0, 0, 0, "?", "")

    def _of_a_task(self, position: int, members: Collection[str]) -> bool:
        owner = _BEFORE_MEMBER.search(self._text, max(0, position - _NEAR), position)
        return owner is not None and (owner[1] in self._tasks or owner[1] in members)

    def _around(self, position: int, piece: _Piece) -> Iterator[str]:
        """Yield the names of the functions in whose arguments a position is."""
        closed = 0
        while position > piece.body:
            position -= 1
            letter = self._text[position]
            if letter == ")":
                closed += 1
            elif letter == "(" and closed:
                closed -= 1
            elif letter == "(":
                if name := _BEFORE_BRACKET.search(self._text, max(0, position - _NEAR), position):
                    yield name[1]
            elif letter in ";{}" and not closed:
                return


def read(tree: Path) -> list[Place]:
    """Return all places of a kernel's source, sorted.

    Args:
        tree: the source, with or without the series.

    Raises:
        LabError: the source cannot be searched.
    """
    first: dict[str, Place] = {}
    for file, call in _calls(tree):
        place = Place(file.name, call.piece.name, file.line(call.position), call.word)
        known = first.setdefault(place.name, place)
        first[place.name] = min(known, place)
    return sorted(first.values())


def _calls(tree: Path) -> list[tuple[_File, _Call]]:
    of_tasks = _members(tree)
    sought: _Words = {("", word): word in _TAKERS for word in [*_TAKERS, *_TELLERS]}
    files = _files_with(tree, rf"{_words_of(sought)}|{_OWN}|{_OTHERS}|{_RUST}")
    calls = [(file, call) for file in files.values() for call in file.members(of_tasks)]
    words: _Words = {}
    while sought:
        files = _files_with(tree, _words_of(sought)) | files if words else files
        calls += [(file, call) for file in files.values() for call in file.calls(sought)]
        words |= sought
        # Takers last: what does both is one.
        calls.sort(key=lambda found: found[1].taker)
        callers = {_passes_on(file, call): call.taker for file, call in calls}
        sought = {word: taker for word, taker in callers.items() if word and word not in words}
    return calls


def _words_of(words: _Words) -> str:
    return rf"\b({'|'.join(word for _, word in words)})\b"


def _files_with(tree: Path, pattern: str) -> dict[str, _File]:
    """Return the files of the kernel itself in which a pattern is, but no tracepoints."""
    names = _grep(tree, "-l", pattern.replace("(?:", "("), "*.[ch]", "*.rs")
    texts = {
        name: (tree / name).read_text(encoding="utf-8", errors="replace")
        for name in names
        if not name.startswith(_BESIDE)
    }
    return {
        name: _File(name, text)
        for name, text in texts.items()
        if not (name.endswith(".h") and _TRACEPOINTS.search(text))
    }


def _members(tree: Path) -> set[str]:
    """Return the names under which structures hold a task, without the short ones."""
    lines = _grep(tree, "-h", r"struct\s+task_struct\s", "*.h")
    found = [match for line in lines for match in _TASK.finditer(line)]
    return {match[1] for match in found if match[2] and len(match[1]) > 1}


def _grep(tree: Path, what: str, pattern: str, *names: str) -> list[str]:
    argv = ["grep", "-rE", what, *(f"--include={name}" for name in names), "-e", pattern, "."]
    try:
        lines = run(argv, cwd=tree).splitlines()
    except CommandFailed as error:
        if error.status != _NOTHING_FOUND:
            raise
        return []
    return [line.removeprefix("./") for line in lines]


def _blank(found: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", found[0])


def _name_in(head: str) -> str:
    """Return the name that a definition gives."""
    if inside := _NAMED_INSIDE.search(head):
        return inside[1]
    functions: list[str] = _FUNCTION.findall(head)
    if functions and "=" not in head:
        return functions[-1]
    words = re.findall(r"\w+", re.sub(r"\[[^]]*\]", "", head.partition("=")[0]))
    return words[-1] if words else "?"


def _passes_on(file: _File, call: _Call) -> tuple[str, str] | None:
    """Return the function that a call is in, if who calls that one takes or tells, too."""
    head = call.piece.head
    before, _, handed = head.partition("(")
    if call.taker:
        passes_on = _HANDED_ONE.search(handed) or _RETURNS_TASK.search(before)
    else:
        passes_on = _RETURNS_ONE.search(before)
    if not passes_on or _NAMED_INSIDE.search(head):
        return None
    only_here = "static" in before and not file.name.endswith(".h")
    return (file.name if only_here else "", call.piece.name)
