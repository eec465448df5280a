"""Show the processes by domain, the domains nested as they are, and what each of them sees.

What is in no domain is counted by user; --all lists it. For root everything is
shown, else what exists for the caller; where BPF programs enforce, to root alone.
Who is capable over a domain's creator, as sudo in a session, sees all in spite of it.
"""

from __future__ import annotations

import argparse
import json
import pwd
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from yama_session.cli._exit import ExitCode
from yama_session.cli._reach_text import domain_plain
from yama_session.cli._table import Colour, coloured, printable
from yama_session.errors import ServiceError
from yama_session.levels import View
from yama_session.reach.domains import Process
from yama_session.reach.picture import picture
from yama_session.scope import DomainInfo

HELP = "show the processes by domain, and who sees whom"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``tree``."""
    parser.add_argument("--all", action="store_true", help="list what is in no domain, too")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the tree."""
    forest = _collect()
    if args.json:
        print(json.dumps(_plain(forest), indent=2))
    else:
        print("\n".join(_lines(forest, everything=args.all)))
    return ExitCode.OK


@dataclass
class _Domain:
    """A domain and what is in it."""

    info: DomainInfo
    parent: int | None
    sees: set[int] | None
    sessions: list[str]
    processes: list[Process] = field(default_factory=list)


@dataclass
class _Forest:
    """All that was found."""

    domains: dict[int, _Domain]
    outside: list[Process]

    def nested_in(self, parent: int | None) -> list[_Domain]:
        """Return the domains that are nested in one, in no other (0), or in an unknown one."""
        return [domain for domain in self.domains.values() if domain.parent == parent]


def _collect() -> _Forest:
    shown = picture()
    nesting = shown.nesting()
    sessions = _sessions()
    forest = _Forest({}, [])
    for item in shown.processes:
        if item.domain is None:
            forest.outside.append(item)
            continue
        id_ = item.domain.id
        if id_ not in forest.domains:
            known = sessions.get(id_, [])
            parent, sees = nesting.parents[id_], nesting.sight[id_]
            forest.domains[id_] = _Domain(item.domain, parent, sees, known)
        forest.domains[id_].processes.append(item)
    return forest


def _sessions() -> Mapping[int, list[str]]:
    """The ids of the sessions in each domain, as far as the service tells the caller."""
    found: dict[int, list[str]] = defaultdict(list)
    try:
        from yama_session.service import client

        for session in client.list_sessions():
            if session["domain"]:
                found[session["domain"]].append(session["id"])
    except (ImportError, ServiceError):
        pass
    return found


@cache
def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _plain(forest: _Forest) -> dict[str, object]:
    return {
        "domains": [
            {
                **(domain_plain(domain.info) or {}),
                "parent": None if domain.parent is None else str(domain.parent),
                "sees": None if domain.sees is None else list(map(str, sorted(domain.sees))),
                "sessions": domain.sessions,
                "processes": [_process_plain(item) for item in domain.processes],
            }
            for domain in forest.domains.values()
        ],
        "outside": [_process_plain(item) for item in forest.outside],
    }


def _process_plain(item: Process) -> dict[str, object]:
    return {
        "pid": item.pid,
        "parent": item.parent,
        "uid": item.uid,
        "user": _user(item.uid),
        "name": item.name,
    }


def _lines(forest: _Forest, *, everything: bool) -> Iterator[str]:
    counts = Counter(_user(item.uid) for item in forest.outside)
    users = ", ".join(f"{count} of {user}" for user, count in counts.most_common())
    yield coloured("in no domain", Colour.HEAD) + f": {printable(users) or 'nothing'}; they see all"
    if everything:
        yield from _branches(_processes(forest.outside), [])
    for domain in [*forest.nested_in(0), *forest.nested_in(None)]:
        yield from _domain_lines(forest, domain)


def _domain_lines(forest: _Forest, domain: _Domain) -> Iterator[str]:
    info = domain.info
    words = [f"scope {info.scope.word}", f"view {info.view.word}"]
    words += ["override"] if info.override else []
    if domain.parent is None or (domain.parent == 0 and info.depth > 1):
        words.append(f"nested {info.depth - 1} deep in what is not seen")
    if domain.sessions:
        words.append(f"session {', '.join(map(printable, domain.sessions))}")
    yield f"{coloured(f'domain {info.id}', Colour.HEAD)}: {', '.join(words)}"
    nested = [list(_domain_lines(forest, inner)) for inner in forest.nested_in(info.id)]
    own = [coloured(f"sees {_sight_text(domain)}", Colour.FAINT), *_processes(domain.processes)]
    yield from _branches(own, nested)


def _sight_text(domain: _Domain) -> str:
    info, sees = domain.info, domain.sees
    if info.view is View.ALL:
        return "all"
    if info.view is View.INFERIORS:
        return "of each process its descendants"
    own = ["what is of the viewer's uid"] if info.view is View.USER else []
    if sees is None:
        return ", ".join(["itself and what is nested in it", *own])
    others = sorted(sees - {info.id})
    return ", ".join(["itself", *(f"domain {id_}" for id_ in others), *own])


def _processes(items: Sequence[Process]) -> list[str]:
    pids = max((len(str(item.pid)) for item in items), default=0)
    users = max((len(printable(_user(item.uid))) for item in items), default=0)
    return [
        f"{item.pid:>{pids}}  {printable(_user(item.uid)):<{users}}  {printable(item.name)}"
        for item in items
    ]


def _branches(leaves: Iterable[str], nested: Sequence[Sequence[str]]) -> Iterator[str]:
    """Hang lines, and below them whole branches, on one stem."""
    fork, last, stem = ("├─ ", "└─ ", "│  ") if _draws() else ("|- ", "`- ", "|  ")
    branches = [[leaf] for leaf in leaves] + [list(branch) for branch in nested]
    for index, branch in enumerate(branches):
        final = index == len(branches) - 1
        yield (last if final else fork) + branch[0]
        yield from (("   " if final else stem) + line for line in branch[1:])


def _draws() -> bool:
    """Tell if the output can show the lines of a tree."""
    try:
        "├└│".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
